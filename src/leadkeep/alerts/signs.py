"""What one look has found: everything that the rules judge."""

import msgspec

from leadkeep.disks.survey import Rooms
from leadkeep.models import AtStake, Circuit, DestinationView, Refused


class JournalSign(msgspec.Struct, frozen=True):
    """A journal, as the door sees it."""

    journal: str
    in_use: bool
    """The door writes to it; False: it failed, and leads go to the next."""
    last_error: str = ""


class DoorSign(msgspec.Struct, frozen=True):
    """The door, as its own process tells."""

    silent_for_ms: int = 0
    """It has not answered for so long; 0: it just has."""
    journals: tuple[JournalSign, ...] = ()


class DamageSign(msgspec.Struct, frozen=True):
    """A segment with acknowledged bytes that cannot be read."""

    segment: str
    path: str


class Limits(msgspec.Struct, frozen=True):
    """From when on something is worth telling; milliseconds."""

    late_ms: int
    """A lead has waited."""
    down_ms: int
    """A destination's circuit has been open."""
    silent_ms: int = 60_000
    """The door has not answered."""


class Signs(msgspec.Struct, frozen=True):
    """All of one moment."""

    now_ms: int
    node: str = ""
    """The machine that looks: disks, journals and the door are its own, of several that may share a
    store."""
    destinations: tuple[DestinationView, ...] = ()
    circuits: dict[str, Circuit] = {}
    refused: tuple[Refused, ...] = ()
    certificates: AtStake = AtStake(0, None)
    rooms: Rooms = Rooms()
    damage: tuple[DamageSign, ...] = ()
    door: DoorSign | None = None
    """None: there is none here to look at."""
    undurable: str = ""
    """How the store's database is set so that it may lose what it took; empty: it is not."""
    deployments: dict[str, str] = {}
    """The last deployment of each destination that is not well, in words."""
