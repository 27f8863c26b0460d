"""`leadkeep alerts`: what people were told of, and what they say to it."""

import asyncio
import sys
from collections.abc import Callable

import click
import msgspec

from leadkeep.cli.deciding import actor
from leadkeep.cli.groups import InOrder
from leadkeep.cli.options import command_line, json_option
from leadkeep.cli.render import (
    Cell,
    Column,
    console,
    local_time,
    say,
    show_json,
    show_json_rows,
    show_table,
)
from leadkeep.cli.store import opened
from leadkeep.cli.times import Span
from leadkeep.cli.visible import visible
from leadkeep.clock import SystemClock
from leadkeep.errors import NotFound, StoreUnavailable, UsageError
from leadkeep.models import Incident, IncidentStep, Outbox
from leadkeep.settings.model import Settings
from leadkeep.wording import count, duration

_ALL_MS = 90 * 86_400_000
_TRIES = 10

_COLUMNS = (
    Column("NUMBER", right=True),
    Column("STATE", whole=True),
    Column("SINCE", whole=True),
    Column("WHAT"),
)


@click.group("alerts", cls=InOrder)
def alerts() -> None:
    """See what is wrong, acknowledge it, try the mail."""


@alerts.command("list")
@click.option("--all", "everything", is_flag=True, help="Also those of the last 90 days.")
@json_option
@click.pass_context
def list_(ctx: click.Context, everything: bool, as_json: bool) -> None:
    """List incidents that are not over, newest first."""
    incidents, outbox = asyncio.run(_look(ctx.obj, everything))
    now_ms = _now_ms()
    if as_json:
        show_json_rows({**_as_json(one), "state": state_of(one, now_ms)} for one in incidents)
        return
    if incidents or not sys.stdout.isatty():
        show_table(_COLUMNS, [_row(one, now_ms) for one in incidents])
    if not incidents:
        say("Nothing is wrong that is not over." if not everything else "Nothing was ever wrong.")
    if outbox.waiting:
        waits = duration((now_ms - (outbox.oldest_at_ms or now_ms)) / 1_000)
        say(f"{count(outbox.waiting, 'notice waits', 'notices wait')} to be mailed, for {waits}.")
        if outbox.last_error:
            say(outbox.last_error)
    if not ctx.obj.alerts.mail_to:
        say("Nobody is told by mail: set alerts.mail_to.")


@alerts.command("show")
@click.argument("number", type=int)
@json_option
@click.pass_context
def show(ctx: click.Context, number: int, as_json: bool) -> None:
    """Show one incident, and whether leads are safe."""
    incident = asyncio.run(_one(ctx.obj, number))
    now_ms = _now_ms()
    if as_json:
        show_json({**_as_json(incident), "state": state_of(incident, now_ms)})
        return
    problem = incident.problem
    ended = f", over since {local_time(incident.resolved_at_ms)}" * (not incident.is_open)
    lines = [
        f"{state_of(incident, now_ms)}: {problem.what}.",
        f"Are leads safe? {problem.safe}",
        f"Since {local_time(problem.since_ms)}{ended}",
        f"Found: {problem.measured} (told from: {problem.threshold})",
        f"Newest error: {problem.newest_error}" * bool(problem.newest_error),
        f"Last deployment: {problem.last_deploy}" * bool(problem.last_deploy),
        f"Told {count(incident.told, 'time')}"
        + f", last {local_time(incident.told_at_ms)}" * bool(incident.told),
        f"Acknowledged {local_time(incident.acknowledged_at_ms)} by {incident.acknowledged_by}"
        * (incident.acknowledged_at_ms is not None),
        f"next: {command_line(ctx, *problem.command)}",
    ]
    screen = console()
    for line in filter(None, lines):
        screen.print(visible(line), soft_wrap=True)


@alerts.command("acknowledge")
@click.argument("number", type=int)
@json_option
@click.pass_context
def acknowledge(ctx: click.Context, number: int, as_json: bool) -> None:
    """Say that somebody looks after an incident.

    There are no more reminders; its end is still told. Damage of the journal is over once it is
    acknowledged: nothing else can tell that it is.
    """

    def acknowledged(incident: Incident) -> Incident:
        return msgspec.structs.replace(
            incident, acknowledged_at_ms=_now_ms(), acknowledged_by=actor()
        )

    asyncio.run(_change(ctx.obj, number, acknowledged))
    if as_json:
        show_json({"number": number, "acknowledged": True})
    else:
        click.echo(f"Incident {number} is acknowledged: no more reminders.")


@alerts.command("silence")
@click.argument("number", type=int)
@click.option(
    "--for",
    "seconds",
    type=Span(),
    required=True,
    metavar="DURATION",
    help="Say nothing of it for 90s, 15m, 1h30m or 2d.",
)
@json_option
@click.pass_context
def silence(ctx: click.Context, number: int, seconds: float, as_json: bool) -> None:
    """Say nothing of an incident for a while."""
    until_ms = _now_ms() + round(seconds * 1_000)

    def silenced(incident: Incident) -> Incident:
        return msgspec.structs.replace(incident, silenced_until_ms=until_ms)

    asyncio.run(_change(ctx.obj, number, silenced))
    if as_json:
        show_json({"number": number, "silenced_until_ms": until_ms})
    else:
        click.echo(f"Nothing is told of incident {number} until {local_time(until_ms)}.")


@alerts.command("test")
@json_option
@click.pass_context
def test(ctx: click.Context, as_json: bool) -> None:
    """Send a mail to those who are told, now."""
    from leadkeep.app import send_trial_mail

    settings: Settings = ctx.obj
    if not settings.alerts.mail_to:
        raise UsageError("nobody is told by mail", hint="Set alerts.mail_to in leadkeep.toml.")
    asyncio.run(send_trial_mail(settings))
    server = f"{settings.alerts.smtp_host}:{settings.alerts.port}"
    if as_json:
        show_json({"sent": True, "server": server, "recipients": len(settings.alerts.mail_to)})
    else:
        people = count(len(settings.alerts.mail_to), "address", "addresses")
        click.echo(f"{server} took a mail to {people}; look whether it arrives.")


def state_of(incident: Incident, now_ms: int) -> str:
    """Its state in one word."""
    if not incident.is_open:
        return "resolved"
    if incident.silenced_until_ms is not None and now_ms < incident.silenced_until_ms:
        return "silenced"
    if incident.acknowledged_at_ms is not None:
        return "acknowledged"
    return "firing" if incident.problem.urgent else "open"


async def _look(settings: Settings, everything: bool) -> tuple[list[Incident], Outbox]:
    async with opened(settings) as store:
        if store is None:
            return [], Outbox()
        now_ms = _now_ms()
        since_ms = now_ms - _ALL_MS if everything else now_ms
        incidents = await store.incidents(resolved_since_ms=since_ms)
        return [one for one in incidents if everything or one.is_open], await store.outbox()


async def _one(settings: Settings, number: int) -> Incident:
    async with opened(settings) as store:
        if store is None:
            raise NotFound(f"there is no incident {number}", hint="no lead has come yet")
        return await store.incident(number)


async def _change(settings: Settings, number: int, how: Callable[[Incident], Incident]) -> None:
    """Change an open incident, whatever the watch changes of it meanwhile."""
    from leadkeep.app import open_store

    async with open_store(settings) as store:
        for _ in range(_TRIES):
            incident = await store.incident(number)
            if not incident.is_open:
                raise UsageError(f"incident {number} is over since {_ended(incident)}")
            if await store.note_incidents([IncidentStep(how(incident))]):
                return
    raise StoreUnavailable(
        f"incident {number} could not be changed: it is being changed all the time",
        hint="Try again.",
    )


def _ended(incident: Incident) -> str:
    return local_time(incident.resolved_at_ms)


def _row(incident: Incident, now_ms: int) -> tuple[str | Cell, ...]:
    state = state_of(incident, now_ms)
    style = {"firing": "bold red", "open": "yellow", "resolved": "green"}.get(state, "")
    return (
        str(incident.incident_id),
        Cell(state, style),
        local_time(incident.problem.since_ms),
        incident.problem.what,
    )


def _as_json(incident: Incident) -> dict[str, object]:
    shown = {name: getattr(incident, name) for name in incident.__struct_fields__}
    problem = shown.pop("problem")
    return {"number": shown.pop("incident_id"), **msgspec.structs.asdict(problem), **shown}


def _now_ms() -> int:
    return SystemClock().now_us() // 1_000
