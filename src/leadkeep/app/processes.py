"""The processes of an installation, each from its start to its last word."""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import AsyncExitStack
from functools import partial
from typing import TYPE_CHECKING

import structlog

from leadkeep.app.adopting import adopt_unrouted
from leadkeep.app.alerting import make_alert_watch, tell_of_store
from leadkeep.app.database import inbox_keeper, listener
from leadkeep.app.deploying import drop_void_switches
from leadkeep.app.journals import doorbell, journal_writers, lead_numbers
from leadkeep.app.parts import (
    answers_at_once,
    make_absorber,
    make_archivist,
    make_at_once,
    make_delivery,
    room_watch,
    wall_time,
)
from leadkeep.app.store import make_data_folder, open_store, refuse_if_lost
from leadkeep.clock import SystemClock
from leadkeep.errors import StoreError, StoreFull, StoreUnavailable
from leadkeep.settings.model import Address, Settings

if TYPE_CHECKING:
    from leadkeep.absorber.absorber import Absorber
    from leadkeep.delivery.at_once import AtOnce
    from leadkeep.delivery.worker import DeliveryWorker
    from leadkeep.disks.watch import RoomWatch
    from leadkeep.store.base import Store
    from leadkeep.supervisor.handover import Handover

OPEN_SECONDS = 2.0
"""The door waits for a hung disk so long before it opens without it."""
_AGAIN_SECONDS = 5.0

log = structlog.get_logger("leadkeep.app")


def run_supervisor(settings: Settings, config_args: Sequence[str]) -> int:
    """The whole installation: holds the sockets, starts intake and worker; returns an exit code."""
    from leadkeep.supervisor.supervise import Supervisor

    return Supervisor(settings, config_args=config_args).run()


def run_intake(settings: Settings, handover: Handover | None) -> int:
    """The door, until SIGTERM or the supervisor's death; returns an exit code."""
    import uvloop

    from leadkeep.telemetry.logs import configure_logs

    configure_logs(level=settings.log_level, form=settings.log_format, process="intake", stays=True)
    uvloop.run(_intake(settings, handover))
    return 0


async def _intake(settings: Settings, handover: Handover | None) -> None:
    from leadkeep.intake.server import Door
    from leadkeep.sources.routes import SourceTable

    clock = SystemClock()
    sockets = handover.listen_sockets() if handover else [listen(a) for a in settings.intake.listen]
    admin = handover.admin_socket() if handover else admin_socket(settings.intake.admin_listen)
    journals, numbers = await asyncio.gather(
        asyncio.to_thread(
            journal_writers,
            settings,
            clock,
            deadline_ms=settings.journal.deadline_ms,
            wait_seconds=OPEN_SECONDS,
        ),
        asyncio.to_thread(lead_numbers, settings, clock, wait_seconds=OPEN_SECONDS),
    )
    door = Door(
        settings=settings,
        # The door closes them itself, each in its own thread: a hung one must not hold it up.
        journals=journals,
        numbers=numbers,
        sources=SourceTable.of(settings),
        clock=clock,
        doorbell=doorbell(settings),
        admin=admin,
    )
    await door.run(sockets, stop_event(handover), say_ready(handover))


def run_worker(settings: Settings, handover: Handover | None) -> int:
    """Absorb, deliver and keep house until SIGTERM or the supervisor's death.

    Returns 1 if the store must not be used any more: the next start recovers it.
    """
    import uvloop

    from leadkeep.telemetry.logs import configure_logs

    configure_logs(level=settings.log_level, form=settings.log_format, process="worker", stays=True)
    code = 0
    try:
        uvloop.run(_worker(settings, handover))
    except* StoreError as errors:
        code = 1
        # Whatever uses the store may meet the same at the same moment: it stops once.
        first, *others = {str(error): error for error in _leaves(errors)}.values()
        log.error(
            "the worker stops", error=str(first), hint=first.hint, besides=list(map(str, others))
        )
        asyncio.run(tell_of_store(settings, first))
    return code


def _leaves(group: BaseExceptionGroup[StoreError]) -> Iterator[StoreError]:
    """Each error of a group, however deep it lies."""
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from _leaves(error)
        else:
            yield error


async def _worker(settings: Settings, handover: Handover | None) -> None:
    stop = stop_event(handover)
    make_data_folder(settings)
    room = room_watch(settings)
    async with AsyncExitStack() as resources:
        store = await _opened_store(settings, resources, room, stop)
        if store is None:
            return
        await refuse_if_lost(settings, store)
        await drop_void_switches(settings, store)
        wall = wall_time(settings)
        delivery = await resources.enter_async_context(
            make_delivery(settings, store, wall, on_full=room.met_full)
        )
        at_once = (
            make_at_once(settings, store, delivery, wall) if answers_at_once(settings) else None
        )
        absorber = make_absorber(settings, store, on_absorbed=partial(_wake, delivery, at_once))
        resources.callback(absorber.close)
        archivist = make_archivist(settings, store, absorber, wall, on_full=room.met_full)
        keeper = inbox_keeper(settings, store)
        alerts = make_alert_watch(
            settings,
            store,
            damaged=absorber.troubles.details,
            beside_door=handover is not None,
            undurable=lambda: "" if keeper is None else keeper.undurable,
        )
        admin = handover.admin_socket() if handover else admin_socket(settings.worker.admin_listen)
        if at_once is not None:
            await at_once.open()
        say_ready(handover)()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(room.run(stop, on_scarce=archivist.wake))
            tasks.create_task(_adopt_unrouted(settings, store, stop, on_adopted=delivery.wake))
            tasks.create_task(absorber.run(stop, doorbell(settings)))
            tasks.create_task(delivery.run(stop))
            if at_once is not None:
                tasks.create_task(at_once.run(stop))
            tasks.create_task(archivist.run(stop))
            if keeper is not None:
                tasks.create_task(keeper.run(stop))
            if (others := listener(settings, delivery.wake)) is not None:
                tasks.create_task(others.run(stop))
            tasks.create_task(alerts.run(stop))
            if admin is not None:
                tasks.create_task(_tell(admin, absorber, room, stop))


def _wake(delivery: DeliveryWorker, at_once: AtOnce | None) -> None:
    """Leads were absorbed; those that vendors wait for first."""
    if at_once is not None:
        at_once.wake()
    delivery.wake()


async def _opened_store(
    settings: Settings, resources: AsyncExitStack, room: RoomWatch, stop: asyncio.Event
) -> Store | None:
    """The store, once its disk has room for opening it; None if `stop` is set before."""
    stopping = asyncio.ensure_future(stop.wait())
    try:
        while not stop.is_set():
            # First of all: on a full disk not even the store can be opened.
            await asyncio.to_thread(room.look, make=False)
            opening = open_store(settings, recover=True, on_full=room.met_full)
            try:
                return await resources.enter_async_context(opening)
            except StoreUnavailable as error:
                if settings.store.url is None and not isinstance(error, StoreFull):
                    raise  # a file that cannot be opened is not going to be mended by waiting
                log.error(
                    "the store cannot be opened yet; leads wait in the journal",
                    error=str(error),
                    hint=error.hint,
                    again_in_seconds=_AGAIN_SECONDS,
                )
                await asyncio.wait([stopping], timeout=_AGAIN_SECONDS)
        return None
    finally:
        stopping.cancel()


async def _adopt_unrouted(
    settings: Settings, store: Store, stop: asyncio.Event, *, on_adopted: Callable[[], None]
) -> None:
    """Once, as soon as the store can be written."""
    stopping = asyncio.ensure_future(stop.wait())
    try:
        while not stop.is_set():
            try:
                await adopt_unrouted(settings, store)
            except StoreUnavailable as error:
                log.warning(
                    "leads that wait for a destination cannot be given one now", error=str(error)
                )
                await asyncio.wait([stopping], timeout=_AGAIN_SECONDS)
            else:
                on_adopted()
                return
    finally:
        stopping.cancel()


async def _tell(
    admin: socket.socket, absorber: Absorber, room: RoomWatch, stop: asyncio.Event
) -> None:
    """Metrics and details until told to stop: the successor wants the address while we drain."""
    from leadkeep.telemetry.admin import AdminListener

    listener = AdminListener(admin, lambda: {**absorber.details(), "disks": room.details()})
    listener.start()
    try:
        await stop.wait()
    finally:
        await asyncio.to_thread(listener.stop)


def listen(address: Address) -> socket.socket:
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    return socket.create_server(tuple(address), family=family, backlog=4_096)


def admin_socket(address: Address | None) -> socket.socket | None:
    return None if address is None else listen(address)


def stop_event(handover: Handover | None) -> asyncio.Event:
    """Set by SIGTERM, by SIGINT if no supervisor decides, and by the supervisor's death."""
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    if handover is None:
        loop.add_signal_handler(signal.SIGINT, stop.set)
    else:
        # Ctrl-C reaches the whole group; the supervisor says in which order we go.
        loop.add_signal_handler(signal.SIGINT, lambda: None)
        handover.when_parent_dies(loop, stop.set)
    return stop


def say_ready(handover: Handover | None) -> Callable[[], None]:
    return handover.say_ready if handover else lambda: None
