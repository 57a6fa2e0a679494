"""Logins of the APLOSE sandbox: token pairs, refresh, expiry by the sandbox's clock, and the two ways of saying no."""

from __future__ import annotations

from collections.abc import Iterator

import jwt
import pytest
from aplose_replay import Player, player

from connectors.aplose.sandbox import create

ME = "{currentUser{username isStaff}}"


@pytest.fixture
def server() -> Iterator[Player]:
    with player(create()) as made:
        yield made


def _bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


def test_settings_log_in_to_a_staff_account(server: Player) -> None:
    """``settings`` gives the url, and a username and password that log in to an account that sees everything."""
    given = server.sandbox.settings("http://aplose.example.org")
    assert sorted(given) == ["password", "url", "username"]
    assert given["url"] == "http://aplose.example.org"
    answer = server.client.post("/api/token/", json={n: given[n] for n in ("username", "password")})
    assert answer.status_code == 200
    assert sorted(answer.json()) == ["access", "refresh"]
    assert server.gql(ME, given["username"]) == {"currentUser": {"username": given["username"], "isStaff": True}}


def test_tokens_are_hs256_with_the_library_s_claims(server: Player) -> None:
    """Access lives 8 hours and refresh a day; both tell type, expiry, an id and the user."""
    server.headers("gateway")
    now = server.sandbox.control.clock.now().timestamp()
    for kind, hours in (("access", 8), ("refresh", 24)):
        token = server.tokens["gateway"][kind]
        claims = jwt.decode(token, options={"verify_signature": False})
        assert jwt.get_unverified_header(token)["alg"] == "HS256"
        assert sorted(claims) == ["exp", "jti", "token_type", "user_id"]
        assert claims["token_type"] == kind
        assert claims["exp"] - now == pytest.approx(hours * 3600, abs=5)


def test_refused_logins(server: Player) -> None:
    """A wrong password, an unknown user and a deactivated one are 401 alike; missing fields are 400."""
    server.act("deactivate", user="chidi")
    for username, password in (("gateway", "bad"), ("nobody", "x"), ("chidi", "chidi-listens")):
        answer = server.client.post("/api/token/", json={"username": username, "password": password})
        assert answer.status_code == 401
        assert answer.json() == {"detail": "No active account found with the given credentials"}
    answer = server.client.post("/api/token/", json={"username": "gateway"})
    assert (answer.status_code, answer.json()) == (400, {"password": ["This field is required."]})
    assert server.client.post("/api/token/", content=b"{").status_code == 400
    assert server.client.get("/api/token/").status_code == 405


def test_refresh_gives_access_only_for_refresh_tokens(server: Player) -> None:
    """A refresh token buys a new access token; an access token does not, and neither does rubbish."""
    server.headers("gateway")
    pair = server.tokens["gateway"]
    answer = server.client.post("/api/token/refresh/", json={"refresh": pair["refresh"]})
    assert (answer.status_code, sorted(answer.json())) == (200, ["access"])
    assert answer.json()["access"] != pair["access"]
    for token, detail in ((pair["access"], "Token has wrong type"), ("rubbish", "Token is invalid or expired")):
        answer = server.client.post("/api/token/refresh/", json={"refresh": token})
        assert (answer.status_code, answer.json()) == (401, {"detail": detail, "code": "token_not_valid"})
    assert server.client.post("/api/token/refresh/", json={}).status_code == 400


def test_tokens_expire_by_the_sandbox_s_clock(server: Player) -> None:
    """After 8 hours access is refused everywhere with ``token_not_valid`` while refresh still works; after a day not."""
    headers, clock = server.headers("gateway"), server.sandbox.control.clock
    clock.advance(8 * 3600 - 60)
    assert server.client.get("/api/annotation/?page_size=1", headers=headers).status_code == 200
    clock.advance(120)
    for path in ("/api/annotation/", "/api/graphql?query={currentUser{id}}", "/api/"):
        answer = server.client.get(path, headers=headers)
        assert answer.status_code == 401
        assert answer.json()["code"] == "token_not_valid"
        assert answer.headers["www-authenticate"] == 'Bearer realm="api"'
    refresh = {"refresh": server.tokens["gateway"]["refresh"]}
    access = server.client.post("/api/token/refresh/", json=refresh).json()["access"]
    assert server.client.get("/api/annotation/?page_size=1", headers=_bearer(access)).status_code == 200
    clock.advance(16 * 3600)
    assert server.client.post("/api/token/refresh/", json=refresh).status_code == 401


def test_forgotten_tokens_and_lost_accounts(server: Player) -> None:
    """``forget_tokens`` invalidates what was issued; a deactivated account's tokens are refused by name of the cause."""
    old = server.headers("gateway")
    server.act("forget_tokens")
    assert server.client.get("/api/annotation/", headers=old).json()["code"] == "token_not_valid"
    server.tokens.clear()
    fresh = server.headers("gateway")
    assert server.client.get("/api/annotation/?page_size=1", headers=fresh).status_code == 200
    server.act("deactivate", user="gateway")
    answer = server.client.get("/api/annotation/", headers=fresh)
    assert (answer.status_code, answer.json()["code"]) == (401, "user_inactive")


def test_no_login_is_401_in_rest_and_200_in_graphql(server: Player) -> None:
    """Without a token REST answers 401, GraphQL 200 with "Unauthorized" and null data; introspection stays open."""
    answer = server.client.get("/api/annotation/")
    assert answer.status_code == 401
    assert answer.json() == {"detail": "Authentication credentials were not provided."}
    answer = server.client.post("/api/graphql", json={"query": "{allUsers{totalCount}}"})
    assert answer.status_code == 200
    assert answer.json() == {
        "errors": [{"message": "Unauthorized", "locations": [{"line": 1, "column": 2}], "path": ["allUsers"]}],
        "data": {"allUsers": None},
    }
    names = server.gql("{__schema{queryType{fields{name}}}}", None)["__schema"]["queryType"]["fields"]
    assert {"name": "annotationPhaseByCampaignPhase"} in names


def test_other_authorization_headers(server: Player) -> None:
    """An API key as Bearer is 401, another scheme is ignored, a refresh token is no access token."""
    server.headers("gateway")
    refused = server.client.get("/api/annotation/", headers=_bearer("fS8dk.0123456789abcdef"))
    assert (refused.status_code, refused.json()["code"]) == (401, "token_not_valid")
    ignored = server.client.get("/api/annotation/", headers={"authorization": "Token fS8dk.0123456789abcdef"})
    assert ignored.json() == {"detail": "Authentication credentials were not provided."}
    wrong = server.client.get("/api/annotation/", headers=_bearer(server.tokens["gateway"]["refresh"]))
    assert wrong.json()["messages"][0]["message"] == "Token has wrong type"
    odd = server.client.get("/api/annotation/", headers={"authorization": "Bearer a b"})
    assert odd.json()["code"] == "bad_authorization_header"
