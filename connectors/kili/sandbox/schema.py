"""The sandbox's SDL: what it answers with. Names are those of fact sheet §6 and §7; nullability is ours.

Root fields are nullable, since a recorded failure is ``{"data": {"data": null}, "errors": […]}`` (§4).
"""

from __future__ import annotations

import hashlib
from typing import Literal, TypeAlias

from connectors.kili.sandbox.schema_inputs import INPUTS

Family: TypeAlias = Literal["new", "old", "both"]
EventsFeed: TypeAlias = Literal["on", "off", "refused"]

ENUMS = """
scalar DateTime
scalar JSON
scalar PageSize
enum InputType {
  AUDIO GEOSPATIAL IMAGE LLM_INSTR_FOLLOWING LLM_RLHF LLM_STATIC NA PDF TEXT TIME_SERIES URL VIDEO VIDEO_LEGACY
}
enum Status { TODO ONGOING LABELED TO_REVIEW REVIEWED }
enum StepStatus {
  TO_DO
  IN_PROGRESS
  PARTIALLY_DONE
  REWORK
  DONE
  SKIPPED
  DOING @deprecated(reason: "use IN_PROGRESS")
  REDO @deprecated(reason: "use REWORK")
}
enum StepType { DEFAULT REVIEW }
enum WorkflowVersion { V1 V2 V3 }
enum LabelType { AUTOSAVE DEFAULT INFERENCE PREDICTION REVIEW }
enum IssueType { ISSUE QUESTION }
enum IssueStatus { OPEN SOLVED CANCELLED }
enum PluginHandlerType { onSubmit onReview onCustomInterfaceClick onSendBackToQueue }
enum ProjectRole { ADMIN TEAM_MANAGER REVIEWER LABELER }
enum ProjectUserStatus { ACTIVATED ORG_ADMIN ORG_SUSPENDED }
enum OrganizationRole { ADMIN USER }
enum NotificationStatus { SUCCESS FAILURE PENDING }
enum UploadType { NATIVE_VIDEO FRAME_VIDEO TILED_IMAGE GEO_SATELLITE }
enum Order { asc desc }
"""

OBJECTS = """
type License { api: Boolean uploadLocalData: Boolean }
type Organization { id: ID! name: String license: License }
type User {
  id: ID! email: String! firstname: String lastname: String name: String activated: Boolean
  createdAt: DateTime organization: Organization organizationRole: OrganizationRole
}
type ApiKey { id: ID! name: String key: String createdAt: DateTime expiryDate: DateTime revoked: Boolean user: User }
type ProjectUser {
  id: ID! role: ProjectRole! user: User! activated: Boolean starred: Boolean status: ProjectUserStatus
  createdAt: DateTime project: Project
}
type Step {
  id: ID! name: String! type: StepType assignees: [User!] stepGroupId: ID stepCoverage: Int sendBackStepId: ID
}
type StepGroup { id: ID! name: String! }
type CurrentStep { id: ID name: String type: StepType status: StepStatus stepGroupName: String }
type DataConnection { id: ID! }
type Project {
  id: ID! title: String description: String instructions: String inputType: InputType jsonInterface: JSON
  author: User archived: Boolean createdAt: DateTime updatedAt: DateTime
  workflowVersion: WorkflowVersion steps: [Step!] stepGroups: [StepGroup!] enforceStepSeparation: Boolean
  roles: [ProjectUser!] consensusTotCoverage: Int minConsensusSize: Int reviewCoverage: Int
  canNavigateBetweenAssets: Boolean canSkipAsset: Boolean useHoneyPot: Boolean
  consensusMark: Float honeypotMark: Float geospatialSettings: JSON metadataProperties: JSON
  dataConnections: [DataConnection!]
  numberOfAssets: Int numberOfRemainingAssets: Int numberOfReviewedAssets: Int numberOfSkippedAssets: Int
  numberOfOpenIssues: Int numberOfSolvedIssues: Int numberOfOpenQuestions: Int numberOfSolvedQuestions: Int
}
type Resolution { width: Float height: Float }
type PageResolution { pageNumber: Int width: Float height: Float rotation: Int }
type AssetLock { id: ID! author: User reason: String createdAt: DateTime }
type Asset {
  id: ID! externalId: String content: String jsonContent: String jsonMetadata: JSON project: Project
  createdAt: DateTime updatedAt: DateTime status: Status currentStep: CurrentStep skipped: Boolean priority: Int
  isHoneypot: Boolean isUsedForConsensus: Boolean
  honeypotMark: Float consensusMark: Float inferenceMark: Float
  labels: [Label!] latestLabels: [Label] issues: [Issue!] toBeLabeledBy: [User!] locks: [AssetLock!]
  latestLabel: Label @deprecated(reason: "use latestLabels")
  resolution: Resolution pageResolutions: [PageResolution!] ocrMetadata: String geospatialExportMetadata: JSON
  thumbnail: String duration: Float
}
type Label {
  id: ID! assetId: ID labelOf: Asset author: User createdAt: DateTime updatedAt: DateTime
  labelType: LabelType modelName: String jsonResponse: JSON jsonResponseUrl: String numberOfAnnotations: Int
  secondsToLabel: Int totalSecondsToLabel: Int skipped: Boolean
  isLatestLabelForUser: Boolean isLatestDefaultLabelForUser: Boolean isLatestReviewLabelForUser: Boolean
  isLastForStep: Boolean isSentBackToQueue: Boolean
  honeypotMark: Float consensusMark: Float inferenceMark: Float
}
type Comment { id: ID! text: String createdAt: DateTime authorIdUser: ID author: User }
type Issue {
  id: ID! type: IssueType status: IssueStatus createdAt: DateTime updatedAt: DateTime
  assetId: ID project: Project objectMid: String issueNumber: Int hasBeenSeen: Boolean
  author: User assignee: User comments: [Comment!]
}
type Notification {
  id: ID! status: NotificationStatus message: String url: String hasBeenSeen: Boolean userID: ID createdAt: DateTime
}
type Event {
  id: ID! event: String createdAt: DateTime organizationId: ID projectId: ID userId: ID payload: JSON
}
type AssetReference { assetId: ID! externalId: String }
type AssetFailure { assetId: ID! externalId: String details: String }
type AssetActionOutcome {
  succeeded: [AssetReference!]! declined: [AssetReference!]! failed: [AssetFailure!]!
}
"""

QUERIES = """
type Query {
  viewer: User
  apiKeys(where: ApiKeyWhere!, skip: Int!, first: PageSize!): [ApiKey!]
  countApiKeys(where: ApiKeyWhere!): Int
  projects(where: ProjectWhere!, skip: Int!, first: PageSize!): [Project!]
  countProjects(where: ProjectWhere!): Int
  assets(where: AssetWhere!, skip: Int!, first: PageSize!): [Asset!]
  countAssets(where: AssetWhere!): Int
  countAssetAnnotations(where: AssetWhere!): Int
  labels(where: LabelWhere!, skip: Int!, first: PageSize!): [Label!]
  countLabels(where: LabelWhere!): Int
  issues(where: IssueWhere!, skip: Int!, first: PageSize!): [Issue!]
  countIssues(where: IssueWhere!): Int
  users(where: UserWhere!, skip: Int!, first: PageSize!): [User!]
  countUsers(where: UserWhere!): Int
  projectUsers(where: ProjectUserWhere!, skip: Int!, first: PageSize!): [ProjectUser!]
  countProjectUsers(where: ProjectUserWhere!): Int
  organizations(where: OrganizationWhere!, skip: Int!, first: PageSize!): [Organization!]
  countOrganizations(where: OrganizationWhere!): Int
  notifications(where: NotificationWhere!, skip: Int!, first: PageSize!): [Notification!]
  countNotifications(where: NotificationWhere!): Int
  filterExistingAssets(projectID: ID!, externalIDs: [String!]!): [String!]
  createUploadBucketSignedUrls(filePaths: [String!]): [String!]
}
"""

EVENTS_QUERY = """
extend type Query { events(where: EventsWhere!, pagination: EventPagination!, order: Order): [Event!] }
"""

MUTATIONS = """
type Mutation {
  createProject(data: CreateProjectData!): Project
  updatePropertiesInProject(data: ProjectData!, where: ProjectWhere!): Project
  deleteProjectAsynchronously(where: ProjectWhere!): ID
  appendToRoles(data: AppendToRolesData!, where: ProjectWhere!): Project
  updatePropertiesInRole(data: RoleData!, where: ProjectUserWhere!): ProjectUser
  deleteFromRoles(where: ProjectUserWhere!): Project
  appendManyAssets(data: AppendManyAssetsData!, where: ProjectWhere!): [Asset!]
  appendManyAssetsAsynchronously(data: AppendManyAssetsAsynchronouslyData!, where: ProjectWhere!): Notification
  updatePropertiesInAssets(where: [AssetWhere!]!, data: [AssetData!]!): [Asset!]
  setAssetConsensus(assetId: ID, externalId: String, projectId: ID!, isConsensus: Boolean!): Boolean
  skipAsset(reason: String!, where: AssetWhere!): Asset
  unskipAsset(projectId: ID!, assetId: ID!): ID
  appendManyLabels(data: AppendManyLabelsData!, where: AssetWhere!): [Label!]
  appendToLabels(data: AppendToLabelsData!, where: AssetWhere!): Label
  createHoneypot(data: CreateHoneypotData!, where: AssetWhere!): Label
  deleteLabels(ids: [ID!]!): [ID!]
  createIssues(issues: [IssueToCreate!]!, where: AssetWhere!): [Issue!]
  updatePropertiesInIssue(data: IssueData!, where: IssueWhere!): Issue
  createWebhook(data: WebhookData!): String
  updateWebhook(data: WebhookData!): String
  activatePluginOnProject(where: PluginOnProjectWhere!): String
  deactivatePluginOnProject(where: PluginOnProjectWhere!): String
  deletePlugin(where: PluginWhere!): String
}
type Subscription { labelCreatedOrUpdated(projectID: ID!): Label }
"""

NEW_FAMILY = """
extend type Mutation {
  sendAssetsBackToQueue(where: AssetWhere!): AssetActionOutcome
  addAssetsToReview(where: AssetWhere!): AssetActionOutcome
  deleteAssets(where: AssetWhere!): AssetActionOutcome
  assignAssets(where: AssetWhere!, userIds: [String!]!): AssetActionOutcome
  setAssetsPriority(where: AssetWhere!, priority: Int!): AssetActionOutcome
}
"""

OLD_FAMILY = """
extend type Mutation {
  sendBackAssetsToQueue(where: AssetWhere!): Project
  addAllLabeledAssetsToReview(where: AssetWhere!): Project
  deleteManyFromDataset(where: AssetWhere!): Project
  assignAssetsToLabelers(where: AssetWhere!, userIds: [String!]!): Project
}
"""


def sdl(family: Family, events: EventsFeed) -> str:
    """The schema text of a server of one mutation family or both (fact sheet §7, version drift)."""
    parts = [ENUMS, OBJECTS, INPUTS, QUERIES, MUTATIONS]
    if events != "off":
        parts.append(EVENTS_QUERY)
    if family != "old":
        parts.append(NEW_FAMILY)
    if family != "new":
        parts.append(OLD_FAMILY)
    return "\n".join(parts)


def version(text: str) -> str:
    """What ``/version`` says: it changes with the schema, since SDKs cache the schema by it (fact sheet §2)."""
    return f"2.199.0-{hashlib.sha256(text.encode()).hexdigest()[:8]}"
