"""Who is asking."""

from __future__ import annotations

import strawberry

from schema import ports
from schema.data import computed
from schema.node import Info
from schema.source import Source


@strawberry.type(description="Who is asking, and what they may do.")
class Viewer:
    who: strawberry.Private[ports.Viewer]

    @computed("Name of the token, or anonymous on loopback.")
    def name(self) -> str:
        return self.who.name

    @computed("What the token may do; admin stands for all.")
    def scopes(self) -> list[str]:
        return sorted(self.who.scopes)

    @computed("The sources it may see, by name.")
    async def sources(self, info: Info) -> list[Source]:
        return [Source(doc=doc) for doc in await info.context.reader.sources(self.who.sources)]
