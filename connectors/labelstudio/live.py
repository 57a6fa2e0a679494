"""A live Label Studio as a source: passes over its projects, single things on demand, webhooks and verdicts.

An incremental pass reads what ``updated_at`` has moved since the last one began, and whole projects that are new or
whose settings redefine what is done. What moves no ``updated_at`` (fact sheet §4) a sweep finds now and then: deleted
tasks, by the ids that are known and no longer listed; drafts; predictions that came or went in bulk.
"""

import hmac
import json
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from connectors.coerce import many, mapping, moment, text
from connectors.contract import (
    AuditTarget,
    Capabilities,
    DeletionSupport,
    Health,
    Hint,
    PushAudit,
    PushTask,
    Receipt,
    WebhookCall,
)
from connectors.documents import JSON, AnyDocument, Checkpoint, Kind, Page, Ref, Scope, SkippedRecord
from connectors.errors import SkipRecord, Unauthorized
from connectors.labelstudio.audits import WORDS, Delivery
from connectors.labelstudio.client import COMMUNITY, Client, item, merged
from connectors.labelstudio.mapping import Context, annotator, project_document, task_documents
from connectors.labelstudio.settings import Settings

VERSION: Final = 1
_WHOLE: Final = frozenset({Kind.CAMPAIGN, Kind.ASSET, Kind.TASK, Kind.ANNOTATOR})
_BATCH: Final = 500
_SWEEP_PAGE: Final = 1000


class LabelStudioSource:
    """``contract.PlatformSource`` with every capability. ``options`` go to the HTTP kit."""

    def __init__(self, settings: Settings, **options: Any) -> None:
        self._settings = settings
        self._url = settings.url.rstrip("/")
        self._client = Client(settings, **options)
        self._delivery = Delivery(self._client)

    @property
    def capabilities(self) -> Capabilities:
        """Known for sure once the server was asked for its edition."""
        takes = self._client.edition in (None, COMMUNITY)
        return Capabilities(
            incremental=True,
            deletions=DeletionSupport.REPORTED,
            webhooks=self._settings.webhook_secret is not None,
            refresh=True,
            audit_results=tuple(WORDS) if takes else (),
            audit_target=AuditTarget.SUBMISSION if takes else AuditTarget.NONE,
            audit_fix=takes,
        )

    def requests(self) -> int:
        """How many were sent so far."""
        return self._client.http.stats.requests

    async def check(self) -> Health:
        said, _ = await self._client.version()
        user = await self._client.account()
        return Health(version=f"{said.get('release')} {self._client.edition}", account=text(user.get("email")))

    async def close(self) -> None:
        await self._client.http.aclose()

    # --- passes -------------------------------------------------------------------------------------------------

    async def fetch(self, since: Checkpoint | None, *, full: bool) -> AsyncIterator[Page]:
        known_form = since is not None and since.get("version") == VERSION
        kept: dict[str, JSON] = {"version": VERSION} | (dict(since or {}) if known_form else {})
        going = kept.pop("pass", None)
        _, now = await self._client.version()
        projects = await self._client.projects()
        if going is None or (full and not going["full"]):
            going = self._begin(kept, projects, now, full=full or "low" not in kept)
        context, users = await self._context()
        campaigns = [project_document(project, self._url) for project in projects.values()]
        left = [Ref(Kind.CAMPAIGN, str(number)) for number in kept.get("campaigns", ()) if number not in projects]
        going |= {"sweep": going["sweep"] or bool(left)}
        kept["campaigns"] = list(projects)
        yield Page(
            documents=(*users, *campaigns),
            gone=left,
            checkpoint={**kept, "pass": going},
            records=len(campaigns),
        )
        total = sum(int(project.get("task_number") or 0) for project in projects.values()) if going["full"] else None
        known = {one for first, last in kept.get("known", ()) for one in range(first, last + 1)}
        for number, project in projects.items():
            if number < going["project"]:
                continue
            after = going["after"] if number == going["project"] else 0
            whole = going["full"] or str(number) not in going["changes"]
            moved = [] if whole else [item("updated_at", "greater_or_equal", kept["low"], "Datetime")]
            async for tasks in self._client.tasks(number, moved, after=after):
                documents, skipped = self._documents(tasks, project, context)
                fresh = going["fresh"] + [[one] for one in ids(tasks) if one not in known]
                going = going | {
                    "project": number,
                    "after": ids(tasks)[-1],
                    "fresh": merged(fresh),
                    "done": going["done"] + len(tasks),
                    "skipped": going["skipped"] + len(skipped),
                }
                yield Page(
                    documents=documents,
                    skipped=skipped,
                    checkpoint={**kept, "pass": going},
                    records=len(tasks),
                    done=going["done"],
                    total=total,
                )
        kept["known"] = merged([*kept.get("known", ()), *going["fresh"]])
        if going["sweep"]:
            async for page in self._sweep(kept, going, projects, context):
                yield page
        kept |= {name: going[name] for name in ("low", "projects", "swept")}
        complete = full and going["full"] and not going["skipped"]
        whole_scope = Scope(kinds=_WHOLE) if complete else None
        yield Page(checkpoint=kept, completes=whole_scope, done=going["done"], total=total)

    def _begin(
        self, kept: Mapping[str, JSON], projects: Mapping[int, JSON], now: datetime, *, full: bool
    ) -> dict[str, JSON]:
        """A pass that has read nothing yet. ``changes`` are the projects of which changes are enough."""
        swept, before = moment(kept.get("swept")), mapping(kept.get("projects"))
        seen = {str(number): _signature(project) for number, project in projects.items()}
        fewer = any(one["tasks"] > seen[number]["tasks"] for number, one in before.items() if number in seen)
        due = swept is None or (now - swept).total_seconds() >= self._settings.sweep_seconds
        sweep = full or fewer or due
        if not sweep:  # predictions are looked at with the ids: a model that writes one by one moves `updated_at`
            seen = {n: one | {"predictions": before.get(n, one)["predictions"]} for n, one in seen.items()}
        changes = [n for n, one in seen.items() if n in before and _settled(one) == _settled(before[n])]
        low = now - timedelta(seconds=self._settings.overlap_seconds)
        going = {"full": full, "low": stamp(low), "sweep": sweep, "swept": stamp(now) if sweep else kept.get("swept")}
        going |= {"projects": seen, "changes": changes}
        return going | {"project": 0, "after": 0, "fresh": [], "done": 0, "skipped": 0}

    async def _sweep(
        self, kept: dict[str, JSON], going: JSON, projects: Mapping[int, JSON], context: Context
    ) -> AsyncIterator[Page]:
        """What is known and no longer there. What is there and not known, or has drafts, or had, is read."""
        known = {one for first, last in kept["known"] for one in range(first, last + 1)}
        had, alive, drafts = set(kept.get("drafts", ())), set[int](), set[int]()
        for number, project in projects.items():
            listed = list[dict[str, JSON]]()
            async for tasks in self._client.tasks(number, include="id,draft_exists", size=_SWEEP_PAGE):
                listed += tasks
            here = set(ids(listed))
            drafts |= (now := {one["id"] for one in listed if one.get("draft_exists")})
            alive |= here
            if again := now | (had | here - known) & here:
                documents, skipped = self._documents(await self._client.named(number, again), project, context)
                kept["known"] = merged([*kept["known"], *([one] for one in again)])
                checkpoint = {**kept, "pass": going}
                yield Page(documents=documents, skipped=skipped, records=len(again), checkpoint=checkpoint)
        dead = sorted(known - alive)
        for start in range(0, len(dead), _BATCH):
            names = [str(one) for one in dead[start : start + _BATCH]]
            yield Page(gone=[Ref(kind, name) for kind in (Kind.TASK, Kind.ASSET) for name in names])
        kept |= {"known": merged([one] for one in alive), "drafts": sorted(drafts)}

    def _documents(
        self, tasks: Iterable[JSON], project: JSON, context: Context
    ) -> tuple[list[AnyDocument], list[SkippedRecord]]:
        documents, skipped = list[AnyDocument](), list[SkippedRecord]()
        for task in tasks:
            try:
                documents += task_documents(task, project, context)
            except SkipRecord as skip:
                name = text(mapping(task).get("id"))
                skipped.append(SkippedRecord(reason=skip.message, where="GET /api/tasks/", external_id=name, raw=task))
        return documents, skipped

    async def _context(self) -> tuple[Context, list[AnyDocument]]:
        """What tasks do not say, and all users."""
        users = [user for user in many(await self._client.get("/api/users/")) if mapping(user).get("id")]
        people = {email: str(user["id"]) for user in users if (email := text(user.get("email")))}
        account = text((await self._client.account())["id"])
        return Context(self._url, people, account), [annotator(user) for user in users]

    # --- single things --------------------------------------------------------------------------------------------

    async def refresh(self, refs: Sequence[tuple[Kind, str]]) -> Page:
        """Tasks (an asset is a task's) and projects, in the form in which passes read them."""
        tasks = dict.fromkeys(name for kind, name in refs if kind in (Kind.TASK, Kind.ASSET))
        found = {name: await self._project_of(name) for name in tasks}
        named = [name for kind, name in refs if kind is Kind.CAMPAIGN]
        asked = {name for name in (*found.values(), *named) if name and name.isdecimal()}
        projects = await self._client.projects(sorted(asked)) if asked else {}
        context, users = await self._context()
        documents: list[AnyDocument] = [*users, *(project_document(one, self._url) for one in projects.values())]
        skipped = [
            SkippedRecord(reason=f"Label Studio cannot be asked for a single {kind.value.lower()}", external_id=name)
            for kind, name in refs
            if kind not in (Kind.TASK, Kind.ASSET, Kind.CAMPAIGN)
        ]
        there = {str(number) for number in projects}
        for number, project in projects.items():
            wanted = [int(name) for name, where in found.items() if where == str(number)]
            read = await self._client.named(number, wanted)
            there |= {f"task {one}" for one in ids(read)}
            more, unread = self._documents(read, project, context)
            documents, skipped = documents + more, skipped + unread
        gone = [Ref(Kind.CAMPAIGN, name) for name in named if name not in there]
        gone += [Ref(kind, name) for name in tasks if f"task {name}" not in there for kind in (Kind.TASK, Kind.ASSET)]
        return Page(documents=documents, gone=gone, skipped=skipped, records=len(refs))

    async def _project_of(self, name: str) -> str | None:
        if not name.isdecimal():
            return None
        found = await self._client.get("/api/tasks/{id}/", {"include": "id,project"}, path={"id": name}, absent=(404,))
        return text(mapping(found).get("project"))

    async def receive(self, call: WebhookCall) -> Hint | None:
        """The body is only a hint; some name no task (§6), or come without a body, and then everything is asked."""
        secret, said = self._settings.webhook_secret, call.headers.get(self._settings.webhook_header.lower(), "")
        if secret is None or not hmac.compare_digest(said.encode(), secret.reveal().encode()):
            raise Unauthorized(f"the {self._settings.webhook_header} header of a webhook is not the source's secret")
        try:
            body = json.loads(call.body)
        except (ValueError, RecursionError):
            return None
        if not isinstance(body, dict) or not text(body.get("action")):
            return None
        tasks = [text(mapping(one).get("id")) for key in ("task", "tasks") for one in many(body.get(key))]
        refs = [(Kind.TASK, name) for name in dict.fromkeys(tasks) if name and name.isdecimal()]
        if str(body["action"]).startswith("PROJECT") and (project := text(mapping(body.get("project")).get("id"))):
            return Hint(refs=[(Kind.CAMPAIGN, project)], everything=True)
        return Hint(refs=refs, everything=not refs)

    async def mark(self, audit: PushAudit, task: PushTask) -> Mapping[str, JSON]:
        return await self._delivery.mark(audit, task)

    async def push(self, audit: PushAudit, task: PushTask) -> Receipt:
        return await self._delivery.push(audit, task)

    async def find(self, audit: PushAudit, task: PushTask) -> Receipt | None:
        return await self._delivery.find(audit, task)


def stamp(at: datetime) -> str:
    """A time as filters want it: anything else is answered with 500 (§4)."""
    return at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def ids(tasks: Iterable[Mapping[str, JSON]]) -> list[int]:
    return sorted(task["id"] for task in tasks)


def _signature(project: Mapping[str, JSON]) -> dict[str, JSON]:
    """What tells that tasks may have changed without a trace (§4)."""
    done = [project.get(name) for name in ("maximum_annotations", "skip_queue", "overlap_cohort_percentage")]
    predictions = project.get("total_predictions_number")
    return {"done": done, "tasks": project.get("task_number") or 0, "predictions": predictions}


def _settled(signature: Mapping[str, JSON]) -> list[JSON]:
    return [signature.get("done"), signature.get("predictions")]
