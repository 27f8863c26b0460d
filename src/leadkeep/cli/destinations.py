"""`leadkeep hold` and `resume`: let the leads of one destination wait, and go again."""

import asyncio

import click

from leadkeep.cli.deciding import actor
from leadkeep.cli.options import json_option
from leadkeep.cli.render import local_time, say, show_json
from leadkeep.cli.times import Span, Until
from leadkeep.clock import SystemClock
from leadkeep.errors import NotFound, UsageError
from leadkeep.settings.model import Settings

_EPILOG = """\b
While somebody works on the application, and no longer than two hours:
  leadkeep hold brain --for 2h --reason "new database"
"""


@click.command("hold", epilog=_EPILOG)
@click.argument("destination")
@click.option("--reason", default="", metavar="TEXT", help="Why; shown by `leadkeep status`.")
@click.option(
    "--for",
    "for_seconds",
    type=Span(),
    metavar="DURATION",
    help="End by itself after 90s, 15m, 1h30m or 2d.",
)
@click.option(
    "--until",
    "until_ms",
    type=Until(),
    metavar="TIME",
    help="End by itself at 15:30 (the next one) or 2026-08-15T14:00.",
)
@json_option
@click.pass_context
def hold(
    ctx: click.Context,
    destination: str,
    *,
    reason: str,
    for_seconds: float | None,
    until_ms: int | None,
    as_json: bool,
) -> None:
    """Let the leads of a DESTINATION wait until it is resumed.

    Leads are taken as before, and no tries are used up. Deliveries under way are finished. With
    --for or --until the hold ends by itself; setting the clock of the machine meanwhile changes
    nothing about that.
    """
    if for_seconds is not None and until_ms is not None:
        raise UsageError("--for and --until say the same", hint="Give one of them.")
    for_ms = until_ms if for_seconds is None else round(for_seconds * 1_000)
    reason = reason or "asked on the command line"
    asyncio.run(_hold(ctx.obj, destination, reason=reason, for_ms=for_ms))
    ends_at_ms = None if for_ms is None else SystemClock().now_us() // 1_000 + for_ms
    if as_json:
        show_json(
            {
                "destination": destination,
                "held": True,
                "reason": reason,
                "hold_until_ms": ends_at_ms,
            }
        )
    elif ends_at_ms is None:
        click.echo(f"{destination} is held: its leads wait until `resume {destination}`.")
    else:
        click.echo(
            f"{destination} is held: its leads wait until {local_time(ends_at_ms)} or "
            f"`resume {destination}`."
        )


@click.command("resume")
@click.argument("destination")
@json_option
@click.pass_context
def resume(ctx: click.Context, destination: str, as_json: bool) -> None:
    """Deliver to a DESTINATION again, whoever holds it.

    A deployment of it that is under way is abandoned by this: it goes on, but its leads do not
    wait for it any more. Also when its circuit is open because it did not work: its leads go at
    once, at first few at a time, and a failure opens it again.
    """
    abandoned = asyncio.run(_resume(ctx.obj, destination))
    if abandoned is not None:
        say(f"Deployment {abandoned} was under way; its leads do not wait for it any more.")
    if as_json:
        show_json({"destination": destination, "held": False, "abandoned_deployment": abandoned})
    else:
        click.echo(f"{destination} is resumed: its leads are delivered.")


async def _hold(settings: Settings, name: str, *, reason: str, for_ms: int | None) -> None:
    from leadkeep.app import open_store

    async with open_store(settings) as store:
        refuse_unknown(settings, name, [view.name for view in await store.destinations()])
        await store.hold_destination(name, reason=reason, actor=actor(), for_ms=for_ms)


async def _resume(settings: Settings, name: str) -> int | None:
    from leadkeep.app import open_store

    async with open_store(settings) as store:
        refuse_unknown(settings, name, [view.name for view in await store.destinations()])
        return await store.resume_destination(name, actor=actor())


def refuse_unknown(settings: Settings, name: str, in_store: list[str]) -> None:
    """See to it that there is such a destination, in the configuration or in the store.

    Raises:
        NotFound: there is none.
    """
    known = {*settings.destinations, *in_store}
    if name not in known or not name:
        names = ", ".join(sorted(filter(None, known)))
        raise NotFound(
            f"there is no destination {name}",
            hint=f"Known are: {names}." if names else "None is configured.",
        )
