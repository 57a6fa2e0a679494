"""The settings of the edge: who may ask, how much, and which documents."""

from __future__ import annotations

import pathlib
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from connectors.contract import Secret
from gateway.secret_fields import teach_pydantic
from schema.limits import Limits

teach_pydantic()


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


Count = Annotated[int, Field(ge=1)]
Seconds = Annotated[float, Field(gt=0, le=3600)]


class AuthSettings(Section):
    """Tokens live in MongoDB (``labelgate tokens``); these settings let JSON Web Tokens in as well."""

    jwt_secret: Secret | None = None
    """Shared secret, at least 32 bytes: HS256, HS384 and HS512."""
    jwt_jwks_url: str | None = None
    """Public keys of the issuer: RS256, PS256, ES256, EdDSA and their longer forms."""
    jwt_audience: str | None = None
    jwt_issuer: str | None = None
    jwt_leeway: Annotated[float, Field(ge=0, le=300)] = 10
    """Seconds that clocks may differ."""
    jwt_sources_claim: str = "labelgate_sources"
    """A list of sources; a token without it sees none, and ``["*"]`` is all of them."""

    @model_validator(mode="after")
    def _complete(self) -> AuthSettings:
        if self.jwt_secret is not None and self.jwt_jwks_url is not None:
            raise ValueError("set jwt_secret or jwt_jwks_url, not both")
        if self.jwt and not (self.jwt_audience and self.jwt_issuer):
            raise ValueError("JSON Web Tokens need jwt_audience and jwt_issuer")
        if self.jwt_secret is not None and len(self.jwt_secret.reveal().encode()) < 32:
            raise ValueError("jwt_secret is shorter than 32 bytes")
        return self

    @property
    def jwt(self) -> bool:
        return self.jwt_secret is not None or self.jwt_jwks_url is not None


class LimitSettings(Section):
    body_bytes: Count = 1_000_000
    upload_bytes: Count = 2_000_000_000
    tokens: Count = 4_000
    depth: Count = 16
    aliases: Count = 60
    root_fields: Count = 20
    directives: Count = 60
    fields: Count = 2_000
    cost: Count = 50_000
    """Objects that one answer may hold, as the schema and page sizes tell."""
    operation_seconds: Seconds = 10
    """For one query or mutation; MongoDB is told the same limit."""
    body_seconds: Seconds = 10
    """For a request's body to arrive."""
    head_seconds: Seconds = 10
    """For a request's head to arrive, and for a WebSocket's connection_init."""
    requests_per_minute: Annotated[int, Field(ge=0)] = 1_200
    """Of one token, in each process; 0: no limit."""
    concurrent_requests: Count = 32
    """Of one token, in each process."""
    subscriptions: Count = 500
    """Of one token, in each process."""
    subscriptions_per_socket: Count = 50
    subscription_buffer: Count = 1_000
    """Changes that may wait for a slow subscriber before it is dropped."""
    connections: Count = 10_000
    """Open sockets of one process."""

    def of_operations(self) -> Limits:
        return Limits(
            text=min(self.body_bytes, 1_000_000),
            tokens=self.tokens,
            depth=self.depth,
            aliases=self.aliases,
            root_fields=self.root_fields,
            directives=self.directives,
            fields=self.fields,
            cost=self.cost,
        )


class DocumentSettings(Section):
    """Trusted documents: the operations that clients were built with."""

    folder: pathlib.Path | None = None
    """Holds .graphql files (their SHA-256 is the id), and .json manifests of Relay or Apollo."""
    mode: Literal["optional", "required"] = "optional"
    """``required``: nothing else runs."""
