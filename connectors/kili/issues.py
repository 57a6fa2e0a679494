"""Issues and questions as comments (fact sheet §6, ``Issue``).

The first comment of a thread is the issue itself, with its kind and status; each reply is a comment of its own
author and time, whose external id begins with the issue's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from connectors.coerce import mapping, text
from connectors.documents import JSON, UNSET, Comment, CommentKind, Maybe, Ref
from connectors.kili.fields import Fields, Mapped, stated
from connectors.kili.names import Names
from connectors.kili.people import author_document

KINDS: Final[Mapping[str, CommentKind]] = {"ISSUE": CommentKind.ISSUE, "QUESTION": CommentKind.QUESTION}


def issue_documents(
    issue: Mapping[str, JSON],
    *,
    campaign: Maybe[str | None] = UNSET,
    asset: str | None = None,
    marks: Mapping[str, str] | None = None,
    described_in: Ref | None = None,
) -> Mapped:
    """The comments of an issue and their authors; ``marks`` finds the annotation of an ``objectMid``.

    ``asset`` serves where the issue does not name its own; ``described_in`` is the document that holds the payload
    when the issue came inside another object. An issue without id cannot be kept apart and is reported.
    """
    mapped = Mapped()
    external_id = text(issue.get("id"))
    fields = Fields(issue, f"issue {external_id}", external_id, mapped.skipped)
    if external_id is None:
        fields.report("id", "an issue without id cannot be told from others")
        return mapped
    on = text(issue.get("assetId")) or text(mapping(issue.get("asset")).get("id")) or asset
    mid = text(issue.get("objectMid"))
    comments = issue.get("comments")
    thread = [comment for comment in comments if isinstance(comment, dict)] if isinstance(comments, list) else []
    opening = thread[0] if thread else {}
    native = fields.text("type")
    first = Comment(
        external_id=external_id,
        raw=UNSET if described_in else dict(issue),
        raw_of=described_in or UNSET,
        task=on,
        asset=on,
        campaign=campaign,
        annotation=(marks or {}).get(mid) if mid else None,
        author=_author(issue, mapped) or _author(opening, mapped),
        comment_kind=KINDS.get(stated(native) or "", CommentKind.COMMENT),
        native_status=fields.text("status"),
        text=text(opening.get("text")) or "",
        created_at=fields.moment("createdAt"),
        source_updated_at=fields.moment("updatedAt"),
    )
    mapped.documents.append(first)
    names = Names()
    for index, comment in enumerate(thread[1:], 1):
        reply_id = names.claim(f"{external_id}/{text(comment.get('id')) or index}")
        mapped.documents.append(
            replace(
                first,
                external_id=reply_id,
                raw=UNSET,
                raw_of=described_in or Ref(first.kind, external_id),
                author=_author(comment, mapped),
                comment_kind=CommentKind.COMMENT,
                native_status=None,
                text=text(comment.get("text")) or "",
                created_at=Fields(comment, f"comment {reply_id}", reply_id, mapped.skipped).moment("createdAt"),
                source_updated_at=UNSET,
            )
        )
    return mapped


def _author(record: Mapping[str, JSON], mapped: Mapped) -> str | None:
    """``author`` is a user, or its id alone; comments say ``authorIdUser`` as well."""
    author = record.get("author") or record.get("authorIdUser")
    person = author_document(author if isinstance(author, dict) else {"id": author})
    if person:
        mapped.documents.append(person)
    return person.external_id if person else None
