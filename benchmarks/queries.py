"""The read queries of the benchmark: Q1 to Q4 and Q6; every server under test answers them with the same data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from benchmarks.seed import gid


@dataclass(frozen=True, slots=True)
class Asked:
    text: str
    variables: dict[str, Any]


_TASK: Final = """id externalId sourceName assetName batch type status nativeStatus priority tags annotationCount
  labels reviewStatus createdAt updatedAt"""

QUERIES: Final[dict[str, Asked]] = {
    # a page of 100 tasks with 15 fields, filtered by campaign and status
    "Q1": Asked(
        f"""query Q1($campaign: ID!, $status: TaskStatus!) {{
  tasks(first: 100, where: {{ campaign: {{ eq: $campaign }}, status: {{ eq: $status }} }}) {{ nodes {{ {_TASK} }} }}
}}""",
        {"campaign": gid("Campaign", 3), "status": "COMPLETED"},
    ),
    # 50 tasks with asset, campaign and audits
    "Q2": Asked(
        """query Q2($campaign: ID!) { tasks(first: 50, where: { campaign: { eq: $campaign } }) { nodes {
  id status priority asset { id name inputType contentUrl } campaign { id name status }
  audits(first: 5) { nodes { id result comments auditedAt auditor { id name } } }
} } }""",
        {"campaign": gid("Campaign", 3)},
    ),
    # one task by id
    "Q3": Asked(f"query Q3($id: ID!) {{ task(by: {{ id: $id }}) {{ {_TASK} }} }}", {"id": gid("Task", 123)}),
    # the first annotations of each of 50 tasks
    "Q4": Asked(
        """query Q4($campaign: ID!) { tasks(first: 50, where: { campaign: { eq: $campaign } }) { nodes {
  id annotations(first: 10) { nodes {
    id label confidence { level } value { __typename ... on BoundingBox { left top width height unit } }
  } }
} } }""",
        {"campaign": gid("Campaign", 3)},
    ),
    # how far a campaign is
    "Q6": Asked(
        """query Q6($id: ID!) {
  campaign(by: { id: $id }) { name progress { total audited byStatus { status count } } } }""",
        {"id": gid("Campaign", 3)},
    ),
}
