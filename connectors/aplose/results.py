"""A results file → pages of documents, streaming."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import Final

from connectors.aplose.mapping import RowMapper
from connectors.aplose.paging import PageMaker, Progress, campaign_document
from connectors.aplose.people import People
from connectors.aplose.places import Places
from connectors.aplose.starts import Starts
from connectors.aplose.survey import Survey, records
from connectors.aplose.traits import ANNOTATION, VERIFICATION
from connectors.documents import AnyDocument, Kind, Page, Phase, Scope
from connectors.errors import SkipRecord

_KINDS: Final = frozenset({Kind.ANNOTATION, Kind.COMMENT, Kind.AUDIT})


def pages(
    survey: Survey, campaign: str, starts: Starts, *, part: str, told: Phase | None, progress: Progress
) -> Iterator[Page]:
    """The pages of a surveyed results file. ``told`` is the phase that somebody named for the export.

    The last page completes the file's part only if every row was read: what a damaged row said is not gone.
    """
    table = survey.table
    with closing(table.open()) as lines:
        maker = PageMaker(table, lines, progress)
        if maker.misfit(survey.rows, survey.damaged, survey.first_damage):
            yield maker.page()
            return
        people = People()
        mapper = _mapper(survey, campaign, starts, people, maker.documents, part=part, told=told)
        maker.documents.append(campaign_document(campaign, verification=survey.shows_verification))
        rows = 0
        for number, cells in maker.rows(records(lines, table, plain=survey.plain)):
            if cells:
                rows += 1
                try:
                    mapper.row(cells)
                except SkipRecord as skip:
                    maker.skip(skip.message, number, field=skip.field, raw=cells[: len(table.header.columns)])
            if maker.full:
                yield maker.page()
        if maker.whole and rows != survey.rows:
            maker.skip("the file changed while it was read: read it again")
        maker.documents.extend(people.documents(campaign, part))
        maker.decoding()
        yield maker.page(completes=Scope(kinds=_KINDS, campaign=campaign, part=part) if maker.whole else None)


def _mapper(
    survey: Survey,
    campaign: str,
    starts: Starts,
    people: People,
    documents: list[AnyDocument],
    *,
    part: str,
    told: Phase | None,
) -> RowMapper:
    # Both phases' exports hold the same marks, but only one has the cells of verifiers in its rows.
    facet = "verification" if survey.phased and survey.verifiers else ""
    return RowMapper(
        survey,
        Places(campaign, starts, documents, facet=facet or "results"),
        people,
        documents,
        part=part,
        facet=facet,
        comments_of=VERIFICATION if survey.of_verification else told or ANNOTATION,
    )
