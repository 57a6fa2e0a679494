"""The results exports of a v2.4 or v2.5 campaign whose CSV route fails (fact sheet §6, §8), rebuilt from REST.

No route lists the files of a campaign for somebody who is not assigned to them, so the page of the annotator is asked
for each file that has annotations or comments.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from connectors.aplose.client import Client
from connectors.aplose.exports import Export, Remark
from connectors.aplose.layouts import A27
from connectors.aplose.rebuilt_rows import Row, Terms, exports
from connectors.aplose.world import LiveCampaign, World
from connectors.coerce import many, mapping, text
from connectors.documents import JSON


async def rebuilt(
    client: Client, campaign: LiveCampaign, world: World
) -> tuple[list[Export], Mapping[str, list[Remark]]]:
    """The results exports of all phases, and the comments that fit into no row."""
    last = max(campaign.phases, key=lambda step: step.phase.position)
    found = await client.listed("/api/annotation-result/", {"for_phase": last.key})
    rows = [row for one in found for row in _with_corrections(one, None)]
    terms = await _terms(client, campaign, world)
    tasks: dict[str, list[Row]] = {step.key: [] for step in campaign.phases}
    for row in rows:
        comments = sorted(map(mapping, many(row.get("comments"))), key=lambda one: int(text(one.get("id")) or 0))
        terms.comments[text(row.get("id")) or ""] += [_comment(one, world) for one in comments]
    for step in campaign.phases:
        said = await client.listed("/api/annotation-comment/", {"annotation_campaign_phase": step.key})
        tasks[step.key] = [_comment(one, world) for one in said if one.get("annotation_result") is None]
    files = {text(row.get("spectrogram")) or "" for row in rows}
    files |= {text(one.get("file")) or "" for each in tasks.values() for one in each}
    for key in sorted(files):
        terms.files[key] = await _file(client, campaign.key, last.key, key)
    return exports(terms, campaign, rows, tasks), terms.remarks()


def _with_corrections(node: Row, of: JSON) -> Iterator[Row]:
    """A result and those nested in it, in v3's words."""
    yield {
        **node,
        "spectrogram": node.get("dataset_file"),
        "annotation_phase": node.get("annotation_campaign_phase"),
        "confidence": node.get("confidence_indicator"),
        "is_update_of": of,
    }
    for one in map(mapping, many(node.get("updated_to"))):
        yield from _with_corrections(one, node.get("id"))


def _comment(node: Row, world: World) -> Row:
    author = text(node.get("author")) or ""
    return {**node, "author": world.names.get(f"user/{author}", author), "file": node.get("dataset_file")}


async def _terms(client: Client, campaign: LiveCampaign, world: World) -> Terms:
    said = mapping(campaign.document.raw)
    key = text(said.get("confidence_indicator_set"))
    sets = await client.listed("/api/confidence-indicator/") if key else []
    chosen: Row = next((one for one in sets if text(one.get("id")) == key), {})
    return Terms(
        layout=A27,
        featured=frozenset(str(label) for label in many(said.get("labels_with_acoustic_features"))),
        levels={
            str(mapping(one).get("label")): mapping(one).get("level")
            for one in many(chosen.get("confidence_indicators"))
        },
        phases={step.key: step.phase.name.upper() for step in campaign.phases},
        names=world.names,
    )


async def _file(client: Client, campaign: str, phase: str, key: str) -> Row:
    path = {"campaign": campaign, "phase": phase, "file": key}
    page = await client.get("/api/annotator/campaign/{campaign}/phase/{phase}/file/{file}/", path=path)
    file = mapping(mapping(page).get("file"))
    return {**file, "dataset": file.get("dataset_name"), "rate": file.get("dataset_sr")}
