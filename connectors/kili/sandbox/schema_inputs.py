"""The sandbox's SDL: what it is asked with. Complete for what the official SDK sends (fact sheet §6, §7)."""

from __future__ import annotations

WHERE = """
input OrganizationWhere { id: ID user: UserWhere }
input UserWhere { id: ID idIn: [ID!] email: String activated: Boolean organization: OrganizationWhere }
input ApiKeyWhere { id: ID key: String user: UserWhere }
input ProjectWhere {
  id: ID searchQuery: String shouldRelaunchKpiComputation: Boolean starred: Boolean
  updatedAtGte: DateTime updatedAtLte: DateTime createdAtGte: DateTime createdAtLte: DateTime
  organizationId: ID tagIds: [ID!] deleted: Boolean archived: Boolean
}
input LabelAssetWhere {
  typeIn: [LabelType!] authorIn: [String!] labelerIn: [ID!] labelerNotIn: [ID!] reviewerIn: [ID!] reviewerNotIn: [ID!]
  consensusMarkGte: Float consensusMarkLte: Float honeypotMarkGte: Float honeypotMarkLte: Float
  createdAt: DateTime createdAtGte: DateTime createdAtLte: DateTime search: String
}
input IssueAssetWhere { type: IssueType status: IssueStatus }
input StepIdAndStatus { stepId: ID! status: StepStatus! }
input AssetWhere {
  id: ID idIn: [ID!] idNotIn: [ID!] project: ProjectWhere
  externalIdStrictlyIn: [String!] externalIdIn: [String!] metadata: JSON
  statusIn: [Status!] skipped: Boolean assigneeIn: [ID!] assigneeNotIn: [ID!]
  consensusMarkGte: Float consensusMarkLte: Float honeypotMarkGte: Float honeypotMarkLte: Float
  inferenceMarkGte: Float inferenceMarkLte: Float
  updatedAtGte: DateTime updatedAtLte: DateTime createdAtGte: DateTime createdAtLte: DateTime
  stepIdIn: [ID!] stepIdNotIn: [ID!] stepStatusIn: [StepStatus!] stepStatusNotIn: [StepStatus!]
  stepIdAndStatusIn: [StepIdAndStatus!] stepIdAndStatusNotIn: [StepIdAndStatus!]
  groupNameIn: [String!] groupNameNotIn: [String!]
  issue: IssueAssetWhere label: LabelAssetWhere
}
input LabelWhere {
  id: ID idIn: [ID!] project: ProjectWhere asset: AssetWhere user: UserWhere
  typeIn: [LabelType!] authorIn: [String!] labelerIn: [ID!] reviewerIn: [ID!]
  consensusMarkGte: Float consensusMarkLte: Float honeypotMarkGte: Float honeypotMarkLte: Float
  createdAt: DateTime createdAtGte: DateTime createdAtLte: DateTime search: String
}
input IssueAssetReference { id: ID }
input IssueWhere {
  id: ID project: ProjectWhere asset: IssueAssetReference assetIn: [ID!] status: IssueStatus type: IssueType
}
input ProjectUserWhere {
  id: ID status: ProjectUserStatus activeInProject: Boolean deleted: Boolean project: ProjectWhere user: UserWhere
}
input NotificationWhere { id: ID }
input EventsWhere {
  organizationId: ID projectId: ID createdAtGte: DateTime createdAtLte: DateTime userId: ID event: String
}
input EventPagination { skip: Int first: Int fromEventId: ID untilEventId: ID }
input PluginWhere { pluginName: String! }
input PluginOnProjectWhere { pluginName: String! projectId: ID! }
"""

DATA = """
input CreateProjectData {
  title: String! description: String inputType: InputType jsonInterface: String fromDemoProject: String
  complianceTags: [String!] pixelLabeling: Boolean
}
input ProjectData {
  archived: Boolean author: ID complianceTags: [String!] consensusMark: Float consensusTotCoverage: Int
  description: String canNavigateBetweenAssets: Boolean canSkipAsset: Boolean honeypotMark: Float instructions: String
  jsonInterface: String metadataProperties: JSON minConsensusSize: Int reviewCoverage: Int shouldAutoAssign: Boolean
  shouldRelaunchKpiComputation: Boolean title: String useHoneyPot: Boolean
}
input AppendToRolesData { userEmail: String! role: ProjectRole! }
input RoleData { role: ProjectRole! userID: ID projectID: ID }
input AppendManyAssetsData {
  contentArray: [String] externalIDArray: [String!] idArray: [ID!] isHoneypotArray: [Boolean]
  jsonContentArray: [String] jsonMetadataArray: [String] statusArray: [Status]
}
input AppendManyAssetsAsynchronouslyData {
  contentArray: [String] multiLayerContentArray: [JSON] externalIDArray: [String!] idArray: [ID!]
  jsonContentArray: [String] jsonMetadataArray: [String] uploadType: UploadType!
}
input AssetData {
  externalId: String content: String jsonContent: String jsonMetadata: String priority: Int status: Status
  consensusMark: Float honeypotMark: Float isHoneypot: Boolean isUsedForConsensus: Boolean
  toBeLabeledBy: [String!] shouldResetToBeLabeledBy: Boolean resolution: JSON pageResolutions: JSON
}
input AppendLabelData {
  assetID: ID authorID: ID clientVersion: Int jsonResponse: String modelName: String referencedLabelId: ID
  secondsToLabel: Float
}
input AppendManyLabelsData {
  labelType: LabelType overwrite: Boolean labelsData: [AppendLabelData!]! stepId: ID
}
input AppendToLabelsData {
  authorID: ID clientVersion: Int jsonResponse: String labelType: LabelType secondsToLabel: Float skipped: Boolean
}
input CreateHoneypotData { jsonResponse: String }
input IssueToCreate { labelID: ID objectMid: String type: IssueType assetId: ID text: String }
input IssueData { status: IssueStatus }
input WebhookData {
  pluginName: String! webhookUrl: String! header: String handlerTypes: [PluginHandlerType!] eventMatcher: [String!]
}
"""

INPUTS = WHERE + DATA
