"""One server under test in a process of its own: ``python -m benchmarks.server VARIANT PORT URL DATABASE DRIVER``."""

from __future__ import annotations

import asyncio
import sys

import uvicorn

from benchmarks import baseline_handwritten, baseline_strawberry
from connectors.contract import Secret
from gateway.app import create_app, create_edge
from gateway.edge_settings import LimitSettings
from gateway.log import configure
from gateway.metrics import Metrics
from gateway.serving import _config
from gateway.settings import LogSettings, MongoSettings, ServerSettings, Settings
from gateway.store import monitor
from gateway.store.connect import open_store
from gateway.store.store import Store

VARIANTS = ("strawberry", "ordinary", "compiled", "handwritten")


def settings_of(url: str, database: str, driver: str) -> Settings:
    return Settings(
        file=None,
        mongodb=MongoSettings(url=Secret(url), database=database, driver=driver),  # type: ignore[arg-type]
        server=ServerSettings(),
        log=LogSettings(level="warning"),
        sources={},
        limits=LimitSettings(requests_per_minute=0),
    )


async def main(variant: str, port: int, url: str, database: str, driver: str) -> None:
    settings = settings_of(url, database, driver)
    configure(level="warning", format="json", known_secrets=())
    metrics = Metrics()
    if variant in ("ordinary", "compiled"):
        monitor.listen(metrics.command)
    async with open_store(settings) as opened:
        if variant == "strawberry":
            config = uvicorn.Config(baseline_strawberry.create_app(opened.db), port=port, log_level="warning")
        elif variant == "handwritten":
            config = uvicorn.Config(baseline_handwritten.create_app(opened.db), port=port, log_level="warning")
        else:
            edge = create_edge(Store(opened.db), settings, metrics=metrics)
            if variant == "compiled":
                from benchmarks.plugged import plug  # noqa: PLC0415 - until the gateway itself does it

                plug(edge)
            config = _config(create_app(edge), settings, "127.0.0.1", port)
        await uvicorn.Server(config).serve()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), *sys.argv[3:6]))
