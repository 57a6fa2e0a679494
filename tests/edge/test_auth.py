"""Who gets in: tokens of our own, JSON Web Tokens, and what each may do, operation by operation."""

from __future__ import annotations

import asyncio
import datetime as dt
import http.server
import json
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from gateway.auth import Authenticator, Unauthenticated
from gateway.serving import check_address
from gateway.settings import SettingsError
from gateway.store.store import Store
from gateway.tokens import TokenRefused, Tokens, span
from tests.edge.conftest import RESPONSE, Clock, Served, edge_settings, serving

# --- tokens -----------------------------------------------------------------------------------------------------------


async def test_a_token_is_kept_as_a_hash_alone(store: Store) -> None:
    """The text of a token is nowhere in MongoDB, and finds the token."""
    token, text = await Tokens(store.db).create("ci", ["read"], sources=["reef"], lives=span("2h"))
    stored = await store.db["tokens"].find_one({})
    assert text.rpartition("_")[2] not in repr(stored)
    assert stored["hash"] != text.encode()
    assert len(stored["hash"]) == 32
    found = await Tokens(store.db).find(text)
    assert found == token
    assert found is not None
    assert (found.scopes, found.sources) == ({"read"}, {"reef"})


@pytest.mark.parametrize(
    "text", ["", "x", "labelgate_", "labelgate_0123456789abcdef_" + "A" * 43, "a.b.c", "ü", "x" * 9000]
)
async def test_a_wrong_token_gets_nobody_in(store: Store, text: str) -> None:
    """Anything that is no token is refused in the same words."""
    await Tokens(store.db).create("ci", ["read"])
    with pytest.raises(Unauthenticated):
        await Authenticator(store).identify(f"Bearer {text}")


async def test_a_token_with_another_secret_is_refused(store: Store) -> None:
    """The id alone is worth nothing."""
    _, text = await Tokens(store.db).create("ci", ["read"])
    with pytest.raises(Unauthenticated, match="not valid"):
        await Authenticator(store).identify(f"Bearer {text[:-1]}{'A' if text[-1] != 'A' else 'B'}")


async def test_tokens_end(store: Store) -> None:
    """By time at once, by revocation within the seconds that a valid one is remembered."""
    tokens, clock = Tokens(store.db), Clock()
    auth = Authenticator(store, clock=clock)
    _, short = await tokens.create("short", ["read"], lives=dt.timedelta(seconds=2))
    _, long = await tokens.create("long", ["read"])
    assert (await auth.identify(f"Bearer {short}")).viewer.name == "short"
    assert (await auth.identify(f"bearer   {long}")).viewer.name == "long"
    await asyncio.sleep(2.1)
    with pytest.raises(Unauthenticated, match="expired"):
        await auth.identify(f"Bearer {short}")
    await tokens.revoke("long")
    clock.now += 6
    with pytest.raises(Unauthenticated, match="revoked"):
        await auth.identify(f"Bearer {long}")
    assert {token.name for token in await tokens.all()} == {"short", "long"}
    with pytest.raises(TokenRefused):
        await tokens.revoke("nobody")
    assert (await tokens.expire("long", span("1w")))[0].expires_at is not None


@pytest.mark.parametrize(("scopes", "name"), [([], "x"), (["write"], "x"), (["read"], ""), (["read"], "x" * 101)])
async def test_tokens_that_make_no_sense_are_refused(store: Store, scopes: list[str], name: str) -> None:
    """Nothing is kept of them."""
    with pytest.raises(TokenRefused):
        await Tokens(store.db).create(name, scopes)
    assert await store.db["tokens"].count_documents({}) == 0


@pytest.mark.parametrize("text", ["", "5", "d", "5 d", "-1d", "1y", "999999d"])
def test_spans_of_time(text: str) -> None:
    """Only a number and a unit is a span."""
    with pytest.raises(TokenRefused):
        span(text)


async def test_without_tokens_only_this_machine_is_served(store: Store) -> None:
    """No token: loopback only. The first token opens other addresses, and closes the anonymous way in."""
    settings = edge_settings()
    for host in ("127.0.0.1", "::1", "localhost", "127.8.8.8"):
        await check_address(store, settings, host)
    for host in ("0.0.0.0", "::", "192.168.1.4", "example.org", "127.0.0.1.example.org"):
        with pytest.raises(SettingsError, match="refusing to listen"):
            await check_address(store, settings, host)
    clock = Clock()
    auth = Authenticator(store, clock=clock)
    assert (await auth.identify(None)).viewer.may("admin")
    await Tokens(store.db).create("first", ["read"])
    await check_address(store, settings, "0.0.0.0")
    clock.now += 2
    with pytest.raises(Unauthenticated):
        await auth.identify(None)
    await Tokens(store.db).revoke("first")
    with pytest.raises(Unauthenticated):
        await Authenticator(store).identify(None)


# --- JSON Web Tokens --------------------------------------------------------------------------------------------------

SECRET = "k" * 40
RULES = {"jwt_audience": "labelgate", "jwt_issuer": "https://id.example.org"}


def claims(**more: Any) -> dict[str, Any]:
    base = {
        "sub": "ada",
        "aud": "labelgate",
        "iss": "https://id.example.org",
        "exp": time.time() + 60,
        "scope": "read audit nonsense",
        "labelgate_sources": ["reef"],
    }
    return {name: value for name, value in {**base, **more}.items() if value is not None}


async def test_a_jwt_of_the_issuer_gets_in(store: Store) -> None:
    """Name, scopes and sources are the claims'; unknown scopes are worth nothing."""
    auth = Authenticator(store, edge_settings(auth={"jwt_secret": SECRET, **RULES}).auth)
    found = await auth.identify(f"Bearer {jwt.encode(claims(), SECRET, 'HS256')}")
    assert (found.viewer.name, found.viewer.scopes, found.viewer.sources) == ("ada", {"read", "audit"}, {"reef"})
    assert found.expires_at is not None
    everywhere = await auth.identify(f"Bearer {jwt.encode(claims(labelgate_sources=['*']), SECRET, 'HS256')}")
    assert everywhere.viewer.sources is None
    nowhere = await auth.identify(f"Bearer {jwt.encode(claims(labelgate_sources=None), SECRET, 'HS256')}")
    assert nowhere.viewer.sources == frozenset()
    listed = await auth.identify(f"Bearer {jwt.encode(claims(scope=None, scopes=['read']), SECRET, 'HS256')}")
    assert listed.viewer.scopes == {"read"}
    with pytest.raises(Unauthenticated):
        await auth.identify(None)


@pytest.mark.parametrize(
    "wrong",
    [
        {"aud": "other"},
        {"iss": "https://evil.example"},
        {"exp": 1},
        {"exp": None},
        {"sub": None},
        {"aud": None},
        {"iss": None},
        {"nbf": time.time() + 9000},
        {"exp": "soon"},
    ],
)
async def test_a_jwt_with_wrong_claims_is_refused(store: Store, wrong: dict[str, Any]) -> None:
    """Each claim that we rely on must be there and right."""
    auth = Authenticator(store, edge_settings(auth={"jwt_secret": SECRET, **RULES}).auth)
    with pytest.raises(Unauthenticated):
        await auth.identify(f"Bearer {jwt.encode(claims(**wrong), SECRET, 'HS256')}")


async def test_a_jwt_cannot_choose_its_algorithm(store: Store) -> None:
    """``none``, another secret, and a public key used as a secret are refused."""
    auth = Authenticator(store, edge_settings(auth={"jwt_secret": SECRET, **RULES}).auth)
    unsigned = jwt.encode(claims(), None, "none")
    forged = jwt.encode(claims(), "x" * 40, "HS256")
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    for text in (unsigned, forged, jwt.encode(claims(), key, "RS256"), "a.b.c", forged[:-4] + "...."):
        with pytest.raises(Unauthenticated):
            await auth.identify(f"Bearer {text}")


@pytest.fixture
def issuer() -> Iterator[tuple[str, Any, list[int]]]:
    """An issuer's key set over HTTP: its URL, its private key, and how often it was asked."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    public = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(key.public_key()))
    body = json.dumps({"keys": [{**public, "kid": "k1", "use": "sig", "alg": "RS256"}]}).encode()
    asked = [0]

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked[0] += 1
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/jwks", key, asked
    server.shutdown()
    server.server_close()
    thread.join()


async def test_keys_come_from_the_issuer_once(store: Store, issuer: tuple[str, Any, list[int]]) -> None:
    """A made-up key id does not make us ask the issuer again and again."""
    url, key, asked = issuer
    auth = Authenticator(store, edge_settings(auth={"jwt_jwks_url": url, **RULES}).auth)
    good = jwt.encode(claims(), key, "RS256", headers={"kid": "k1"})
    for _ in range(5):
        assert (await auth.identify(f"Bearer {good}")).viewer.name == "ada"
    for n in range(20):
        with pytest.raises(Unauthenticated):
            await auth.identify(f"Bearer {jwt.encode(claims(), key, 'RS256', headers={'kid': f'made-up-{n}'})}")
    with pytest.raises(Unauthenticated):
        await auth.identify(f"Bearer {jwt.encode(claims(), SECRET, 'HS256', headers={'kid': 'k1'})}")
    assert asked[0] == 1


@pytest.mark.parametrize(
    "wrong",
    [
        {"jwt_secret": SECRET},
        {"jwt_secret": "short", **RULES},
        {"jwt_secret": SECRET, "jwt_jwks_url": "https://id.example.org/jwks", **RULES},
        {"jwt_jwks_url": "https://id.example.org/jwks", "jwt_issuer": "x"},
    ],
)
def test_settings_that_would_let_anybody_in_are_refused(wrong: dict[str, str]) -> None:
    """A secret that can be guessed, or no audience or issuer to check, is no setting."""
    with pytest.raises(ValueError, match=r"jwt|JSON Web"):
        edge_settings(auth=wrong)


# --- the matrix -------------------------------------------------------------------------------------------------------

TASK, CAMPAIGN, OTHER = "gid://reef/Task/t1", "gid://reef/Campaign/c1", "gid://forest/Task/t1"
KINDS: dict[str, tuple[list[str], list[str] | None]] = {
    "other": (["read", "audit", "sync", "raw:read", "people:read"], ["forest"]),
    "read": (["read"], ["reef"]),
    "audit": (["read", "audit"], ["reef"]),
    "sync": (["read", "sync"], ["reef"]),
    "raw": (["read", "raw:read"], ["reef"]),
    "people": (["read", "people:read"], ["reef"]),
    "admin": (["admin"], None),
    "write-only": (["audit", "sync"], ["reef"]),
}

SUBMIT = """mutation { submitAudit(input: {idempotencyKey: "%s", task: {id: "gid://reef/Task/t1"}, result: ACCEPTED})
  { __typename ... on UserError { code } } }"""
SYNC = 'mutation { startSync(input: {source: "gid://reef/Source/reef"}) { __typename ... on UserError { code } } }'
REFRESH = 'mutation { refresh(ids: ["gid://reef/Task/t1"]) { error } }'


def _names(data: Any, *path: str) -> list[str]:
    for step in path:
        data = data[step]
    return sorted(item["source"]["name"] for item in data)


def _listed(field: str) -> tuple[str, Callable[[Any], Any]]:
    return (
        f"{{ {field} {{ totalCount nodes {{ source {{ name }} }} }} }}",
        lambda data: sorted({node["source"]["name"] for node in data[field]["nodes"]}),
    )


def _one(query: str) -> tuple[str, Callable[[Any], Any]]:
    return query, lambda data: next(iter(data.values())) is not None


REEF, FOREST, BOTH = ["reef"], ["forest"], ["forest", "reef"]
#: operation: (query, what is looked at, expected for: other, read, audit, sync, raw, people, admin)
READS: dict[str, tuple[str, Callable[[Any], Any], tuple[Any, ...]]] = {
    **{
        field: (*_listed(field), (FOREST, REEF, REEF, REEF, REEF, REEF, BOTH))
        for field in ("campaigns", "tasks", "assets", "annotators", "syncRuns")
    },
    "sources": (
        "{ sources { name } }",
        lambda data: sorted(one["name"] for one in data["sources"]),
        (FOREST, REEF, REEF, REEF, REEF, REEF, BOTH),
    ),
    "viewer": (
        "{ viewer { sources { name } } }",
        lambda data: sorted(one["name"] for one in data["viewer"]["sources"]),
        (FOREST, REEF, REEF, REEF, REEF, REEF, BOTH),
    ),
    "totalCount": (
        "{ tasks { totalCount } }",
        lambda data: data["tasks"]["totalCount"],
        (6, 6, 6, 6, 6, 6, 12),
    ),
    "filtered by source": (
        '{ tasks(where: {source: {eq: "reef"}}) { totalCount } }',
        lambda data: data["tasks"]["totalCount"],
        (0, 6, 6, 6, 6, 6, 6),
    ),
    "filtered by platform": (
        '{ tasks(where: {platform: {eq: "toy"}}) { totalCount } }',
        lambda data: data["tasks"]["totalCount"],
        (6, 6, 6, 6, 6, 6, 12),
    ),
    "not of a campaign's name": (
        '{ tasks(where: {not: {campaignName: {eq: "none"}}}) { totalCount } }',
        lambda data: data["tasks"]["totalCount"],
        (6, 6, 6, 6, 6, 6, 12),
    ),
    "node": (*_one(f'{{ node(id: "{TASK}") {{ id }} }}'), (False, True, True, True, True, True, True)),
    "nodes": (
        f'{{ nodes(ids: ["{TASK}", "{OTHER}"]) {{ id }} }}',
        lambda data: [one is not None for one in data["nodes"]],
        ([False, True], *([[True, False]] * 5), [True, True]),
    ),
    "source node": (
        *_one('{ node(id: "gid://reef/Source/reef") { id } }'),
        (False, True, True, True, True, True, True),
    ),
    "task": (
        *_one('{ task(by: {external: {source: "reef", externalId: "t1"}}) { id source { name } } }'),
        (False, True, True, True, True, True, True),
    ),
    "campaign": (
        *_one(f'{{ campaign(by: {{id: "{CAMPAIGN}"}}) {{ id progress {{ total }} }} }}'),
        (False, True, True, True, True, True, True),
    ),
    "entity by id": (
        f'{{ _entities(representations: [{{__typename: "Task", id: "{TASK}"}}]) {{ ... on Task {{ id }} }} }}',
        lambda data: data["_entities"][0] is not None,
        (False, True, True, True, True, True, True),
    ),
    "entity by name": (
        '{ _entities(representations: [{__typename: "Asset", sourceName: "reef", externalId: "a1"}]) { __typename } }',
        lambda data: data["_entities"][0] is not None,
        (False, True, True, True, True, True, True),
    ),
    "raw": (
        f'{{ node(id: "{CAMPAIGN}") {{ ... on Campaign {{ provenance {{ raw }} }} }} }}',
        lambda data: data["node"] and data["node"]["provenance"]["raw"],
        (None, None, None, None, {"secret": "campaign"}, None, {"secret": "campaign"}),
    ),
    "email": (
        '{ node(id: "gid://reef/Annotator/p1") { ... on Annotator { email identities { id } } } }',
        lambda data: data["node"] and (data["node"]["email"], len(data["node"]["identities"])),
        (None, (None, 0), (None, 0), (None, 0), (None, 0), ("ada@example.org", 0), ("ada@example.org", 1)),
    ),
}


@pytest.fixture
async def matrix(filled: Store) -> AsyncIterator[tuple[Served, dict[str, str]]]:
    texts = {
        kind: (await Tokens(filled.db).create(kind, scopes, sources=sources))[1]
        for kind, (scopes, sources) in KINDS.items()
    }
    async with serving(filled, edge_settings()) as served:
        yield served, texts


async def test_the_matrix_of_reading(matrix: tuple[Served, dict[str, str]]) -> None:
    """Every read by every kind of token gives exactly what that token may see, and no error that tells more."""
    served, texts = matrix
    wrong = []
    for operation, (query, look, expected) in READS.items():
        for kind, right in zip(("other", "read", "audit", "sync", "raw", "people", "admin"), expected, strict=True):
            body = (await served.post(query, token=texts[kind])).json()
            seen = body["errors"] if "errors" in body else look(body["data"])
            if seen != right:
                wrong.append((operation, kind, seen, right))
        for token, status in ((None, 401), (texts["write-only"], 403)):
            found = await served.post(query, token=token)
            if operation == "viewer" and token:
                status = 200  # noqa: PLW2901
            if found.status_code != status:
                wrong.append((operation, "none" if token is None else "write-only", found.status_code, status))
    assert wrong == []


async def test_the_matrix_of_writing(matrix: tuple[Served, dict[str, str]]) -> None:
    """Every mutation by every kind of token: done, refused by name of the scope, or not there at all."""
    served, texts = matrix
    submit, sync, refresh = [], [], []
    kinds = ("other", "read", "audit", "sync", "raw", "people", "admin")
    for kind in kinds:
        found = (await served.data(SUBMIT % kind, token=texts[kind]))["submitAudit"]
        submit.append(found.get("code") or found["__typename"])
        found = (await served.data(SYNC, token=texts[kind]))["startSync"]
        sync.append(found.get("code") or found["__typename"])
        refresh.append((await served.data(REFRESH, token=texts[kind]))["refresh"][0]["error"].split()[0])
    done = "AuditSubmitted"
    assert submit == ["NOT_FOUND", "FORBIDDEN", done, "FORBIDDEN", "FORBIDDEN", "FORBIDDEN", done]
    assert sync == ["NOT_FOUND", "FORBIDDEN", "FORBIDDEN", "UNSUPPORTED", "FORBIDDEN", "FORBIDDEN", "UNSUPPORTED"]
    assert refresh == ["there", "refreshing", "refreshing", "this", "refreshing", "refreshing", "this"]
    assert await served.edge.store.db["audits"].count_documents({}) == 2
    assert (await served.post(SUBMIT % "x")).status_code == 401
    assert (await served.post(SUBMIT % "x", token=texts["write-only"])).status_code == 403


async def test_a_token_without_a_source_cannot_tell_what_exists_there(matrix: tuple[Served, dict[str, str]]) -> None:
    """An id that exists elsewhere, and one that exists nowhere, get the same answer to every question."""
    served, texts = matrix
    questions = [
        '{ node(id: "gid://reef/Task/%s") { id } }',
        '{ task(by: {external: {source: "reef", externalId: "%s"}}) { id } }',
        '{ tasks(where: {id: {eq: "gid://reef/Task/%s"}}) { totalCount nodes { id } } }',
        '{ tasks(where: {source: {eq: "reef"}, externalId: {neq: "%s"}}) { totalCount } }',
        '{ _entities(representations: [{__typename: "Task", id: "gid://reef/Task/%s"}]) { ... on Task { id } } }',
        'mutation { cancelAudit(id: "gid://reef/Audit/%s") { ... on NotFound { code } } }',
        """mutation { submitAudit(input: {idempotencyKey: "k", task: {id: "gid://reef/Task/%s"}, result: ACCEPTED})
        { __typename ... on UserError { code message } } }""",
        'mutation { refresh(ids: ["gid://reef/Task/%s"]) { node { id } error } }',
        'mutation { startSync(input: {source: "gid://%s/Source/reef"}) { ... on UserError { code message } } }',
    ]
    for question in questions:
        answers = [
            (await served.post(question % name, token=texts["other"])).text.replace(name, "?") for name in ("t1", "t9")
        ]
        assert answers[0] == answers[1], question


async def test_refusals_say_what_is_missing(matrix: tuple[Served, dict[str, str]]) -> None:
    """401 with a challenge, 403 with the scope, in both media types."""
    served, texts = matrix
    for accept in (RESPONSE, "application/json"):
        found = await served.post("{ tasks { totalCount } }", headers={"accept": accept})
        assert (found.status_code, found.headers["www-authenticate"][:6]) == (401, "Bearer")
        assert found.json()["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"
        found = await served.post("{ tasks { totalCount } }", token=texts["write-only"], headers={"accept": accept})
        assert (found.status_code, found.json()["errors"][0]["extensions"]["requiredScope"]) == (403, "read")
