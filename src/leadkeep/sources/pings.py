"""Which paths are a ping-post source's pings.

Pure and made once from the settings. A path is found among pings and leads together, so that the
rule is the same for both: an exact path first, then the longest `…*`.
"""

from collections.abc import Iterable, Mapping

from leadkeep.settings.model import Settings
from leadkeep.sources.routes import SourceTable

_PING, _LEAD = "ping", "lead"


class PingTable:
    """Paths of pings to sources.

    Args:
        pings: source → paths of its pings.
        leads: source → paths of its leads.

    Raises:
        SettingsError: a path is claimed twice.
    """

    def __init__(
        self, pings: Mapping[str, Iterable[str]], leads: Mapping[str, Iterable[str]]
    ) -> None:
        self._any = any(tuple(paths) for paths in pings.values())
        marked = {f"{_PING}:{name}": paths for name, paths in pings.items()}
        marked |= {f"{_LEAD}:{name}": paths for name, paths in leads.items()}
        self._table = SourceTable(marked, {})

    @classmethod
    def of(cls, settings: Settings) -> "PingTable":
        """The table that the settings describe."""
        return cls(
            {name: source.ping_paths for name, source in settings.sources.items()},
            {name: source.paths for name, source in settings.sources.items()},
        )

    def match(self, path: bytes) -> str | None:
        """The source whose ping a request to this path is; None: it is no ping.

        Args:
            path: as received; a query behind it does not matter.
        """
        if not self._any:
            return None
        kind, _, source = (self._table.match(path) or "").partition(":")
        return source if kind == _PING else None


def ping_destination(settings: Settings, source: str) -> str:
    """Who is asked when this source pings; empty: there is nobody."""
    chosen = settings.sources[source]
    everybody = chosen.destinations or tuple(settings.destinations)
    return chosen.ping_destination or chosen.live_destination or next(iter(everybody), "")
