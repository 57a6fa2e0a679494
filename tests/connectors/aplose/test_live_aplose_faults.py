"""What a live APLOSE source does when logins end and servers misbehave, and what it reads on demand."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from typing import Any

import pytest

from connectors.aplose.sandbox.seed import ACCOUNT
from connectors.documents import Kind
from connectors.errors import Refused
from gateway.store.store import Store
from gateway.sync import refresh, sync
from tests.connectors.aplose.live_aplose import NAME, Served, documents, everything, gone, living, of, served, synced


@pytest.fixture
def server() -> Iterator[Served]:
    with served(spectrograms=8) as found:
        yield found


@pytest.fixture(params=("v3", "v2"))
def either(request: pytest.FixtureRequest) -> Iterator[Served]:
    with served(spectrograms=8, version=request.param) as found:
        yield found


# --- logins and secrets -----------------------------------------------------------------------------------------------


async def test_tokens_that_expire_in_the_middle(either: Served, store: Store, db: Any) -> None:
    """8 hours later the refresh token helps, two days later the password; the pass goes on and loses nothing."""
    clean = Store(db)
    source = either.live()
    await synced(clean, source)
    either.control.requests.clear()
    pages = 0
    found = []
    async for page in source.platform.fetch(None, full=True):
        found += page.documents
        pages += 1
        either.control.clock.advance({1: 8 * 3600 + 1, 2: 2 * 86_400}.get(pages, 0))
    logins = either.control.requests
    assert logins["POST /api/token/refresh/"] == 2
    assert logins["POST /api/token/"] == 1
    assert len({(document.kind, document.external_id) for document in found}) == len(await living(clean))
    await source.platform.close()


async def test_forgotten_tokens_cost_one_login_for_all(server: Served) -> None:
    """When every token turns invalid at once, the requests under way share one refused refresh and one login."""
    source = server.source()
    await source.check()
    server.act("forget_tokens")
    server.control.requests.clear()
    await asyncio.gather(*(source._client.count("/api/annotation/") for _ in range(8)))
    assert server.control.requests["POST /api/token/"] == 1
    assert server.control.requests["POST /api/token/refresh/"] == 1
    await source.close()


async def test_graphql_says_unauthorized_with_status_200(server: Served) -> None:
    """An answer 200 with the error "Unauthorized" leads to a login like a 401 does."""
    source = server.source()
    await source.check()
    body = '{"errors": [{"message": "Unauthorized"}], "data": {"currentUser": null}}'
    server.control.inject(status=200, body=body, path="graphql", times=1)
    server.control.requests.clear()
    assert (await source.check()).account == ACCOUNT[0]
    assert server.control.requests["POST /api/token/refresh/"] == 1
    await source.close()


async def test_a_wrong_password_is_unauthorized(server: Served, store: Store) -> None:
    """The run fails as UNAUTHORIZED and the source says so; the password is nowhere."""
    live = server.live(password="not-the-password-at-all")
    result = await synced(store, live, state="FAILED")
    assert result.run["error"]["code"] == "PLATFORM_UNAUTHORIZED"
    assert (await store.db["sources"].find_one({"_id": NAME}))["health"] == "UNAUTHORIZED"
    assert "not-the-password-at-all" not in await everything(store)
    await live.platform.close()


async def test_secrets_are_nowhere(server: Served, store: Store, caplog: pytest.LogCaptureFixture) -> None:
    """Password and tokens appear neither in logs nor in what is stored, after faults of all kinds."""
    caplog.set_level(logging.DEBUG)
    live = server.live()
    source: Any = live.platform
    await synced(store, live)
    secrets = [secret for secret in source._client.http._auth.secrets() if secret]
    assert len(secrets) == 3
    for kind in ("status", "reset", "truncate", "html"):
        server.control.inject(kind=kind, rate=0.6, body=f"no, {secrets[0]} and {secrets[1]}")
        await synced_somehow(store, live)
        server.control.heal()
    told = await everything(store) + caplog.text + repr(source) + repr(source._client.http) + repr(source._settings)
    assert not [secret for secret in {*secrets, *source._client.http._auth.secrets()} if secret in told]
    await live.platform.close()


async def synced_somehow(store: Store, live: Any) -> None:
    assert (await sync(store, live, full=True)).state in {"SUCCEEDED", "FAILED", "PARTIAL"}


FAULTS: dict[str, tuple[dict[str, Any], str]] = {
    "401": ({"status": 401, "path": "download|graphql"}, "PLATFORM_UNAUTHORIZED"),
    "403": ({"status": 403, "path": "graphql"}, "PLATFORM_UNAUTHORIZED"),
    "404": ({"status": 404, "path": "graphql"}, "PLATFORM_REFUSED"),
    "429": ({"status": 429, "path": "graphql"}, "PLATFORM_UNAVAILABLE"),
    "500": ({"status": 500, "path": "graphql"}, "PLATFORM_UNAVAILABLE"),
    "503": ({"status": 503}, "PLATFORM_UNAVAILABLE"),
    "reset": ({"kind": "reset", "path": "download"}, "PLATFORM_UNAVAILABLE"),
    "truncate": ({"kind": "truncate", "path": "phase-progression"}, "PLATFORM_UNAVAILABLE"),
    "html": ({"kind": "html", "path": "graphql"}, "PLATFORM_UNAVAILABLE"),
    "errors": ({"status": 200, "body": '{"errors": [{"message": "boom"}]}', "path": "graphql"}, "PLATFORM_REFUSED"),
    "stall": ({"kind": "stall", "path": "phase-progression"}, "PLATFORM_UNAVAILABLE"),
}


@pytest.mark.parametrize("fault", FAULTS)
async def test_faults_neither_lose_nor_double_anything(server: Served, store: Store, fault: str) -> None:
    """The run fails with the right code, what is stored stays as it was, and once it is over a sync changes nothing."""
    live = server.live()
    await synced(store, live)
    before = await living(store)
    how, code = FAULTS[fault]
    server.control.inject(**how)
    result = await synced(store, live, full=True, state="FAILED")
    assert result.run["error"]["code"] == code
    assert await living(store) == before
    server.control.heal()
    await synced(store, live)
    assert await living(store) == before
    assert await gone(store) == set()
    await live.platform.close()


# --- on demand --------------------------------------------------------------------------------------------------------


async def test_a_task_is_read_on_demand(either: Served, store: Store) -> None:
    """Its marks, verdicts and deletions come at once; other tasks of the campaign stay as they were."""
    live = either.live()
    await synced(store, live)
    before = await living(store)
    rows = either.rows(2)
    mine = [row for row in rows if row["annotator"] == "chidi"]
    either.act("delete_annotation", annotation=mine[0]["id"])
    either.act("change", annotation=mine[1]["id"], label="Ship")
    tasks = [before[f"gid://{NAME}/Annotation/2/{row['id']}"]["task"] for row in mine[:2]]
    result = await refresh(store, live, [(Kind.TASK, tasks[0].split("/", 4)[4])])
    assert result.state == "SUCCEEDED"
    assert f"gid://{NAME}/Annotation/2/{mine[0]['id']}" in await gone(store)
    after = await living(store)
    known = after[f"gid://{NAME}/Annotation/2/{mine[1]['id']}"]["label"]
    assert known == ("Ship" if tasks[1] == tasks[0] else mine[1]["label"])
    await live.platform.close()


async def test_a_campaign_is_read_on_demand(either: Served, store: Store) -> None:
    """Everything of it, deletions too, and what nobody has is gone."""
    live = either.live()
    await synced(store, live)
    row = either.rows(1)[3]["id"]
    either.act("delete_annotation", annotation=row)
    await refresh(store, live, [(Kind.CAMPAIGN, "1")])
    found = await living(store)
    assert f"gid://{NAME}/Annotation/1/{row}" not in found
    assert sum("/Annotation/1/" in name for name in found) == len(either.rows(1))
    page = await live.platform.refresh([(Kind.CAMPAIGN, "99"), (Kind.TASK, "1/nowhere/x/ailsa/Annotation")])  # type: ignore[attr-defined]
    assert [(ref.kind, ref.external_id) for ref in page.gone] == [
        (Kind.CAMPAIGN, "99"),
        (Kind.TASK, "1/nowhere/x/ailsa/Annotation"),
    ]
    await live.platform.close()


async def test_an_asset_comes_with_its_tasks(server: Served) -> None:
    """All tasks of one recording, and nothing of another."""
    source = server.source()
    found = await documents(source)
    asset = next(iter(of(found, Kind.ASSET)))
    page = await source.refresh([(Kind.ASSET, asset)])
    tasks = {document.external_id for document in page.documents if document.kind is Kind.TASK}
    assert tasks == {name for name, task in of(found, Kind.TASK).items() if task.asset == asset}
    assert page.gone == []
    await source.close()


async def test_too_much_at_once_is_refused(server: Served) -> None:
    """Things of many campaigns are a sync's work."""
    source = server.source()
    with pytest.raises(Refused, match="at most 5 campaigns"):
        await source.refresh([(Kind.CAMPAIGN, str(number)) for number in range(6)])
    assert server.asked() == 0
    await source.close()
