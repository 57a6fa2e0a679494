"""What the ``tokens`` commands do."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import click

from gateway.engine import utcnow
from gateway.runtime import open_store
from gateway.settings import load
from gateway.terminal import print_table
from gateway.tokens import Token, Tokens, span


async def create(
    config: str | None,
    name: str,
    scopes: Sequence[str],
    sources: Sequence[str],
    expires: str | None,
    as_json: bool,
) -> None:
    """Makes a token and prints it: the text alone on standard output, so that it can be piped."""
    lives = None if expires is None else span(expires)
    async with open_store(load(config)) as store:
        token, text = await Tokens(store.db).create(name, scopes, sources=sources or None, lives=lives)
    if as_json:
        click.echo(json.dumps(_plain(token) | {"token": text}, indent=2))
        return
    click.echo(text)
    click.echo(f"token {token.id} ({token.name}): {_may(token)}. It is not shown again.", err=True)


async def show(config: str | None, as_json: bool) -> None:
    """Lists the tokens there are."""
    async with open_store(load(config)) as store:
        found = await Tokens(store.db).all()
    if as_json:
        click.echo(json.dumps([_plain(token) for token in found], indent=2))
        return
    rows = [
        [token.id, token.name, token.state(utcnow()), ", ".join(sorted(token.scopes)), _sources(token), _end(token)]
        for token in found
    ]
    print_table(["id", "name", "state", "scopes", "sources", "expires (UTC)"], rows)


async def revoke(config: str | None, which: str) -> None:
    """Ends a token."""
    async with open_store(load(config)) as store:
        for token in await Tokens(store.db).revoke(which):
            click.echo(f"token {token.id} ({token.name}) is revoked")


async def expire(config: str | None, which: str, lives: str) -> None:
    """Lets a token end later."""
    async with open_store(load(config)) as store:
        for token in await Tokens(store.db).expire(which, span(lives)):
            click.echo(f"token {token.id} ({token.name}) ends {_end(token)} UTC")


def _plain(token: Token) -> dict[str, Any]:
    def moment(value: Any) -> str | None:
        return None if value is None else f"{value.isoformat()}Z"

    return {
        "id": token.id,
        "name": token.name,
        "state": token.state(utcnow()),
        "scopes": sorted(token.scopes),
        "sources": None if token.sources is None else sorted(token.sources),
        "createdAt": moment(token.created_at),
        "expiresAt": moment(token.expires_at),
        "revokedAt": moment(token.revoked_at),
    }


def _may(token: Token) -> str:
    return f"{', '.join(sorted(token.scopes))} on {_sources(token)}"


def _sources(token: Token) -> str:
    return "all sources" if token.sources is None else ", ".join(sorted(token.sources))


def _end(token: Token) -> str:
    return "never" if token.expires_at is None else token.expires_at.strftime("%Y-%m-%d %H:%M:%S")
