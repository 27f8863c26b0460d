"""What commands and programs do with an installation, from settings to result."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from leadkeep.app.adopting import adopt_unrouted
from leadkeep.app.alerting import make_alert_watch
from leadkeep.app.database import inbox_keeper, tally_books
from leadkeep.app.deploying import drop_void_switches
from leadkeep.app.journals import (
    doorbell,
    journal_readers,
    journal_writers,
    lead_numbers,
    this_node,
)
from leadkeep.app.parts import (
    archive,
    make_absorber,
    make_delivery,
    make_health_checks,
    room_watch,
    wall_time,
)
from leadkeep.app.store import (
    existing_store,
    has_store,
    make_data_folder,
    open_store,
    refuse_if_lost,
)
from leadkeep.clock import SystemClock
from leadkeep.models import Rerouted, Selection
from leadkeep.settings.model import Settings
from leadkeep.states import Status

if TYPE_CHECKING:
    from leadkeep.delivery.once import DeliveryRun
    from leadkeep.intake.push import Pusher
    from leadkeep.journal.waiting import JournalWaiting
    from leadkeep.recovery.ledger import Ledger
    from leadkeep.store.base import Store

TURN_SECONDS = 60.0
"""How long `process-queue` waits for another absorber."""
PUSH_SEGMENT_BYTES = 1024**2
PUSH_NUMBERS = 100


class QueueProgress(msgspec.Struct, frozen=True):
    """How far `process_queue` has come."""

    done: int
    total: int


class QueueRun(msgspec.Struct, frozen=True):
    """What `process_queue` did, in leads absorbed and deliveries tried."""

    absorbed: int
    completed: int
    retry_later: int
    failed: int
    still_waiting: int
    """Deliveries that are pending or processing afterwards."""
    set_aside: int = 0
    """Deliveries that are held now because they cannot be sent."""


def load_settings(config: Path | None, flags: Mapping[str, object]) -> Settings:
    """Settings from file, environment and flags, validated.

    Raises:
        SettingsError: names every wrong key, its value and what is allowed.
    """
    from leadkeep.settings.load import load

    return load(config=config, environ=os.environ, flags=flags, cwd=Path.cwd())


async def check_parts(settings: Settings) -> None:
    """Make, once, what only its own code can judge: replies, routes, certificate, destinations.

    Raises:
        SettingsError: one of them cannot be made from the settings.
    """
    from leadkeep.destinations.base import Examinable
    from leadkeep.destinations.schemes import make_destination
    from leadkeep.destinations.transform import Transform
    from leadkeep.intake.live_routes import LiveRoutes
    from leadkeep.intake.reply_table import ReplyTable
    from leadkeep.intake.server import server_tls
    from leadkeep.intake.ways import ways_of
    from leadkeep.sources.order import OrderReader
    from leadkeep.sources.routing import Router
    from leadkeep.sources.vendor import vendors_of

    ReplyTable.of(settings)
    Router.of(settings)
    vendors_of(settings)
    ways_of(settings)
    LiveRoutes.of(settings)
    OrderReader.of(settings)
    server_tls(settings)
    for name, chosen in settings.destinations.items():
        Transform.of(name, chosen)
        destination = make_destination(name, chosen, clock=SystemClock())
        try:
            if isinstance(destination, Examinable):
                await destination.examine()
        finally:
            await destination.close()
    make_health_checks(settings)


async def process_queue(
    settings: Settings,
    *,
    limit: int | None = None,
    progress: Callable[[QueueProgress], None] | None = None,
) -> QueueRun:
    """Absorb what was accepted and deliver everything that is due, once.

    Args:
        limit: deliver at most so many.
        progress: told after each recorded attempt.

    Raises:
        StoreError: the store cannot be used.
        AlreadyRunning: another process has been absorbing for longer than we wait.
    """
    make_data_folder(settings)
    room = room_watch(settings)
    await asyncio.to_thread(room.look, make=False)
    async with (
        open_store(settings) as store,
        make_delivery(settings, store, wall_time(settings)) as delivery,
    ):
        await refuse_if_lost(settings, store)
        absorber = make_absorber(settings, store, on_absorbed=lambda: None)
        absorbed = await absorber.absorb_available(wait_seconds=TURN_SECONDS)
        await adopt_unrouted(settings, store)
        await drop_void_switches(settings, store)
        waiting = (await store.counts())[Status.PENDING]
        total = waiting if limit is None else min(limit, waiting)

        def tell(run: DeliveryRun) -> None:
            if progress is not None:
                progress(QueueProgress(done=run.attempted, total=max(total, run.attempted)))

        run = await delivery.deliver_due_once(limit=limit, progress=tell)
        counts = await store.counts()
        # Where there is no worker, nobody else tells what is wrong; where there is, nothing is new.
        undurable = ""
        if (keeper := inbox_keeper(settings, store)) is not None:
            await keeper.keep()
            undurable = keeper.undurable
            await keeper.close()
        await make_alert_watch(
            settings,
            store,
            damaged=absorber.troubles.details,
            beside_door=False,
            undurable=lambda: undurable,
        ).once()
    # At the end, when nobody waits for it: where there is no worker, nobody else keeps ballast.
    await asyncio.to_thread(room.look)
    return QueueRun(
        absorbed=absorbed.leads,
        completed=run.completed,
        retry_later=run.retry_later,
        failed=run.failed,
        still_waiting=counts[Status.PENDING] + counts[Status.PROCESSING],
        set_aside=run.set_aside,
    )


@contextmanager
def open_pusher(settings: Settings) -> Iterator[Pusher]:
    """The door for programs, with journal files of its own; closes them at the end.

    Raises:
        JournalUnavailable: no journal can be opened.
    """
    from leadkeep.intake.push import Pusher

    clock = SystemClock()
    # Few numbers and small files: most programs push a handful.
    pusher = Pusher(
        journals=journal_writers(settings, clock, segment_bytes=PUSH_SEGMENT_BYTES),
        numbers=lead_numbers(settings, clock, block=PUSH_NUMBERS),
        settings=settings,
        clock=clock,
        ring=doorbell(settings).ring,
    )
    try:
        yield pusher
    finally:
        pusher.close()


async def journal_waiting(settings: Settings, store: Store | None) -> JournalWaiting:
    """What was accepted and is not yet absorbed.

    Args:
        store: tells how far each segment is absorbed; None: nothing is.

    Raises:
        JournalError: a journal cannot be read.
        StoreError: the store cannot be read.
    """
    from leadkeep.journal.waiting import count_waiting

    progress = {} if store is None else await store.progress()
    return await asyncio.to_thread(count_waiting, journal_readers(settings), progress)


async def ledger(settings: Settings) -> Ledger:
    """Every lead received and what became of it: the journals' own counts against the store.

    May be asked beside everything that runs; changes nothing. Works without a store.

    Raises:
        StoreError: there is a store and it cannot be read.
    """
    from leadkeep.recovery.audit import Audit

    async with existing_store(settings) as store:
        return await Audit(
            readers=journal_readers(settings),
            archive=archive(settings),
            store=store,
            clock=SystemClock(),
            books=tally_books(settings),
            node=this_node(settings),
        ).ledger()


async def reroute(
    settings: Settings, selection: Selection, *, actor: str, dry_run: bool = False
) -> Rerouted:
    """Bring selected leads to where today's routes send them.

    Raises:
        SettingsError: a condition is wrong.
        StoreError: the store cannot be used.
    """
    from leadkeep.delivery.rerouting import Rerouter
    from leadkeep.sources.routing import Router

    router = Router.of(settings)
    if not has_store(settings):
        return Rerouted()
    async with open_store(settings) as store:
        return await Rerouter(store, router, actor=actor).reroute(selection, dry_run=dry_run)
