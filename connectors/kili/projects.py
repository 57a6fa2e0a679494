"""A Kili project as a campaign (fact sheet §6, ``Project``)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from connectors.coerce import mapping, moment, text
from connectors.documents import JSON, UNSET, Campaign, CampaignStatus, InputType
from connectors.errors import SkipRecord
from connectors.kili.fields import lenient
from connectors.kili.inputs import project_input
from connectors.kili.status import steps


def project_document(project: Mapping[str, JSON]) -> Campaign:
    """The campaign of a project as the API gives it. Kili has no project status but ``archived``.

    Raises ``SkipRecord`` for a project without id.
    """
    external_id = text(project.get("id"))
    if external_id is None:
        raise SkipRecord(
            "id: a project without id cannot be told from others", where="projects", field="id", raw=project
        )
    archived = project.get("archived") is True
    return Campaign(
        external_id=external_id,
        raw=dict(project),
        name=text(project.get("title")) or external_id,
        description=text(project.get("description")),
        status=CampaignStatus.ARCHIVED if archived else CampaignStatus.OPEN,
        native_status="archived" if archived else None,
        input_type=project_input(project) or InputType.OTHER,
        phases=tuple(step.phase for step in steps(project)) or UNSET,
        label_set=tuple(dict.fromkeys(_categories(jobs(project)))) if project.get("jsonInterface") else UNSET,
        created_at=moment(project.get("createdAt")),
        updated_at=moment(project.get("updatedAt")),
        source_updated_at=moment(project.get("updatedAt")),
    )


def jobs(project: JSON) -> Mapping[str, JSON]:
    """``jsonInterface.jobs``; the interface may be JSON text (fact sheet §3)."""
    return mapping(mapping(lenient(mapping(project).get("jsonInterface"))).get("jobs"))


def _categories(interface: Mapping[str, JSON]) -> Iterator[str]:
    """Category keys, since labels carry keys and not display names (fact sheet §12)."""
    for job in interface.values():
        yield from mapping(mapping(mapping(job).get("content")).get("categories"))
