"""Which requests are answered live: those of live sources, and pings."""

from collections.abc import Mapping
from typing import NamedTuple

from leadkeep.settings.model import Settings
from leadkeep.sources.pings import PingTable, ping_destination

NOBODY = "-"
"""As a destination: nobody is asked. No destination can be called so."""


class LiveRoute(NamedTuple):
    """Whose answer is waited for, and how long."""

    is_ping: bool
    destination: str
    """Empty: the first that the lead goes to."""
    timeout_ms: int


class LiveRoutes:
    """What the settings say about live answers; asked once for each path.

    Args:
        leads: source → how its leads are answered live.
        pings: source → the same for its pings.
        table: whose ping a path is.
    """

    def __init__(
        self, leads: Mapping[str, LiveRoute], pings: Mapping[str, LiveRoute], table: PingTable
    ) -> None:
        self._leads = leads
        self._pings = pings
        self._table = table

    @classmethod
    def of(cls, settings: Settings) -> "LiveRoutes":
        """The routes that the settings describe.

        Raises:
            SettingsError: a path is claimed twice.
        """
        sources = settings.sources.items()
        return cls(
            {
                name: LiveRoute(False, source.live_destination, source.live_timeout_ms)
                for name, source in sources
                if source.answer == "live"
            },
            {
                name: LiveRoute(True, ping_destination(settings, name), source.live_timeout_ms)
                for name, source in sources
                if source.ping_paths
            },
            PingTable.of(settings),
        )

    def __bool__(self) -> bool:
        """False: nothing is ever answered live."""
        return bool(self._leads or self._pings)

    def ping(self, path: bytes) -> tuple[str, LiveRoute] | None:
        """The source whose ping a request to this path is, and its route; None: it is no ping."""
        source = self._table.match(path)
        return None if source is None else (source, self._pings[source])

    def lead(self, source: str | None) -> LiveRoute | None:
        """How a lead of this source is answered live; None: it is not."""
        return None if source is None else self._leads.get(source)
