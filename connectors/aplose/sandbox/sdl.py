"""The part of the v3.4.1 GraphQL schema that the sandbox serves, under the server's own type and field names (§5.2).

Two shorthands are expanded: ``name: <Node>`` is a back-relation with ``edges`` (at most 100 a page), ``name: {Node}``
a paginated list with ``results`` and ``totalCount``; both get the filter arguments of their node.
"""

from __future__ import annotations

import re

EDGE_ARGUMENTS = "offset: Int, before: String, after: String, first: Int, last: Int"
PAGE_ARGUMENTS = f"limit: Int, ordering: String, {EDGE_ARGUMENTS}"
FILTERS = {
    "AnnotationCampaignNode": "phases_AnnotationFileRanges_AnnotatorId: ID, ownerId: ID, analysis_DatasetId: ID, "
    "isArchived: Boolean, phases_Phase: AnnotationPhaseType, search: String, orderBy: String",
    "AnnotationPhaseNode": "annotationCampaignId: ID, annotationCampaign_OwnerId: ID, "
    "annotationFileRanges_AnnotatorId: ID, isCampaignArchived: Boolean, phase: AnnotationPhaseType, "
    "search: String, orderBy: String",
    "AnnotationFileRangeNode": "annotator: ID, annotationPhase_AnnotationCampaign: ID, "
    "annotationPhase_Phase: AnnotationPhaseType",
    "AnnotationSpectrogramNode": "start_Lte: DateTime, end_Gte: DateTime, filename_Icontains: String, "
    "phase: AnnotationPhaseType, annotationCampaign: ID, annotator: ID, annotationTasks_Status: AnnotationTaskStatus, "
    "annotations_Exists: Boolean, annotations_Confidence_Label: String, annotations_LabelName: String, "
    "annotations_AcousticFeatures_Exists: Boolean, annotations_Detector: ID, annotations_Annotator: ID, "
    "orderBy: String",
    "AnnotationTaskNode": "annotator: ID, status: AnnotationTaskStatus, spectrogram_Filename_Icontains: String, "
    "spectrogram_Start_Lte: DateTime, spectrogram_End_Gte: DateTime, orderBy: String",
    "AnnotationNode": "confidence_Label: String, label_Name: String, detectorConfiguration_Detector: ID, "
    "acousticFeatures_Exists: Boolean, isValidatedBy: ID, isUpdated: Boolean, annotator: ID",
    "AnnotationCommentNode": "annotation_Isnull: Boolean, author: ID, annotationPhase_Phase: AnnotationPhaseType",
    "AnnotationValidationNode": "annotator: ID",
    "SpectrogramAnalysisNode": "dataset: ID, annotationCampaigns_Id: ID, orderBy: String",
    "DatasetNode": "orderBy: String",
    "SpectrogramNode": "start_Lte: DateTime, end_Gte: DateTime, orderBy: String",
    "LabelSetNode": "name: String, description: String, labels: ID",
    "ConfidenceSetNode": "name: String, desc: String, confidenceIndicators: ID",
}

ENUMS = """
enum AnnotationType { Weak Point Box }
enum AnnotationPhaseType { Annotation Verification }
enum AnnotationTaskStatus { Created Finished }
enum ExpertiseLevelType { Expert Average Novice }
enum SignalTrendType { Flat Ascending Descending Modulated }
enum ApiAnnotationAnnotatorExpertiseLevelChoices { E A N }
scalar DateTime
scalar Date
scalar Decimal
interface ExtendedInterface { id: ID! }
type PageInfo { hasNextPage: Boolean! hasPreviousPage: Boolean! startCursor: String endCursor: String }
type PageInfoExtra { hasNextPage: Boolean! hasPreviousPage: Boolean! }
type ErrorType { field: String! messages: [String!]! }
type SpectrogramPathsNode { audioPath: String spectrogramPath: String }
"""

NODES = """
UserNode: lastLogin: DateTime isSuperuser: Boolean! username: String! firstName: String! lastName: String!
  email: String! isStaff: Boolean! isActive: Boolean! dateJoined: DateTime! expertise: ExpertiseLevelType
  displayName: String! isAdmin: Boolean!
UserGroupNode: name: String! users: [UserNode]
ArchiveNode: date: DateTime! byUser: UserNode annotationCampaign: AnnotationCampaignNode
AnnotationLabelNode: name: String! uses(deploymentId: ID): Int!
LabelSetNode: name: String! description: String labels: [AnnotationLabelNode]!
ConfidenceNode: label: String! level: Int! isDefault: Boolean
ConfidenceSetNode: name: String! desc: String confidenceIndicators: [ConfidenceNode]
DetectorNode: name: String! configurations: [DetectorConfigurationNode]
DetectorConfigurationNode: configuration: String! detector: DetectorNode!
FFTNode: nfft: Int! windowSize: Int! overlap: Decimal! samplingFrequency: Int! scaling: String legacy: Boolean!
ColormapNode: name: String!
DatasetNode: createdAt: DateTime! name: String! description: String path: String! owner: UserNode! legacy: Boolean!
  spectrogramAnalysis: {SpectrogramAnalysisNode} annotationCampaigns: <AnnotationCampaignNode> analysisCount: Int!
  spectrogramCount: Int! start: DateTime end: DateTime
SpectrogramAnalysisNode: createdAt: DateTime! name: String! description: String path: String! legacy: Boolean!
  start: DateTime end: DateTime owner: UserNode! dataset: DatasetNode! dataDuration: Float fft: FFTNode!
  colormap: ColormapNode! dynamicMin: Float! dynamicMax: Float! spectrograms: {SpectrogramNode}
  annotationCampaigns: <AnnotationCampaignNode>
SpectrogramNode: filename: String! start: DateTime! end: DateTime! duration: Int! analysis: <SpectrogramAnalysisNode>
  annotationTasks: <AnnotationTaskNode> annotations: <AnnotationNode> annotationComments: <AnnotationCommentNode>
AnnotationSpectrogramNode: filename: String! start: DateTime! end: DateTime! duration: Int!
  analysis: <SpectrogramAnalysisNode> annotationTasks: <AnnotationTaskNode> annotations: <AnnotationNode>
  annotationComments: {AnnotationCommentNode}
  isAssigned(campaignId: ID!, phase: AnnotationPhaseType!): Boolean!
  task(campaignId: ID!, phase: AnnotationPhaseType!): AnnotationTaskNode
AnnotationTaskNode: status: AnnotationTaskStatus! annotationPhase: AnnotationPhaseNode! annotator: UserNode!
  spectrogram: AnnotationSpectrogramNode! userAnnotations: {AnnotationNode} userComments: {AnnotationCommentNode}
  annotationsToCheck: {AnnotationNode}
AnnotationCampaignNode: createdAt: DateTime! name: String! description: String instructionsUrl: String deadline: Date
  labelSet: LabelSetNode labelsWithAcousticFeatures: [AnnotationLabelNode] allowPointAnnotation: Boolean!
  dataset: DatasetNode! analysis: <SpectrogramAnalysisNode> allowImageTuning: Boolean! allowColormapTuning: Boolean!
  colormapDefault: String colormapInvertedDefault: Boolean owner: UserNode! confidenceSet: ConfidenceSetNode
  archive: ArchiveNode phases: {AnnotationPhaseNode} isArchived: Boolean! isEditable: Boolean!
  isUserAllowedToManage: Boolean! datasetName: String! tasksCount: Int! userTasksCount: Int!
  completedTasksCount: Int! userCompletedTasksCount: Int! detectors: [DetectorNode] annotators: [UserNode]
  spectrogramsCount: Int!
AnnotationPhaseNode: phase: AnnotationPhaseType! annotationCampaign: AnnotationCampaignNode! createdAt: DateTime!
  createdBy: UserNode! endedAt: DateTime endedBy: UserNode annotationTasks: <AnnotationTaskNode>
  annotationFileRanges: <AnnotationFileRangeNode> annotations: <AnnotationNode>
  annotationComments: <AnnotationCommentNode> annotationCampaignId: ID! isCompleted: Boolean! isOpen: Boolean!
  hasAnnotations: Boolean! isEditable: Boolean! isUserAllowedToManage: Boolean! tasksCount: Int!
  userTasksCount: Int! completedTasksCount: Int! userCompletedTasksCount: Int!
AnnotationFileRangeNode: firstFileIndex: Int! lastFileIndex: Int! fromDatetime: DateTime! toDatetime: DateTime!
  filesCount: Int! annotator: UserNode! annotationPhase: AnnotationPhaseNode! annotationTasks: {AnnotationTaskNode}
  spectrograms: {SpectrogramNode}
AnnotationNode: type: AnnotationType! startTime: Float endTime: Float startFrequency: Float endFrequency: Float
  label: AnnotationLabelNode! confidence: ConfidenceNode annotationPhase: AnnotationPhaseNode! annotator: UserNode
  annotatorExpertiseLevel: ApiAnnotationAnnotatorExpertiseLevelChoices spectrogram: AnnotationSpectrogramNode!
  analysis: SpectrogramAnalysisNode! detectorConfiguration: DetectorConfigurationNode
  acousticFeatures: AcousticFeaturesNode isUpdateOf: AnnotationNode createdAt: DateTime! lastUpdatedAt: DateTime!
  updatedTo: <AnnotationNode> annotationComments: <AnnotationCommentNode> validations: {AnnotationValidationNode}
  comments: {AnnotationCommentNode}
AnnotationCommentNode: comment: String! annotation: AnnotationNode annotationPhase: AnnotationPhaseNode!
  author: UserNode! spectrogram: AnnotationSpectrogramNode! createdAt: DateTime!
AnnotationValidationNode: annotation: AnnotationNode! annotator: UserNode! isValid: Boolean! createdAt: DateTime!
  lastUpdatedAt: DateTime!
"""

_SIGNAL = """trend: SignalTrendType isIntensityTooLow: Boolean doesOverlapOtherSignals: Boolean startFrequency: Float
  endFrequency: Float relativeMinFrequencyCount: Int relativeMaxFrequencyCount: Int stepsCount: Int
  hasHarmonics: Boolean hasSidebands: Boolean hasSubharmonics: Boolean hasFrequencyJumps: Boolean
  frequencyJumpsCount: Int hasDeterministicChaos: Boolean"""

OPERATIONS = """
type Query {
  currentUser: UserNode
  allUsers: {UserNode}
  allUserGroups: {UserGroupNode}
  allDatasets: {DatasetNode}
  datasetById(id: ID!): DatasetNode
  allSpectrogramAnalysis: {SpectrogramAnalysisNode}
  allLabelSets: {LabelSetNode}
  allConfidenceSets: {ConfidenceSetNode}
  allDetectors: {DetectorNode}
  allAnnotationCampaigns: {AnnotationCampaignNode}
  annotationCampaignById(id: ID!): AnnotationCampaignNode
  allAnnotationPhases: {AnnotationPhaseNode}
  annotationPhaseByCampaignPhase(campaignId: ID!, phaseType: AnnotationPhaseType!): AnnotationPhaseNode
  allAnnotationFileRanges: {AnnotationFileRangeNode}
  allAnnotationSpectrograms: {AnnotationSpectrogramNode}
  annotationSpectrogramById(id: ID!): AnnotationSpectrogramNode
  spectrogramPaths(spectrogramId: ID!, analysisId: ID!): SpectrogramPathsNode
}
type Mutation {
  createAnnotationCampaign(input: CreateAnnotationCampaignMutationInput!): CreateAnnotationCampaignMutationPayload
  updateAnnotationCampaign(input: UpdateAnnotationCampaignMutationInput!): UpdateAnnotationCampaignMutationPayload
  archiveAnnotationCampaign(id: ID!): ArchiveAnnotationCampaignMutation
  createAnnotationPhase(campaignId: ID!, type: AnnotationPhaseType!): CreateAnnotationPhase
  updateAnnotationPhaseFileRanges(campaignId: ID!, fileRanges: [AnnotationFileRangeInput]!, force: Boolean,
    phaseType: AnnotationPhaseType!): UpdateAnnotationPhaseFileRangesMutation
  endAnnotationPhase(id: ID!): EndAnnotationPhaseMutation
  updateAnnotations(input: UpdateAnnotationsMutationInput!): UpdateAnnotationsMutationPayload
  updateAnnotationComments(input: UpdateAnnotationCommentsMutationInput!): UpdateAnnotationCommentsMutationPayload
  submitAnnotationTask(annotations: [AnnotationInput]!, campaignId: ID!, endedAt: DateTime!,
    phaseType: AnnotationPhaseType!, spectrogramId: ID!, startedAt: DateTime!,
    taskComments: [AnnotationCommentInput]!): SubmitAnnotationTaskMutation
}
type CreateAnnotationCampaignMutationPayload {
  annotationCampaign: AnnotationCampaignNode errors: [ErrorType!]! clientMutationId: String }
type UpdateAnnotationCampaignMutationPayload {
  annotationCampaign: AnnotationCampaignNode errors: [ErrorType!]! clientMutationId: String }
type ArchiveAnnotationCampaignMutation { ok: Boolean! }
type EndAnnotationPhaseMutation { ok: Boolean! }
type CreateAnnotationPhase { id: ID! }
type UpdateAnnotationPhaseFileRangesMutation { errors: [[ErrorType!]]! }
type UpdateAnnotationsMutationPayload { errors: [[ErrorType]] clientMutationId: String }
type UpdateAnnotationCommentsMutationPayload { errors: [[ErrorType]] clientMutationId: String }
type SubmitAnnotationTaskMutation {
  ok: Boolean! annotationErrors: [[ErrorType]] taskCommentsErrors: [[ErrorType]] }
input CreateAnnotationCampaignMutationInput {
  name: String! description: String instructionsUrl: String deadline: Date allowImageTuning: Boolean
  allowColormapTuning: Boolean colormapDefault: String colormapInvertedDefault: Boolean dataset: ID! analysis: [ID]!
  id: ID clientMutationId: String }
input UpdateAnnotationCampaignMutationInput {
  labelSet: ID confidenceSet: ID labelsWithAcousticFeatures: [ID] allowPointAnnotation: Boolean id: ID
  clientMutationId: String }
input AnnotationFileRangeInput { id: ID annotatorId: ID firstFileIndex: Int! lastFileIndex: Int! }
input UpdateAnnotationsMutationInput {
  campaignId: ID! phaseType: AnnotationPhaseType! spectrogramId: ID! list: [AnnotationInput]! clientMutationId: String }
input UpdateAnnotationCommentsMutationInput {
  campaignId: ID! phaseType: AnnotationPhaseType! spectrogramId: ID! annotationId: ID list: [AnnotationCommentInput]!
  clientMutationId: String }
input AnnotationInput {
  id: Int label: String! confidence: String comments: [AnnotationCommentSerializerInput]
  validations: [AnnotationValidationSerializerInput] acousticFeatures: AnnotationAcousticFeaturesSerializerInput
  startTime: Float endTime: Float startFrequency: Float endFrequency: Float annotationPhase: String!
  annotator: String analysis: String! detectorConfiguration: String isUpdateOf: String }
input AnnotationCommentInput { id: Int comment: String! }
input AnnotationCommentSerializerInput {
  id: Int comment: String! createdAt: DateTime annotation: String annotationPhase: String author: String
  spectrogram: String }
input AnnotationValidationSerializerInput {
  id: Int isValid: Boolean! createdAt: DateTime lastUpdatedAt: DateTime annotation: String annotator: String }
"""


def sdl() -> str:
    """The whole schema text."""
    nodes = re.sub(
        r"^(\w+Node): (.*(?:\n  .*)*)",
        r"type \1 implements ExtendedInterface { id: ID! \2 }",
        NODES,
        flags=re.MULTILINE,
    )
    signal = (
        f"type AcousticFeaturesNode implements ExtendedInterface {{ id: ID! {_SIGNAL} annotation: AnnotationNode }}"
    )
    given = f"input AnnotationAcousticFeaturesSerializerInput {{ id: Int {_SIGNAL} }}"
    text = f"{ENUMS}\n{nodes}\n{signal}\n{given}\n{OPERATIONS}"
    text += "".join(map(_edges, sorted(set(re.findall(r"<(\w+)>", text)))))
    text += "".join(map(_page, sorted(set(re.findall(r": \{(\w+)\}", text)))))
    text = re.sub(r"(\w+): <(\w+)>", lambda m: _field(m, EDGE_ARGUMENTS, "Connection!"), text)
    return re.sub(r"(\w+): \{(\w+)\}", lambda m: _field(m, PAGE_ARGUMENTS, "NodeConnection"), text)


def _field(match: re.Match[str], arguments: str, suffix: str) -> str:
    name, node = match.groups()
    more = f", {FILTERS[node]}" if node in FILTERS else ""
    return f"{name}({arguments}{more}): {node}{suffix}"


def _edges(node: str) -> str:
    return f"""
type {node}Connection {{ pageInfo: PageInfo! edges: [{node}Edge]! }}
type {node}Edge {{ node: {node} cursor: String! }}"""


def _page(node: str) -> str:
    extra = "totalCount: Int!" if node == "SpectrogramNode" else "totalCount: Int"
    if node == "AnnotationSpectrogramNode":
        extra = """totalCount: Int! resumeSpectrogramId(campaignId: ID!, phase: AnnotationPhaseType!): ID
          previousSpectrogramId(spectrogramId: ID): ID nextSpectrogramId(spectrogramId: ID): ID
          currentIndex(spectrogramId: ID): Int"""
    return f"""
type {node}NodeConnection {{ pageInfo: PageInfoExtra! results: [{node}]! {extra} }}"""
