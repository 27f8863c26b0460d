"""`leadkeep pings`: what vendors asked a bid for, and what came of it."""

import asyncio
import sys

import click

from leadkeep.cli.masking import mask_secrets
from leadkeep.cli.options import json_option, page_options
from leadkeep.cli.render import (
    Cell,
    Column,
    local_time,
    say,
    show_json_rows,
    show_table,
)
from leadkeep.cli.store import opened
from leadkeep.cli.visible import visible_bytes
from leadkeep.settings.model import Settings
from leadkeep.store.asked import PingView

_COLUMNS = (
    Column("RECEIVED", whole=True),
    Column("SOURCE"),
    Column("DESTINATION", spare=True),
    Column("RESULT", whole=True),
    Column("STATUS", right=True),
    Column("MS", right=True),
    Column("WHY / ANSWER"),
)
_ANSWERED = "answered"
_SHOWN_BYTES = 200


@click.command("pings")
@click.option("--source", metavar="NAME", help="Only pings of this source.")
@click.option("--id", "ping_id", metavar="UUID", help="Only this ping: its id in the journal.")
@page_options("ping", "N")
@json_option
@click.pass_context
def pings(
    ctx: click.Context,
    *,
    source: str | None,
    ping_id: str | None,
    limit: int,
    after: int | None,
    as_json: bool,
) -> None:
    """List pings, newest first, with what came of each.

    A ping is put to a destination once and never queued. `answered`: its vendor got the
    destination's answer, if it was still there. Anything else says why the vendor got the source's
    no_bid reply; `unanswered`: no worker took it, or the worker died over it. `leadkeep journal cat
    --lead ID` prints the ping as it came.
    """
    found = asyncio.run(_find(ctx.obj, limit + 1, after, source, ping_id))
    page, more = found[:limit], len(found) > limit
    if as_json:
        show_json_rows(map(_as_json, page))
    else:
        if page or not sys.stdout.isatty():
            show_table(_COLUMNS, map(_row, page))
        if not page:
            say("No ping matches.")
    if more:
        say(f"There are more: add --after {page[-1].number}")


async def _find(
    settings: Settings, limit: int, after: int | None, source: str | None, ping_id: str | None
) -> list[PingView]:
    async with opened(settings) as store:
        if store is None:
            return []
        return await store.pings(limit=limit, after=after, source=source, ping_id=ping_id)


def _as_json(ping: PingView) -> dict[str, object]:
    shown = {name: getattr(ping, name) for name in PingView.__struct_fields__}
    return {**shown, "response_body": mask_secrets(ping.response_body.decode("utf-8", "replace"))}


def _row(ping: PingView) -> tuple[str | Cell, ...]:
    answered = ping.result == _ANSWERED
    return (
        local_time(ping.received_at_ms),
        ping.source,
        ping.destination,
        Cell(ping.result, "green" if answered else "yellow"),
        "" if ping.response_status is None else str(ping.response_status),
        "" if ping.duration_ms is None else f"{ping.duration_ms:,}",
        mask_secrets(visible_bytes(ping.response_body[:_SHOWN_BYTES]))
        if answered
        else ping.message,
    )
