"""Watches the room on the volumes that the worker writes to, and keeps ballast there.

Invariant: whenever a volume is at low water or refuses a write, its ballast is thrown off within a
second, and said aloud; it is made again by itself once there is plenty of room.
"""

import asyncio
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import structlog

from leadkeep.disks import metrics
from leadkeep.disks.ballast import Ballast
from leadkeep.disks.room import Reserve, Step, device_of, free_bytes, next_step, one_per_volume

LOOK_SECONDS = 1.0
_BREATH_SECONDS = 0.01
"""Pause after each piece of a new ballast: leads come first."""
_LATELY_SECONDS = 600.0
"""A disk that refused a write while it claimed to have room is not believed for so long."""
_REPEAT_SECONDS = 300.0
_HINT = (
    "Free space on this disk. Leads are still taken while the journals have room, and are then "
    "answered 503; all goes on by itself once there is room again."
)

_log = structlog.get_logger("leadkeep.disks")


class RoomWatch:
    """The worker's volumes and their ballast. `look` is called by one thread at a time.

    Args:
        folders: where the worker writes; those on one volume share a ballast.
        ballast_bytes: size of each; 0: none, and what stands there is removed.
        now: seconds of a clock that does not jump.
    """

    def __init__(
        self,
        folders: Iterable[Path],
        ballast_bytes: int,
        *,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._reserve = Reserve(ballast_bytes)
        self._volumes = [_Volume(folder, self._reserve) for folder in one_per_volume(folders)]
        self._now = now
        self._stopped = threading.Event()

    async def run(
        self, stop: asyncio.Event, *, on_scarce: Callable[[], None] = lambda: None
    ) -> None:
        """Look once a second until `stop` is set.

        Args:
            on_scarce: called, on the loop, after each look that found room scarce.
        """
        stopping = asyncio.ensure_future(stop.wait())
        stopping.add_done_callback(lambda _: self._stopped.set())
        try:
            while not stop.is_set():
                # In a thread: a disk may take its time to answer, and making ballast takes longer.
                if await asyncio.to_thread(self.look):
                    on_scarce()
                await asyncio.wait([stopping], timeout=LOOK_SECONDS)
        finally:
            self._stopped.set()
            stopping.cancel()

    def look(self, *, make: bool = True) -> bool:
        """Do what is to be done now; True if room is scarce somewhere. Never raises.

        Args:
            make: False: throw off only, which takes no time.
        """
        scarce = False
        for volume in self._volumes:
            try:
                scarce = volume.look(self._now(), self._may_go_on if make else None) or scarce
            except OSError as error:
                volume.say_unseen(error)
        return scarce

    def met_full(self, folder: Path) -> None:
        """A write to a folder was refused for want of room. From any thread; does not block."""
        try:
            device, free = device_of(folder), free_bytes(folder)
        except OSError:
            return
        for volume in self._volumes:
            if volume.device == device:
                # Asked now: at the next look somebody may have made room.
                volume.lied = volume.lied or free >= self._reserve.left_by_door
                volume.met_full = True

    def details(self) -> list[Mapping[str, object]]:
        """How each volume stood at the last look; from any thread."""
        return [volume.details() for volume in self._volumes]

    def _may_go_on(self) -> bool:
        return not self._stopped.wait(_BREATH_SECONDS)


class _Volume:
    """One volume, what was found there last, and what was said about it."""

    def __init__(self, folder: Path, reserve: Reserve) -> None:
        self.device = device_of(folder)
        self.met_full = False
        """A write was refused since the last look."""
        self.lied = False
        """And the disk claimed to have room."""
        self._folder = folder
        self._reserve = reserve
        self._ballast = Ballast(folder, reserve.ballast)
        self._free = 0
        self._standing = 0
        self._lied_at = float("-inf")
        self._said_at = float("-inf")
        self._unseen = ""

    def details(self) -> Mapping[str, object]:
        return {
            "folder": str(self._folder),
            "free_bytes": self._free,
            "ballast_bytes": self._standing,
            "ballast_wanted_bytes": self._reserve.ballast,
            "error": self._unseen,
        }

    def look(self, now: float, may_go_on: Callable[[], bool] | None) -> bool:
        """Look and act; True if there is no ballast left to throw off and room is scarce.

        Args:
            may_go_on: asked, and waited for, between pieces of a new ballast; None: make none.

        Raises:
            OSError: it cannot be looked at, or nothing can be made or removed there.
        """
        self._measure()
        met_full, self.met_full = self.met_full, False
        if self.lied:
            self.lied, self._lied_at = False, now
        step = next_step(
            self._reserve,
            free=self._free,
            ballast=self._standing,
            met_full=met_full,
            lied_lately=now - self._lied_at < _LATELY_SECONDS,
        )
        if step is Step.THROW_OFF:
            self._throw_off(now)
        elif step is Step.MAKE and may_go_on is not None:
            self._make(may_go_on)
        self._unseen = ""
        metrics.FREE.labels(self._folder).set(self._free)
        metrics.BALLAST.labels(self._folder).set(self._standing)
        scarce = self._standing == 0 < self._reserve.ballast and self._free < self._reserve.plenty
        if scarce:
            self._say_scarce(now)
        return scarce

    def say_unseen(self, error: OSError) -> None:
        """Say once that the volume cannot be looked after."""
        reason = error.strerror or str(error)
        if reason != self._unseen:
            _log.error(
                "the room on a disk cannot be looked after", folder=str(self._folder), error=reason
            )
        self._unseen = reason

    def _measure(self) -> None:
        self._free = free_bytes(self._folder)
        self._standing = self._ballast.standing()

    def _throw_off(self, now: float) -> None:
        free = self._free
        freed = self._ballast.throw_off()
        self._measure()
        if self._reserve.ballast == 0:
            _log.info("the ballast is removed: none is configured", folder=str(self._folder))
            return
        metrics.THROWN_OFF.labels(self._folder).inc()
        self._said_at = now
        _log.error(
            "a disk is nearly full; its ballast is thrown off, to go on absorbing and recording",
            folder=str(self._folder),
            free_bytes=free,
            ballast_bytes=freed,
            hint=_HINT,
        )

    def _make(self, may_go_on: Callable[[], bool]) -> None:
        def goes_on(left: int) -> bool:
            return may_go_on() and free_bytes(self._folder) - left >= self._reserve.left_by_door

        if self._standing:
            self._ballast.throw_off()  # It is of another size.
        made = self._ballast.make(goes_on)
        self._measure()
        if made:
            self._said_at = float("-inf")
            _log.info("the ballast stands", folder=str(self._folder), ballast_bytes=self._standing)

    def _say_scarce(self, now: float) -> None:
        if now - self._said_at >= _REPEAT_SECONDS:
            self._said_at = now
            _log.error(
                "a disk is nearly full and there is no ballast left to throw off",
                folder=str(self._folder),
                free_bytes=self._free,
                hint=_HINT,
            )
