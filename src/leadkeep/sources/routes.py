"""Which source claims a path, and where a source's leads go.

Pure and made once from the settings. The door asks `match` for each request; the absorber asks
`route` for each record. Nothing here refuses a lead: what nobody claims is held for a person.
"""

from collections.abc import Iterable, Mapping
from urllib.parse import unquote_to_bytes

import msgspec

from leadkeep.errors import SettingsError
from leadkeep.models import RecordFlag
from leadkeep.settings.model import Settings
from leadkeep.states import Disposition

DEFAULT_SOURCE = "default"
_PATH_SHOWN = 200


class Route(msgspec.Struct, frozen=True):
    """What shall become of a record."""

    disposition: Disposition
    destinations: tuple[str, ...]
    """One delivery for each; empty: one delivery without destination."""
    hold_reason: str
    """Not empty: its deliveries start held, and this says why in words."""


def _path_of(target: bytes) -> bytes:
    """The path of a request target, which may be in absolute form (`http://host/path`)."""
    path = target.partition(b"?")[0].partition(b"#")[0]
    if not path.startswith(b"/") and b"://" in path:
        path = b"/" + path.partition(b"://")[2].partition(b"/")[2]
    return path


def _plain(path: bytes) -> bytes:
    """A path without the differences that vendors' typists make.

    Percent-encoding, case, doubled slashes and slashes at the end mean nothing here.
    """
    if b"%" in path:
        path = unquote_to_bytes(path)
    while b"//" in path:
        path = path.replace(b"//", b"/")
    return path.rstrip(b"/").lower()


class SourceTable:
    """Paths to sources to destinations.

    Args:
        paths: source name → its paths; a `*` at the end takes everything that begins so.
        destinations: source name → where its leads go.
        conditional: sources whose leads are routed one by one, in `routing.py`.

    Raises:
        SettingsError: two sources claim the same path.
    """

    def __init__(
        self,
        paths: Mapping[str, Iterable[str]],
        destinations: Mapping[str, tuple[str, ...]],
        conditional: Iterable[str] = (),
    ) -> None:
        self._destinations = dict(destinations)
        self._conditional = frozenset(conditional)
        self._spelled: dict[bytes, str] = {}
        self._plain: dict[bytes, str] = {}
        prefixes: dict[bytes, str] = {}
        for source, claimed in paths.items():
            for path in claimed:
                raw = path.encode()
                if raw.endswith(b"*"):
                    slash = b"/" if raw.endswith(b"/*") else b""
                    self._claim(prefixes, _plain(raw[:-1]) + slash, source, path)
                else:
                    self._claim(self._spelled, raw, source, path)
                    # Paths that differ in case only: the first takes the other spellings too.
                    self._plain.setdefault(_plain(raw), source)
        self._prefixes = sorted(prefixes.items(), key=lambda item: len(item[0]), reverse=True)

    @staticmethod
    def _claim(claims: dict[bytes, str], key: bytes, source: str, path: str) -> None:
        owner = claims.setdefault(key, source)
        if owner != source:
            raise SettingsError(
                f"sources {owner!r} and {source!r} both claim the path {path!r}",
                hint="Give each path to one source.",
            )

    @classmethod
    def of(cls, settings: Settings) -> "SourceTable":
        """The table that the settings describe; without any source, `default` takes every path."""
        if not settings.sources:
            return cls({DEFAULT_SOURCE: ("*",)}, {DEFAULT_SOURCE: tuple(settings.destinations)})
        everywhere = tuple(settings.destinations)
        return cls(
            {name: source.paths for name, source in settings.sources.items()},
            {
                # A destination named twice is still one destination.
                name: tuple(dict.fromkeys(source.destinations)) or everywhere
                for name, source in settings.sources.items()
            },
            [name for name, source in settings.sources.items() if source.routes],
        )

    def match(self, path: bytes) -> str | None:
        """The source that claims a path: an exact one first, then the longest `…*`.

        Args:
            path: as received; a query behind it does not matter.
        """
        source = self._spelled.get(path)
        if source is not None:
            return source
        path = _path_of(path)
        plain = _plain(path)
        source = self._spelled.get(path) or self._plain.get(plain)
        if source is not None:
            return source
        # `/leads/*` also takes `/leads`, so the slash that plain() removed counts again.
        below = plain + b"/"
        for prefix, name in self._prefixes:
            if below.startswith(prefix):
                return name
        return None

    def destinations_of(self, source: str) -> tuple[str, ...]:
        """Where a source's leads go; empty if nowhere yet, or if there is no such source."""
        return self._destinations.get(source, ())

    def knows(self, source: str) -> bool:
        """Whether there is such a source."""
        return source in self._destinations

    def route(self, source: str, flags: RecordFlag, target: bytes = b"") -> Route:
        """What shall become of a record that the door gave to `source`.

        Args:
            source: the name in the record; empty if none claimed its path.
            flags: what the door knew.
            target: the record's target, to name the path in the reason.
        """
        if flags & RecordFlag.NO_ROUTE or not source:
            path = _path_of(target)[:_PATH_SHOWN].decode("utf-8", "replace")
            shown = "".join(char if char.isprintable() else "\ufffd" for char in path)
            return Route(Disposition.QUARANTINED, (), f"no source claims the path {shown}".rstrip())
        destinations = self._destinations.get(source)
        if destinations is None:
            return Route(
                Disposition.QUARANTINED, (), f"the source {source!r} is no longer configured"
            )
        if source in self._conditional:
            # For whoever asks here and not there: held is never wrong.
            return Route(Disposition.QUARANTINED, (), "its routes were not asked")
        if not destinations:
            return Route(Disposition.UNROUTED, (), "")
        return Route(Disposition.ROUTED, destinations, "")
