"""Where a lead of a source with routes goes: each route a condition and its destinations.

Made once from the settings; asked by the absorber for each record of such a source, and when stored
leads are routed anew. Never raises for a lead: one that cannot be judged is held with the
reason. To go on to the next route would be a guess, and a lead that was sold to the wrong buyer
cannot be taken back; one that is held can be released.
"""

from collections.abc import Mapping
from typing import NamedTuple

from leadkeep.models import Claim, Record, RecordFlag, StoredRequest
from leadkeep.settings.model import Settings
from leadkeep.settings.routing import RouteSettings
from leadkeep.sources.conditions import Condition, Unclear
from leadkeep.sources.request_view import View
from leadkeep.sources.routes import Route, SourceTable
from leadkeep.states import Disposition

NO_ROUTE = "no route takes it"


class Request(NamedTuple):
    """What conditions may look at."""

    source: str
    method: str
    target: bytes
    headers: bytes
    body: bytes

    @classmethod
    def of(cls, one: Record | StoredRequest | Claim) -> "Request":
        """The request of whatever keeps one."""
        return cls(one.source, one.method, one.target, one.headers, one.body)


class _Rule(NamedTuple):
    number: int
    condition: Condition | None
    """None: it takes every lead."""
    to: tuple[str, ...]


class Routes:
    """The routes of one source.

    Args:
        source: its name.
        routes: in their order.
        every: all that hold take the lead, not the first alone.
        otherwise: where it goes if none holds; empty: it is held.

    Raises:
        SettingsError: a condition is wrong.
    """

    def __init__(
        self,
        source: str,
        routes: tuple[RouteSettings, ...],
        *,
        every: bool,
        otherwise: tuple[str, ...] = (),
    ) -> None:
        key = f"sources.{source}.routes"
        self._every = every
        self._otherwise = otherwise
        self._rules = [
            _Rule(
                number,
                Condition(f"{key}, route {number}, when", route.when) if route.when else None,
                route.to,
            )
            for number, route in enumerate(routes, 1)
        ]

    def route(self, request: Request) -> Route:
        """Where it goes; never raises."""
        view = View(**request._asdict())
        found: dict[str, None] = {}
        for rule in self._rules:
            try:
                holds = rule.condition is None or rule.condition.holds(view)
            except Unclear as unclear:
                return Route(
                    Disposition.QUARANTINED, (), f"route {rule.number} cannot be judged: {unclear}"
                )
            if holds:
                found.update(dict.fromkeys(rule.to))
                if not self._every:
                    break
        found = found or dict.fromkeys(self._otherwise)
        if not found:
            return Route(Disposition.QUARANTINED, (), NO_ROUTE)
        return Route(Disposition.ROUTED, tuple(found), "")


def conditional_routes(settings: Settings) -> dict[str, Routes]:
    """Source name → its routes, of those sources that have any.

    Raises:
        SettingsError: a condition is wrong.
    """
    return {
        name: Routes(
            name,
            source.routes,
            every=source.routing == "all",
            otherwise=source.destinations,
        )
        for name, source in settings.sources.items()
        if source.routes
    }


class Router:
    """Where leads of every source go by today's settings.

    Args:
        sources: sources without routes, and those that are none.
        conditional: source name → its routes.
    """

    def __init__(self, sources: SourceTable, conditional: Mapping[str, Routes]) -> None:
        self._sources = sources
        self._conditional = dict(conditional)

    @classmethod
    def of(cls, settings: Settings) -> "Router":
        """The router that the settings describe.

        Raises:
            SettingsError: a condition is wrong, or two sources claim one path.
        """
        return cls(SourceTable.of(settings), conditional_routes(settings))

    def route(self, request: Request, flags: RecordFlag) -> Route:
        """What shall become of a request; never raises."""
        routes = None if flags & RecordFlag.NO_ROUTE else self._conditional.get(request.source)
        if routes is None:
            return self._sources.route(request.source, flags, request.target)
        return routes.route(request)

    def today(self, request: Request, flags: RecordFlag) -> Route:
        """The same for a lead that came earlier: one whose path nobody claimed then, or whose
        source is gone, belongs to whoever claims its path now."""
        if flags & RecordFlag.NO_ROUTE or not self._sources.knows(request.source):
            source = self._sources.match(request.target)
            if source is not None:
                return self.route(request._replace(source=source), RecordFlag.NONE)
        return self.route(request, flags)
