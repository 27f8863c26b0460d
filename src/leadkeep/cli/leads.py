"""`leadkeep leads`: looking at leads and deciding about them. Here: `list` and `show`."""

import asyncio
import sys

import click
import msgspec

from leadkeep.cli.copies import deliver_anyway, unlink
from leadkeep.cli.deciding import decision
from leadkeep.cli.groups import InOrder
from leadkeep.cli.lead_page import lead_json, lead_lines
from leadkeep.cli.masking import mask_email, mask_phone
from leadkeep.cli.options import command_line, json_option, page_options
from leadkeep.cli.previewing import preview
from leadkeep.cli.releasing import release
from leadkeep.cli.render import (
    Cell,
    Column,
    console,
    local_time,
    say,
    show_json,
    show_json_rows,
    show_table,
    status_cell,
)
from leadkeep.cli.rerouting import reroute
from leadkeep.cli.selecting import selection_options
from leadkeep.cli.store import opened
from leadkeep.cli.visible import visible_bytes
from leadkeep.clock import SystemClock
from leadkeep.errors import NotFound
from leadkeep.models import DeliveryView, LeadView, Selection
from leadkeep.settings.model import Settings
from leadkeep.states import Status, Verb
from leadkeep.wording import duration

reveal_option = click.option(
    "--reveal", is_flag=True, help="Show phone numbers, e-mail addresses and secrets whole."
)

_COLUMNS = (
    Column("NUMBER", whole=True),
    Column("RECEIVED", whole=True),
    Column("NAME"),
    Column("PHONE", whole=True),
    Column("SOURCE", spare=True),
    Column("DESTINATION", spare=True),
    Column("STATUS", whole=True),
    Column("TRIES", right=True, spare=True),
    Column("NEXT TRY / WHY"),
)


@click.group("leads", cls=InOrder)
def leads() -> None:
    """Look at leads and decide about them.

    A lead is named by its id or its 13-digit number (REF), one lead of several in a request by the
    request's and its place there, as in 1795470000001/3. A lead has one delivery for each of its
    destinations, and the commands here speak of deliveries.
    """


@leads.command("list")
@selection_options
@page_options("delivery", "ID")
@reveal_option
@json_option
@click.pass_context
def list_(
    ctx: click.Context,
    *,
    selection: Selection,
    limit: int,
    after: int | None,
    reveal: bool,
    as_json: bool,
) -> None:
    """List deliveries, newest first."""
    if selection.is_empty:
        selection = Selection(everything=True)
    found = asyncio.run(_find(ctx.obj, selection, limit + 1, after))
    page, more = found[:limit], len(found) > limit
    if not reveal:
        page = [masked(view) for view in page]
    if as_json:
        show_json_rows(page)
    else:
        if page or not sys.stdout.isatty():
            now_ms = SystemClock().now_us() // 1_000
            show_table(_COLUMNS, (_row(view, now_ms) for view in page))
        if not page:
            say("No lead matches.")
    if more:
        say(f"There are more: add --after {page[-1].delivery_id}")


async def _find(
    settings: Settings, selection: Selection, limit: int, after: int | None
) -> list[DeliveryView]:
    async with opened(settings) as store:
        return [] if store is None else await store.find(selection, limit=limit, after=after)


def masked(view: DeliveryView) -> DeliveryView:
    """The same with phone and e-mail partly hidden."""
    return msgspec.structs.replace(view, phone=mask_phone(view.phone), email=mask_email(view.email))


def _row(view: DeliveryView, now_ms: int) -> tuple[str | Cell, ...]:
    return (
        f"{view.lead_number:013d}",
        local_time(view.received_at_ms),
        view.name,
        view.phone,
        view.source,
        view.destination or "",
        status_cell(view.status),
        str(view.attempts),
        ": ".join(filter(None, (_next_try(view, now_ms), view.error_message))),
    )


def _next_try(view: DeliveryView, now_ms: int) -> str:
    if view.status is not Status.PENDING or not view.attempts or view.next_attempt_at_ms is None:
        return ""
    seconds = (view.next_attempt_at_ms - now_ms) / 1_000
    return f"in {duration(seconds)}" if seconds > 0 else "due now"


@leads.command("show")
@click.argument("ref")
@click.option("--body", is_flag=True, help="Write the body and nothing else, byte for byte.")
@reveal_option
@json_option
@click.pass_context
def show(ctx: click.Context, ref: str, body: bool, reveal: bool, as_json: bool) -> None:
    """Show one lead whole: what came and what became of it.

    Phone numbers, e-mail addresses and secrets are partly hidden unless --reveal is given. --body
    hides nothing; on a terminal it shows control characters as codes, elsewhere it writes the
    exact bytes.
    """
    lead = asyncio.run(_lead(ctx.obj, ref))
    if body:
        _write_body(lead)
    elif as_json:
        show_json(lead_json(lead, reveal=reveal))
    else:
        target = console()
        for line in lead_lines(lead, reveal=reveal):
            target.print(line, soft_wrap=True)
        if not reveal:
            again = command_line(ctx, "leads", "show", ref, "--reveal")
            say(f"Phone numbers, e-mail addresses and secrets are partly hidden: {again}")


async def _lead(settings: Settings, ref: str) -> LeadView:
    async with opened(settings) as store:
        if store is None:
            raise NotFound(
                f"no lead has the id or number {ref}",
                hint="There is no store yet; leads come into it once `leadkeep serve` runs.",
            )
        return await store.lead(ref)


def _write_body(lead: LeadView) -> None:
    if sys.stdout.isatty():
        click.echo(visible_bytes(lead.body, keep_newlines=True))
        return
    stream = sys.stdout.buffer
    stream.write(lead.body)
    stream.flush()


leads.add_command(preview)
leads.add_command(release)
leads.add_command(reroute)
for _verb in (Verb.RETRY, Verb.HOLD, Verb.RESUME, Verb.CANCEL):
    leads.add_command(decision(_verb))
leads.add_command(deliver_anyway)
leads.add_command(unlink)
