"""`leadkeep status`: is everything all right, in one screen; and if not, what to type next."""

import asyncio
from collections.abc import Iterator
from datetime import datetime, time
from typing import TYPE_CHECKING, Any

import click
import msgspec

from leadkeep.cli.circuits import circuit_words
from leadkeep.cli.exits import Exit
from leadkeep.cli.health import Found, Health, Processes, Waiting, judge
from leadkeep.cli.options import command_line, json_option
from leadkeep.cli.render import Cell, Column, console, local_time, show_json, show_table
from leadkeep.cli.store import opened
from leadkeep.cli.visible import visible
from leadkeep.clock import SystemClock
from leadkeep.deployments import bare_url
from leadkeep.errors import JournalError, LeadkeepError, StoreDamaged
from leadkeep.models import CERTIFICATE_NEAR_MS, DestinationView
from leadkeep.settings.model import Settings
from leadkeep.states import Status
from leadkeep.wording import count, duration, rough_size

if TYPE_CHECKING:
    from leadkeep.disks.survey import Rooms, WorkerRoom
    from leadkeep.store.base import Store

_SEGMENTS_CHECKED = 16
_NONE = dict.fromkeys(Status, 0)


@click.command("status")
@json_option
@click.pass_context
def status(ctx: click.Context, as_json: bool) -> None:
    """Say whether leads are safe, and what to do if not.

    Exit code 0: nothing needs you. 3: leads are at risk; the reasons are told, each with the
    command to type next. Leads are at risk when deliveries have failed for good, when a destination
    refuses leads as they are, when the oldest has waited for more than 15 minutes at a destination
    that is not held, when leads wait and nothing runs, when the store or the journal cannot be read
    whole, and when a disk is nearly full.
    """
    found = asyncio.run(look(ctx.obj))
    health = judge(found, lambda *words: command_line(ctx, *words))
    if as_json:
        show_json(_as_json(found, health))
    else:
        _show(found, health)
    ctx.exit(Exit.OK if health.safe else Exit.UNHEALTHY)


async def look(settings: Settings) -> Found:
    """Find out everything that `judge` needs; what cannot be read is noted, not raised."""
    from leadkeep.app import why_damaged, why_lost

    found = Found(
        now_ms=SystemClock().now_us() // 1_000,
        counts=_NONE,
        destinations=(),
        configured=tuple(settings.destinations),
        urls={name: bare_url(one.url) for name, one in settings.destinations.items()},
        journal=None,
        processes=_look_at_processes(settings),
        rooms=_look_at_disks(settings),
    )
    try:
        async with opened(settings) as store:
            found = msgspec.structs.replace(found, **await _look_into_journal(settings, store))
            if store is not None:
                found = msgspec.structs.replace(
                    found,
                    counts=await store.counts(),
                    destinations=tuple(await store.destinations()),
                    circuits=await store.circuits(),
                    refused=tuple(await store.refused()),
                    outbox=await store.outbox(),
                    today=await _today(store),
                    certificates=await store.certificates_at_stake(
                        now_ms=found.now_ms, before_ms=found.now_ms + CERTIFICATE_NEAR_MS
                    ),
                )
            elif (lost := why_lost(settings)) is not None:
                found = msgspec.structs.replace(
                    found, store_error=str(lost.error), store_mend=lost.mend
                )
        damaged = why_damaged(settings)
    except StoreDamaged as error:
        damaged = error
    except LeadkeepError as error:
        return msgspec.structs.replace(found, store_error=str(error))
    if damaged is not None:
        mend = ("rebuild", "--replace")
        return msgspec.structs.replace(found, store_error=str(damaged), store_mend=mend)
    return found


async def _look_into_journal(settings: Settings, store: "Store | None") -> dict[str, Any]:
    from leadkeep.app import commit_worth, journal_waiting

    try:
        waiting = await journal_waiting(settings, store)
        damage = await asyncio.to_thread(lambda: tuple(_damage(settings)))
        worth = await asyncio.to_thread(commit_worth, settings)
    except JournalError as error:
        return {"journal_error": str(error)}
    oldest_at_ms = None if waiting.oldest_at_us is None else waiting.oldest_at_us // 1_000
    return {
        "journal": Waiting(waiting.leads, waiting.bytes, oldest_at_ms),
        "damage": damage,
        "worth": "" if worth is None else worth.sentence,
        "worth_risks": () if worth is None else worth.risks,
    }


def _damage(settings: Settings) -> Iterator[str]:
    """Damaged segments stay in their journal while whole ones leave it, so the oldest tell."""
    from leadkeep.app import kept_in_inbox
    from leadkeep.journal.base import Damage, SegmentState
    from leadkeep.journal.reader import DiskJournalReader

    for folder in settings.journal_folders:
        reader = DiskJournalReader(folder)
        left = [info for info in reader.segments() if info.state is not SegmentState.LIVE]
        for info in left[:_SEGMENTS_CHECKED]:
            for entry in reader.read(info, 0):
                if isinstance(entry, Damage):
                    yield f"{info.path} at {entry.offset:,}: {entry.reason}"
                    break
    for segment, because in kept_in_inbox(settings).items():
        yield f"segment {segment} of the inbox: {because}"


async def _today(store: "Store") -> dict[Status, int]:
    midnight = datetime.combine(datetime.now().astimezone().date(), time.min).astimezone()
    since_ms = int(midnight.timestamp() * 1_000)
    # A number of our own making: there is nothing to inject.
    statement = (
        "SELECT d.status, count(*) FROM leads AS l JOIN deliveries AS d ON d.lead = l.id "  # noqa: S608  a number only
        f"WHERE l.received_at_ms >= {since_ms:d} GROUP BY d.status"
    )
    _, rows = await store.query(statement, limit=len(Status))
    return {Status(status): number for status, number in rows}


def _look_at_disks(settings: Settings) -> "Rooms":
    from leadkeep.disks.survey import look

    return look(settings)


def _look_at_processes(settings: Settings) -> Processes:
    from leadkeep.supervisor.presence import is_running, read_state

    state = read_state(settings.run_folder)
    if state is None:
        return Processes(running=is_running(settings.run_folder))
    children = state.get("children", {})
    return Processes(
        running=True,
        pid=state.get("pid"),
        since=state.get("since", ""),
        children=tuple(
            name if child.get("ready") else f"{name} (not ready)"
            for name, child in children.items()
        ),
        dead=tuple(
            f"{name} ({child.get('last_exit') or 'not started'})"
            for name, child in children.items()
            if child.get("pid") is None
        ),
    )


def _as_json(found: Found, health: Health) -> dict[str, object]:
    return {
        "safe": health.safe,
        "sentence": health.sentence,
        "reasons": health.reasons,
        "wishes": health.wishes,
        "counts": found.counts,
        "today": found.today,
        "destinations": found.destinations,
        "journal": found.journal,
        "processes": found.processes,
        "damage": found.damage,
        "a_200_is_worth": found.worth,
        "store_error": found.store_error,
        "journal_error": found.journal_error,
        "rooms": found.rooms,
        "certificates": found.certificates,
        "circuits": found.circuits,
        "refused": found.refused,
        "alerts_waiting": found.outbox.waiting,
    }


def _show(found: Found, health: Health) -> None:
    from rich.text import Text

    screen = console()

    def line(text: str = "", style: str = "") -> None:
        screen.print(Text(visible(text), style=style), soft_wrap=True)

    line(health.sentence, "bold")
    if health.safe:
        line(f"✓ Leads are safe{'.' if health.wishes else ', and nothing needs you.'}", "green")
    for reason in health.reasons:
        line(f"✗ At risk: {reason.what}", "red")
        line(f"  next: {reason.command}")
    for wish in health.wishes:
        line(f"… Needs you: {wish.what}", "yellow")
        line(f"  next: {wish.command}")
    rows = [_row(found, view) for view in _listed(found)]
    if rows:
        line()
        show_table(_COLUMNS, rows, target=screen)
    line()
    if found.journal is not None:
        what = f"{count(found.journal.leads, 'lead')}, {found.journal.bytes:,} bytes"
        line(f"Accepted, not yet in the store: {what if found.journal.leads else 'none'}")
    if found.worth:
        line(found.worth)
    for room in found.rooms.worker:
        line(f"Room: {_room(room)}")
    line(f"Processes: {_processes(found.processes)}")


_COLUMNS = (
    Column("DESTINATION", whole=True),
    Column("WAITING", right=True),
    Column("OLDEST", right=True),
    Column("FAILED", right=True),
    Column("HELD", right=True),
    Column("DELIVERED", right=True),
    Column("STATE"),
)


def _listed(found: Found) -> list[DestinationView]:
    seen = {view.name for view in found.destinations}
    unused = [
        DestinationView(
            name=name, held=False, hold_reason="", counts=_NONE, oldest_waiting_at_ms=None
        )
        for name in found.configured
        if name not in seen
    ]
    return [*found.destinations, *unused]


def _row(found: Found, view: DestinationView) -> tuple[str | Cell, ...]:
    counts = {**_NONE, **view.counts}
    waiting = counts[Status.PENDING] + counts[Status.PROCESSING]
    oldest = view.oldest_waiting_at_ms
    state = "; ".join(filter(None, (_held(view), circuit_words(found, view.name))))
    if view.name and not found.knows(view.name):
        state = state or "not in the configuration"
    if view.switched_url:
        state = "; ".join(filter(None, (state, _switched(found, view))))
    return (
        view.name or "(none yet)",
        f"{waiting:,}",
        "" if oldest is None else duration((found.now_ms - oldest) / 1_000),
        Cell(f"{counts[Status.FAILED]:,}", "bold red" if counts[Status.FAILED] else ""),
        f"{counts[Status.HELD]:,}",
        f"{counts[Status.COMPLETED]:,}",
        state,
    )


def _held(view: DestinationView) -> str:
    if not view.held:
        return ""
    until = f" (until {local_time(view.hold_until_ms)})" if view.hold_until_ms else ""
    return f"held: {view.hold_reason}{until}"


def _switched(found: Found, view: DestinationView) -> str:
    """Where a deployment has switched it to, and whether that still counts after a restart."""
    configured = found.urls.get(view.name, view.switched_instead_of)
    void = "" if configured == view.switched_instead_of else ", void at the next start: url changed"
    return f"goes to {view.switched_url}{void}"


def _room(room: "WorkerRoom") -> str:
    ballast = "no ballast" if room.ballast_wanted_bytes else "no ballast wanted"
    if room.ballast_bytes:
        ballast = f"and {rough_size(room.ballast_bytes)} of ballast"
    return f"{rough_size(room.free_bytes)} free at {room.folder}, {ballast}"


def _processes(processes: Processes) -> str:
    if not processes.running:
        return "none is running"
    since = f" since {processes.since}" if processes.since else ""
    children = f": {', '.join(processes.children)}" if processes.children else ""
    pid = f" (pid {processes.pid})" if processes.pid else ""
    return f"running{since}{children}{pid}"
