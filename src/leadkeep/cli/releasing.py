"""`leadkeep leads release`: leads that are held without a destination get one, and go."""

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click
import msgspec

from leadkeep.cli.deciding import actor, confirm
from leadkeep.cli.options import json_option
from leadkeep.cli.render import show_json
from leadkeep.cli.selecting import selection_options
from leadkeep.errors import NotFound, UsageError
from leadkeep.models import Selection
from leadkeep.settings.model import Settings
from leadkeep.states import Status, Verb
from leadkeep.wording import count

if TYPE_CHECKING:
    from leadkeep.store.base import Store

_PAGE = 500


@click.command("release")
@click.argument("refs", nargs=-1, metavar="[REF]...")
@selection_options
@click.option("--to", multiple=True, metavar="NAME", help="Where to; may be repeated.")
@click.option("--everything", is_flag=True, help="All leads that are held without a destination.")
@click.option("--dry-run", is_flag=True, help="Say how many it concerns and change nothing.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
@click.pass_context
def release(
    ctx: click.Context,
    *,
    refs: tuple[str, ...],
    selection: Selection,
    to: tuple[str, ...],
    everything: bool,
    dry_run: bool,
    yes: bool,
    as_json: bool,
) -> None:
    """Deliver leads out of quarantine.

    There are leads of two kinds: those that came to a path that no source claims or that no route
    takes, and those that did not prove to be their vendor's. The first go to the destinations that
    --to names, or else to every one of the configuration; the others go where their source sends,
    and are not part of --everything. Their bytes are unchanged.
    """
    settings: Settings = ctx.obj
    named = _known(settings, to)
    meant = msgspec.structs.replace(selection, refs=refs, everything=everything)
    if meant.is_empty:
        raise UsageError(
            "release what?",
            hint="Name leads by id or number, or give a filter such as --since 2d; "
            "--everything means all.",
        )
    leads = asyncio.run(_release(settings, meant, named, dry_run=True))
    if not dry_run:
        if leads and not yes and meant != Selection(refs=refs[:1]):
            confirm("release", count(leads, "lead"), f"Deliver {{what}} to {', '.join(named)}?")
        leads = asyncio.run(_release(settings, meant, named, dry_run=False))
    if as_json:
        show_json({"verb": "release", "leads": leads, "dry_run": dry_run})
        return
    what = count(leads, "lead")
    click.echo(f"{what} would be released" if dry_run else f"{what} released")


def _known(settings: Settings, destinations: Sequence[str]) -> Sequence[str]:
    known = tuple(settings.destinations)
    for name in destinations:
        if name not in known:
            raise NotFound(
                f"no destination is called {name!r}",
                hint=f"Configured are: {', '.join(known) or 'none'}.",
            )
    if not known:
        raise UsageError(
            "there is no destination to release leads to",
            hint="Give one with --forward-to URL, or in leadkeep.toml.",
        )
    return destinations or known


async def _release(
    settings: Settings, meant: Selection, destinations: Sequence[str], *, dry_run: bool
) -> int:
    from leadkeep.app import has_store, open_store

    if not has_store(settings):
        return 0
    waiting = msgspec.structs.replace(meant, statuses=(Status.HELD,), destinations=("",))
    async with open_store(settings) as store:
        released = await _resume_unproved(store, meant, dry_run=dry_run)
        if dry_run:
            return released + await store.route(waiting, destinations, actor=actor(), dry_run=True)
        # Page by page: what has a destination is not found again, so a break in between loses
        # nothing and the next run goes on from there.
        while page := await store.find(waiting, limit=_PAGE):
            refs = tuple(view.lead_id for view in page)
            chosen = Selection(refs=refs, statuses=(Status.HELD,))
            await store.route(chosen, destinations, actor=actor())
            await store.apply(Verb.RESUME, chosen, reason="released", actor=actor())
            released += len(page)
        return released


async def _resume_unproved(store: "Store", meant: Selection, *, dry_run: bool) -> int:
    """Let those go that have their way and only failed to prove their vendor."""
    from leadkeep.sources.verification.verifier import NOT_PROVED

    if meant.everything or meant.held_because:
        return 0
    unproved = msgspec.structs.replace(meant, statuses=(Status.HELD,), held_because=NOT_PROVED)
    return await store.apply(
        Verb.RESUME, unproved, reason="released", actor=actor(), dry_run=dry_run
    )
