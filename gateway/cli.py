"""The command line: ``labelgate`` and its commands. Imports wait until a command needs them, so help is quick."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Coroutine
from typing import Any, TypeVar

import click

T = TypeVar("T")

WHOLE, FAILED, PARTIAL = 0, 1, 3


def _run(work: Coroutine[Any, Any, T]) -> T:
    """Runs a command; problems that a person can mend are one line, without a trace."""
    from gateway.problems import expected  # noqa: PLC0415

    try:
        return asyncio.run(work)
    except Exception as problem:
        message = expected(problem)
        if message is None:
            raise
        raise click.ClickException(message) from None


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.option("--config", metavar="FILE", envvar="LABELGATE_CONFIG", help="Settings file [labelgate.toml].")
@click.version_option(package_name="labelgate", prog_name="labelgate")
@click.pass_context
def main(context: click.Context, config: str | None) -> None:
    """One GraphQL API over many data-labeling platforms.

    Bring campaigns, tasks, assets, annotations and audits of every platform into MongoDB and ask one question
    across all of them. Without LABELGATE_MONGODB_URL a MongoDB of our own runs under .labelgate/.
    """
    context.obj = config


@main.command()
@click.option("--host", help="Address to listen on [127.0.0.1]. Anything else needs tokens.")
@click.option("--port", type=click.IntRange(0, 65535), help="Port to listen on [8000].")
@click.option("--workers", type=click.IntRange(1, 256), help="Processes that serve [1].")
@click.pass_obj
def serve(config: str | None, host: str | None, port: int | None, workers: int | None) -> None:
    """Serve the GraphQL API (and GraphiQL) until Ctrl-C."""
    from gateway.serving import serve  # noqa: PLC0415

    _run(serve(config, host, port, workers))


@main.group()
def tokens() -> None:
    """Make, list and end the tokens that callers show. As soon as there is one, everybody needs one."""


@tokens.command("create")
@click.argument("name")
@click.option(
    "--scope", "scopes", multiple=True, required=True, help="read, audit, sync, raw:read, people:read, admin."
)
@click.option("--source", "sources", metavar="NAME", multiple=True, help="Only this source; repeatable [all].")
@click.option("--expires", metavar="SPAN", help="How long it lives, such as 90d, 12h or 30m [for ever].")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def tokens_create(
    config: str | None, name: str, scopes: tuple[str, ...], sources: tuple[str, ...], expires: str | None, as_json: bool
) -> None:
    """Make a token and print it. It is shown this once: only its hash is kept."""
    from gateway.token_commands import create  # noqa: PLC0415

    _run(create(config, name, scopes, sources, expires, as_json))


@tokens.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def tokens_list(config: str | None, as_json: bool) -> None:
    """List tokens: what each may do, and whether it is valid."""
    from gateway.token_commands import show  # noqa: PLC0415

    _run(show(config, as_json))


@tokens.command("revoke")
@click.argument("token", metavar="ID_OR_NAME")
@click.pass_obj
def tokens_revoke(config: str | None, token: str) -> None:
    """End a token now. Open sockets that use it close within seconds."""
    from gateway.token_commands import revoke  # noqa: PLC0415

    _run(revoke(config, token))


@tokens.command("expire")
@click.argument("token", metavar="ID_OR_NAME")
@click.argument("span")
@click.pass_obj
def tokens_expire(config: str | None, token: str, span: str) -> None:
    """Let a token end SPAN from now, such as 7d, so that its holders can change to a new one."""
    from gateway.token_commands import expire  # noqa: PLC0415

    _run(expire(config, token, span))


@main.command()
@click.argument("platform")
@click.argument("paths", nargs=-1, required=True)
@click.option("--source", metavar="NAME", help="Source to import into [the platform's name].")
@click.option("--campaign", metavar="NAME", help="Name of the campaign, where the files do not say it.")
@click.option("--option", "options", metavar="KEY=VALUE", multiple=True, help="An option of the platform's reader.")
@click.option("--json", "as_json", is_flag=True, help="Print the run as JSON, and nothing else.")
@click.pass_obj
def ingest(
    config: str | None,
    platform: str,
    paths: tuple[str, ...],
    source: str | None,
    campaign: str | None,
    options: tuple[str, ...],
    as_json: bool,
) -> None:
    """Import export files of PLATFORM: files, folders, or - for standard input.

    The same file again changes nothing; a corrected file changes what was corrected. Records that cannot be
    read are reported with file and row, the rest is kept. Exit status: 0 whole, 3 some records skipped, 1 failed.

    \b
      labelgate ingest aplose MADW_results.csv MADW_status.csv
      labelgate ingest scale tasks.jsonl --source scale-prod
      curl … | labelgate ingest kili - --campaign "Street signs"
    """
    from gateway.commands import ingest as work  # noqa: PLC0415

    pairs = {}
    for option in options:
        key, equals, value = option.partition("=")
        if not equals:
            raise click.BadParameter(f"{option!r} is not KEY=VALUE", param_hint="--option")
        pairs[key] = value
    state = _run(work(config, platform, paths, source, campaign, pairs, as_json))
    sys.exit({"SUCCEEDED": WHOLE, "PARTIAL": PARTIAL}.get(state, FAILED))


@main.command()
@click.argument("sources", nargs=-1)
@click.option("--full", is_flag=True, help="Read everything, not only what changed; finds what is gone.")
@click.option("--json", "as_json", is_flag=True, help="Print the runs as JSON, and nothing else.")
@click.pass_obj
def sync(config: str | None, sources: tuple[str, ...], full: bool, as_json: bool) -> None:
    """Sync SOURCES of the settings now (all, if none is named). Exit status as for ingest."""
    from gateway.live_commands import sync as work  # noqa: PLC0415

    state = _run(work(config, sources, full=full, as_json=as_json))
    sys.exit({"SUCCEEDED": WHOLE, "PARTIAL": PARTIAL}.get(state, FAILED))


@main.command()
@click.pass_obj
def worker(config: str | None) -> None:
    """Sync sources when they are due and deliver audits, until Ctrl-C. Any number of workers may run."""
    from gateway.live_commands import work  # noqa: PLC0415

    _run(work(config))


@main.group()
def audits() -> None:
    """Look after the audits made here: what is on its way, what did not get there."""


@audits.command("list")
@click.option("--source", metavar="NAME", help="Only audits of this source.")
@click.option("--failures", is_flag=True, help="Those REFUSED or FAILED, instead of those on their way.")
@click.option("--limit", type=click.IntRange(1, 1000), default=50, show_default=True, help="How many.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def audits_list(config: str | None, source: str | None, failures: bool, limit: int, as_json: bool) -> None:
    """List audits that are on their way, or that did not get there."""
    from gateway.live_commands import list_audits  # noqa: PLC0415

    _run(list_audits(config, source, failures=failures, limit=limit, as_json=as_json))


@audits.command("retry")
@click.argument("ids", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="All that are REFUSED or FAILED.")
@click.pass_obj
def audits_retry(config: str | None, ids: tuple[str, ...], everything: bool) -> None:
    """Send audits again by their global IDS. Exit status 1 if one could not be queued."""
    from gateway.live_commands import retry  # noqa: PLC0415

    sys.exit(FAILED if _run(retry(config, ids, everything=everything)) else WHOLE)


@audits.command("cancel")
@click.argument("ids", nargs=-1, required=True)
@click.pass_obj
def audits_cancel(config: str | None, ids: tuple[str, ...]) -> None:
    """Withdraw audits by their global IDS. Exit status 1 if one could not be withdrawn."""
    from gateway.live_commands import cancel  # noqa: PLC0415

    sys.exit(FAILED if _run(cancel(config, ids)) else WHOLE)


@main.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def check(config: str | None, as_json: bool) -> None:
    """Check the settings, MongoDB and the configured sources. Exit status 1 if anything is wrong."""
    from gateway.commands import check as work  # noqa: PLC0415

    sys.exit(WHOLE if _run(work(config, as_json)) else FAILED)


@main.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def platforms(as_json: bool) -> None:
    """List the platforms labelgate speaks to, and what each can do."""
    from gateway.commands import platforms as work  # noqa: PLC0415

    work(as_json)


@main.command()
def schema() -> None:
    """Print the GraphQL schema (SDL)."""
    from schema.build import sdl  # noqa: PLC0415

    click.echo(sdl(), nl=False)


@main.command()
@click.option("--once", is_flag=True, help="End after the summary.")
@click.option("--port", type=click.IntRange(0, 65535), default=8000, show_default=True, help="Port to listen on.")
@click.pass_obj
def demo(config: str | None, once: bool, port: int) -> None:
    """Show the main job on bundled sample data, then serve it with GraphiQL."""
    from gateway.demo import demo as work  # noqa: PLC0415

    _run(work(config, once=once, port=port))


@main.command()
@click.option("--source", metavar="NAME", help="Only runs of this source.")
@click.option("--limit", type=click.IntRange(1, 500), default=20, show_default=True, help="How many.")
@click.option("--skipped", is_flag=True, help="Also print the records that were skipped.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def runs(config: str | None, source: str | None, limit: int, skipped: bool, as_json: bool) -> None:
    """List imports and syncs, newest first."""
    from gateway.commands import runs as work  # noqa: PLC0415

    _run(work(config, source, limit, skipped, as_json))


if __name__ == "__main__":
    main()
