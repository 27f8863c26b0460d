"""What a path means to the door: its source and its reply, remembered for the paths in use."""

from collections.abc import Mapping
from typing import NamedTuple

from leadkeep.intake.live_routes import LiveRoute, LiveRoutes
from leadkeep.intake.replies import Reply
from leadkeep.intake.reply_table import ReplyTable
from leadkeep.intake.ways import Ways
from leadkeep.models import RecordFlag
from leadkeep.sources.routes import SourceTable

_KEPT = 4096
_PATH_MAX = 1024


class Route(NamedTuple):
    """One path's meaning."""

    source: str
    """Empty: no source claims the path."""
    source_bytes: bytes
    flags: int
    """RecordFlags that follow from the path."""
    reply: Reply
    status: int
    live: LiveRoute | None
    """None: it is answered as soon as it is durable."""
    ways: Ways | None
    """What its vendor expects beyond that; None: nothing."""


class Routes:
    """Finds the route of a path; bounded in memory, whatever paths are tried."""

    def __init__(
        self,
        sources: SourceTable,
        replies: ReplyTable,
        live: LiveRoutes,
        ways: Mapping[str, Ways],
    ) -> None:
        self._sources = sources
        self._live = live
        self._replies = replies
        self._ways = ways
        self._known: dict[bytes, Route] = {}

    def find(self, path: bytes) -> Route:
        """The route of a target's path.

        Args:
            path: as received, without query.
        """
        route = self._known.get(path)
        return self._look_up(path) if route is None else route

    def _look_up(self, path: bytes) -> Route:
        route = self._ping(path) or self._lead(path)
        if len(path) <= _PATH_MAX:
            if len(self._known) >= _KEPT:
                self._known.clear()  # Somebody tries out paths; those in use are back at once.
            self._known[path] = route
        return route

    def _lead(self, path: bytes) -> Route:
        source = self._sources.match(path)
        reply = self._replies.for_lead(source, path)
        flags = RecordFlag.NONE if source is not None else RecordFlag.NO_ROUTE
        live = self._live.lead(source)
        if live is not None:
            flags |= RecordFlag.LIVE
        name = source or ""
        ways = self._ways.get(name)
        return Route(name, name.encode(), int(flags), reply, reply.status, live, ways)

    def _ping(self, path: bytes) -> Route | None:
        found = self._live.ping(path)
        if found is None:
            return None
        source, live = found
        reply = self._replies.for_ping(source)
        flags, ways = int(RecordFlag.LIVE), self._ways.get(source)
        return Route(source, source.encode(), flags, reply, reply.status, live, ways)
