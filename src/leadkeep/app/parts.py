"""Each object made from the settings, with what it needs beside it."""

from __future__ import annotations

import os
import socket
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from leadkeep.app.journals import absorbed_readers, disk_readers, this_node
from leadkeep.clock import Clock, SystemClock
from leadkeep.errors import StoreUnavailable
from leadkeep.settings.model import DestinationSettings, Settings

if TYPE_CHECKING:
    from leadkeep.absorber.absorber import Absorber
    from leadkeep.absorber.archivist import Archivist
    from leadkeep.delivery.at_once import AtOnce
    from leadkeep.delivery.worker import DeliveryWorker
    from leadkeep.destinations.base import Destination
    from leadkeep.destinations.health import HealthCheck
    from leadkeep.disks.watch import RoomWatch
    from leadkeep.journal.archive import Archive
    from leadkeep.journal.base import JournalReader
    from leadkeep.store.base import Store
    from leadkeep.walltime import WallTime

HEALTH_SECONDS = 10.0
"""A health URL that takes longer to answer is not well."""

log = structlog.get_logger("leadkeep.app")


def room_watch(settings: Settings) -> RoomWatch:
    from leadkeep.disks.room import worker_folders
    from leadkeep.disks.watch import RoomWatch

    try:
        return RoomWatch(worker_folders(settings), settings.worker.ballast_bytes)
    except OSError as error:
        raise StoreUnavailable(
            f"the room at {settings.data} cannot be told: {error.strerror}",
            hint="Check that the folders of store and archive can be read.",
        ) from error


def archive(
    settings: Settings, *, on_full: Callable[[Path], None] = lambda folder: None
) -> Archive:
    from leadkeep.journal.archive import Archive

    return Archive(
        settings.archive_folder,
        clock=SystemClock(),
        on_full=partial(on_full, settings.archive_folder),
    )


def make_absorber(
    settings: Settings,
    store: Store,
    *,
    on_absorbed: Callable[[], None],
    readers: Sequence[JournalReader] | None = None,
    archived: Archive | None = None,
) -> Absorber:
    """The absorber; of the installation's own journals and archive unless others are given."""
    from leadkeep.absorber.absorber import Absorber
    from leadkeep.journal.archivereader import ArchiveReader
    from leadkeep.sources.contact import ContactReader
    from leadkeep.sources.order import OrderReader
    from leadkeep.sources.routes import SourceTable
    from leadkeep.sources.routing import conditional_routes
    from leadkeep.sources.vendor import vendors_of

    return Absorber(
        readers=absorbed_readers(settings) if readers is None else readers,
        store=store,
        sources=SourceTable.of(settings),
        contacts=ContactReader(settings.worker.default_region),
        vendors=vendors_of(settings),
        clock=SystemClock(),
        lock_path=settings.run_folder / "absorber.lock",
        on_absorbed=on_absorbed,
        archive=ArchiveReader(archived or archive(settings)),
        orders=OrderReader.of(settings),
        conditional=conditional_routes(settings),
        node=this_node(settings),
    )


def wall_time(settings: Settings) -> WallTime:
    from leadkeep.walltime import WallTime

    return WallTime(SystemClock(), settings.data / "wall-time")


def make_archivist(
    settings: Settings,
    store: Store,
    absorber: Absorber,
    wall: WallTime,
    *,
    on_full: Callable[[Path], None],
) -> Archivist:
    from leadkeep.absorber.archivist import Archivist

    return Archivist(
        readers=disk_readers(settings),
        archive=archive(settings, on_full=on_full),
        store=store,
        settings=settings.journal,
        clock=SystemClock(),
        troubles=absorber.troubles,
        wall=wall,
    )


def switching_destination(name: str, settings: DestinationSettings, clock: Clock) -> Destination:
    """One destination, following the address that a deployment may have switched to."""
    from leadkeep.destinations.schemes import make_destination
    from leadkeep.destinations.switching import SwitchingDestination

    return SwitchingDestination(
        make_destination(name, settings, clock=clock),
        lambda url: make_destination(name, replace(settings, url=url), clock=clock),
    )


@asynccontextmanager
async def make_delivery(
    settings: Settings,
    store: Store,
    wall: WallTime,
    *,
    on_full: Callable[[Path], None] = lambda folder: None,
) -> AsyncIterator[DeliveryWorker]:
    from leadkeep.delivery.worker import DeliveryWorker
    from leadkeep.destinations.transform import transformed
    from leadkeep.journal.outcomes import OutcomeLog

    clock = SystemClock()
    health_checks = make_health_checks(settings)
    destinations = {
        name: transformed(name, chosen, switching_destination(name, chosen, clock))
        for name, chosen in settings.destinations.items()
    }
    try:
        yield DeliveryWorker(
            store=store,
            destinations=destinations,
            settings=settings.destinations,
            clock=clock,
            lease_ms=int(settings.worker.lease_seconds * 1_000),
            worker=f"{socket.gethostname()}:{os.getpid()}",
            wall=wall,
            outcome_log=OutcomeLog(
                settings.archive_folder / "outcomes",
                on_full=partial(on_full, settings.archive_folder),
            ),
            drain_seconds=settings.worker.drain_seconds,
            health_checks={name: check.fault for name, check in health_checks.items()},
        )
    finally:
        for destination in destinations.values():
            await destination.close()


def answers_at_once(settings: Settings) -> bool:
    """Whether any source's vendors wait for a destination's own answer."""
    return any(source.answer == "live" or source.ping_paths for source in settings.sources.values())


def make_at_once(
    settings: Settings, store: Store, delivery: DeliveryWorker, wall: WallTime
) -> AtOnce:
    """What answers the door's questions; runs beside `delivery`."""
    from leadkeep.delivery.at_once import AtOnce

    return AtOnce(
        run_folder=settings.run_folder,
        store=store,
        delivery=delivery,
        settings=settings.destinations,
        clock=SystemClock(),
        wall=wall,
        keep_days=settings.journal.archive_days,
        drain_seconds=settings.worker.drain_seconds,
    )


def make_health_checks(settings: Settings) -> dict[str, HealthCheck]:
    """How destinations that have a health URL are probed, by name."""
    from leadkeep.destinations.health import HealthCheck

    return {
        name: HealthCheck(
            name,
            url,
            timeout_seconds=min(chosen.timeout_seconds, HEALTH_SECONDS),
            settings=chosen,
        )
        for name, chosen in settings.destinations.items()
        if (url := chosen.breaker.health_url)
    }
