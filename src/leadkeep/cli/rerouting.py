"""`leadkeep leads reroute`: stored leads go where today's routes send them."""

import asyncio
from collections.abc import Iterator
from typing import TYPE_CHECKING

import click
import msgspec

from leadkeep.cli.deciding import actor, confirm
from leadkeep.cli.options import json_option
from leadkeep.cli.render import show_json
from leadkeep.cli.selecting import selection_options
from leadkeep.errors import UsageError
from leadkeep.models import Selection
from leadkeep.wording import count

if TYPE_CHECKING:
    from leadkeep.models import Rerouted


@click.command("reroute")
@click.argument("refs", nargs=-1, metavar="[REF]...")
@selection_options
@click.option("--everything", is_flag=True, help="All leads that are not settled.")
@click.option("--dry-run", is_flag=True, help="Say what it concerns and change nothing.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
@click.pass_context
def reroute(
    ctx: click.Context,
    *,
    refs: tuple[str, ...],
    selection: Selection,
    everything: bool,
    dry_run: bool,
    yes: bool,
    as_json: bool,
) -> None:
    """Send leads where today's configuration routes them.

    It concerns pending, held and failed deliveries. A delivery to a destination that no route names
    any more is cancelled, and those that are missing are made. What is completed, cancelled or
    under way stays as it is and is not sent to the same destination again; a lead that no route
    takes any more is held.
    """
    from leadkeep import app

    meant = msgspec.structs.replace(selection, refs=refs, everything=everything)
    if meant.is_empty:
        raise UsageError(
            "reroute what?",
            hint="Name leads by id or number, or give a filter such as --held-because route; "
            "--everything means all that are not settled.",
        )
    found = asyncio.run(app.reroute(ctx.obj, meant, actor=actor(), dry_run=True))
    if not dry_run and found.leads:
        if not yes and meant != Selection(refs=refs[:1]):
            concerned = f"{count(found.leads, 'lead')} ({', '.join(_words(found))})"
            confirm("reroute", concerned, "Reroute {what}?")
        found = asyncio.run(app.reroute(ctx.obj, meant, actor=actor()))
    if as_json:
        show_json({"verb": "reroute", **msgspec.to_builtins(found), "dry_run": dry_run})
        return
    click.echo(f"{count(found.leads, 'lead')} {'would be ' if dry_run else ''}rerouted")
    for words in _words(found):
        click.echo(f"  {words}")


def _words(found: "Rerouted") -> Iterator[str]:
    """What of it there is."""
    for number, what in (
        (found.sent, "to other destinations"),
        (found.cancelled, "cancelled"),
        (found.held, "held: no route takes them"),
    ):
        if number:
            yield f"{count(number, 'delivery', 'deliveries')} {what}"
