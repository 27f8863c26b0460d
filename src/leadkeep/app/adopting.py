"""Leads that came while there was no destination: where they go once there is one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from leadkeep.settings.model import Settings

if TYPE_CHECKING:
    from leadkeep.store.base import Store

_log = structlog.get_logger("leadkeep.app")


async def adopt_unrouted(settings: Settings, store: Store) -> None:
    """Give such leads to the destinations that there are now."""
    adopted = 0
    if any(source.destinations or source.routes for source in settings.sources.values()):
        adopted = await _route_unrouted(settings, store)
    elif settings.destinations:
        while some := await store.adopt_unrouted([*settings.destinations]):
            adopted += some
    if adopted:
        _log.info("leads that waited for a destination are on their way", leads=adopted)


async def _route_unrouted(settings: Settings, store: Store) -> int:
    """The same where sources say which leads go where; one held by a person waits for a person."""
    from leadkeep.delivery.rerouting import Rerouter
    from leadkeep.models import Selection
    from leadkeep.sources.routing import Router
    from leadkeep.states import Status

    # Only what came so is pending without a destination.
    waiting = Selection(statuses=(Status.PENDING,), destinations=("",))
    rerouter = Rerouter(store, Router.of(settings), actor="leadkeep")
    return (await rerouter.reroute(waiting)).leads if settings.destinations else 0
