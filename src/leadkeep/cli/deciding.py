"""A person's verbs on deliveries: retry, cancel, hold, resume.

Invariant: nothing is changed for more than one reference, or for a filter, before the person has
seen how many deliveries it concerns and said yes (or given --yes).
"""

import asyncio
import getpass
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import click
import msgspec

from leadkeep.cli.options import json_option
from leadkeep.cli.render import say, show_json
from leadkeep.cli.selecting import selection_options
from leadkeep.errors import LeadkeepError, NotFound, UsageError
from leadkeep.models import Selection
from leadkeep.settings.model import Settings
from leadkeep.states import Verb, statuses_for
from leadkeep.wording import count

if TYPE_CHECKING:
    from leadkeep.store.base import Store


class _Wording(NamedTuple):
    help: str
    done: str
    question: str


_WORDS = {
    Verb.RETRY: _Wording(
        "Try pending, failed or cancelled deliveries again at once.",
        "due at once",
        "Try {what} again? A destination that has a lead without having confirmed it gets it "
        "again, with the same Idempotency-Key.",
    ),
    Verb.CANCEL: _Wording(
        "Decide that deliveries shall not be made. The leads are kept.",
        "cancelled",
        "Cancel {what}? Their leads are kept, and `leads retry` takes it back.",
    ),
    Verb.HOLD: _Wording(
        "Set deliveries aside until they are resumed.",
        "held",
        "Hold {what}?",
    ),
    Verb.RESUME: _Wording(
        "Let held deliveries go.",
        "pending",
        "Resume {what}?",
    ),
}


def actor() -> str:
    """Who asks, for the log of actions."""
    try:
        return f"command line, {getpass.getuser()}"
    except (OSError, KeyError):
        return "command line"  # a user id without a name, as in some containers


def decision(verb: Verb) -> click.Command:
    """The command for one verb."""
    words = _WORDS[verb]

    @click.command(verb.value, help=words.help)
    @click.argument("refs", nargs=-1, metavar="[REF]...")
    @selection_options
    @click.option("--everything", is_flag=True, help="All deliveries on which it is allowed.")
    @click.option("--limit", type=click.IntRange(1), help="At most so many.")
    @click.option("--reason", default="", metavar="TEXT", help="Why; shown beside the delivery.")
    @click.option("--dry-run", is_flag=True, help="Say how many it concerns and change nothing.")
    @click.option("--yes", is_flag=True, help="Do not ask.")
    @json_option
    @click.pass_context
    def command(
        ctx: click.Context,
        *,
        refs: tuple[str, ...],
        selection: Selection,
        everything: bool,
        limit: int | None,
        reason: str,
        dry_run: bool,
        yes: bool,
        as_json: bool,
    ) -> None:
        meant = msgspec.structs.replace(selection, refs=refs, everything=everything)
        if meant.is_empty:
            raise UsageError(
                f"{verb.value} what?",
                hint="Name leads by id or number, or give a filter such as --status failed; "
                "--everything means all.",
            )
        ask = None if yes or dry_run or meant == Selection(refs=refs[:1]) else _ask
        wish = _Wish(verb, meant, reason or "asked on the command line", limit, dry_run)
        changed = asyncio.run(_decide(ctx.obj, wish, ask))
        if as_json:
            show_json({"verb": verb.value, "deliveries": changed, "dry_run": dry_run})
            return
        what = count(changed, "delivery", "deliveries")
        click.echo(f"{what} would be {words.done}" if dry_run else f"{what} {words.done}")

    return command


class _Wish(NamedTuple):
    verb: Verb
    selection: Selection
    reason: str
    limit: int | None
    dry_run: bool


def _ask(verb: Verb, concerned: int) -> None:
    confirm(verb.value, count(concerned, "delivery", "deliveries"), _WORDS[verb].question)


def confirm(verb: str, what: str, question: str) -> None:
    """Ask the person; returns only after a yes.

    Args:
        what: what it concerns, in words; stands in the question for `{what}`.

    Raises:
        UsageError: nobody is there to be asked.
    """
    if not _somebody_is_there():
        raise UsageError(
            f"{verb} concerns {what} and nobody is here to be asked",
            hint="Add --yes to go ahead, or --dry-run to look only.",
        )
    click.confirm(question.format(what=what), abort=True, err=True)


def _somebody_is_there() -> bool:
    return sys.stdin.isatty()


async def _decide(settings: Settings, wish: _Wish, ask: Callable[[Verb, int], None] | None) -> int:
    from leadkeep.app import has_store, open_store

    refs = wish.selection.refs
    if not has_store(settings):
        if refs:
            raise NotFound(f"no lead has the id or number {refs[0]}")
        return 0
    async with open_store(settings) as store:
        for ref in refs:
            await store.lead(ref)
        if ask is not None:
            concerned = await _apply(store, wish._replace(dry_run=True))
            if concerned:
                ask(wish.verb, concerned)
        changed = await _apply(store, wish)
        if not changed and refs:
            raise await _why_not(store, wish)
        if not changed:
            say("No delivery matches on which this is allowed.")
        return changed


async def _apply(store: "Store", wish: _Wish) -> int:
    return await store.apply(
        wish.verb,
        wish.selection,
        reason=wish.reason,
        actor=actor(),
        limit=wish.limit,
        dry_run=wish.dry_run,
    )


async def _why_not(store: "Store", wish: _Wish) -> LeadkeepError:
    allowed = ", ".join(sorted(statuses_for(wish.verb)))
    found = []
    for ref in wish.selection.refs[:10]:
        lead = await store.lead(ref)
        found += [
            f"{ref} is {view.status.value}" + ("" if view.destination else " without destination")
            for view in lead.deliveries
        ] or [f"{ref} is delivered with its whole request"]
    return LeadkeepError(
        f"nothing to {wish.verb.value}: {'; '.join(found)}",
        hint=f"{wish.verb.value} is allowed for deliveries that are {allowed} "
        "and match the filters given.",
    )
