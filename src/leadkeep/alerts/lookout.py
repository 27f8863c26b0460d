"""Looks at everything that the rules judge. Changes nothing."""

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from http.client import HTTPConnection, HTTPException

from leadkeep.alerts.signs import DamageSign, DoorSign, JournalSign, Signs
from leadkeep.clock import Clock
from leadkeep.disks.survey import Rooms
from leadkeep.models import CERTIFICATE_NEAR_MS, Circuit, DestinationView, Refused
from leadkeep.settings.row import Address
from leadkeep.states import CircuitState
from leadkeep.store.base import Store

_DOOR_SECONDS = 2.0
_DETAILS_MAX = 1024 * 1024


class Lookout:
    """One look after the other at an installation.

    Args:
        rooms: looks at the disks; called in a thread.
        damaged: segments with acknowledged bytes that cannot be read, by id, as this process has
            met them: `Troubles.details`.
        node: what this machine is called.
        undurable: how the store's database may lose what it took; empty: it does not, as far as is
            known.
        door: where the door of this machine tells of itself; None: there is none here.
    """

    def __init__(
        self,
        store: Store,
        *,
        clock: Clock,
        rooms: Callable[[], Rooms],
        damaged: Callable[[], Mapping[str, object]],
        door: Address | None,
        node: str = "",
        undurable: Callable[[], str] = str,
    ) -> None:
        self._store = store
        self._clock = clock
        self._rooms = rooms
        self._damaged = damaged
        self._door = door
        self._node = node
        self._undurable = undurable
        self._door_heard_ms = clock.boottime_ms()

    async def look(self) -> Signs:
        """Everything as it is now.

        Raises:
            StoreError: the store could not be read.
        """
        now_ms = self._clock.now_us() // 1_000
        views = tuple(await self._store.destinations())
        circuits = await self._store.circuits()
        refused = tuple(await self._store.refused())
        return Signs(
            now_ms=now_ms,
            node=self._node,
            destinations=views,
            circuits=circuits,
            refused=refused,
            certificates=await self._store.certificates_at_stake(
                now_ms=now_ms, before_ms=now_ms + CERTIFICATE_NEAR_MS
            ),
            rooms=await asyncio.to_thread(self._rooms),
            damage=tuple(_damage(self._damaged())),
            door=await self._look_at_door(),
            undurable=self._undurable(),
            deployments=await self._deployments(_unwell(views, circuits, refused)),
        )

    async def _look_at_door(self) -> DoorSign | None:
        if self._door is None:
            return None
        journals = await asyncio.to_thread(_ask_door, self._door)
        now_ms = self._clock.boottime_ms()
        if journals is None:
            return DoorSign(silent_for_ms=max(now_ms - self._door_heard_ms, 1))
        self._door_heard_ms = now_ms
        return DoorSign(journals=journals)

    async def _deployments(self, names: Sequence[str]) -> dict[str, str]:
        told = {}
        for name in names:
            for last in await self._store.deployments(name, limit=1):
                began = datetime.fromtimestamp(last.begun_at_ms / 1_000, UTC)
                ended = last.result.value.replace("_", " ") if last.result else "under way"
                told[name] = f"{began:%Y-%m-%d %H:%M} UTC, {ended}"
        return told


def _unwell(
    views: Sequence[DestinationView], circuits: Mapping[str, Circuit], refused: Sequence[Refused]
) -> list[str]:
    """Destinations of which the last deployment may be told."""
    waiting = {view.name for view in views if view.name and view.oldest_waiting_at_ms is not None}
    shut = {name for name, one in circuits.items() if one.state is not CircuitState.CLOSED}
    return sorted(waiting | shut | {one.destination for one in refused})


def _damage(found: Mapping[str, object]) -> list[DamageSign]:
    """Segments and where they lie, from what the absorber tells of them."""
    return [
        DamageSign(segment, str(notes[0].get("path", "")) if isinstance(notes, list) else "")
        for segment, notes in found.items()
    ]


def _ask_door(address: Address) -> tuple[JournalSign, ...] | None:
    """What the door tells of its journals; None: it does not answer."""
    connection = HTTPConnection(address.host, address.port, timeout=_DOOR_SECONDS)
    try:
        connection.request("GET", "/details")
        told = json.loads(connection.getresponse().read(_DETAILS_MAX))
        return tuple(
            JournalSign(
                journal=str(one["journal"]),
                in_use=bool(one["in_use"]),
                last_error=str(one["last_error"] or ""),
            )
            for one in told["journals"]
        )
    except (OSError, HTTPException, ValueError, KeyError, TypeError):
        return None
    finally:
        connection.close()
