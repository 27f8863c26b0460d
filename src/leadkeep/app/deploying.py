"""Everything that a deployment needs, and what follows from an address that was switched."""

from __future__ import annotations

import os
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, NamedTuple

import structlog

from leadkeep.app.parts import wall_time
from leadkeep.app.store import open_store
from leadkeep.clock import SystemClock
from leadkeep.deployments import SwitchedUrl, bare_url
from leadkeep.errors import NotFound, StoreUnavailable
from leadkeep.settings.model import Settings

if TYPE_CHECKING:
    from leadkeep.delivery.rollout import Rollout
    from leadkeep.store.base import Store

log = structlog.get_logger("leadkeep.app")

SPARE_SECONDS = 5.0


class Deploying(NamedTuple):
    """A destination's rollout, and the store that it works on."""

    rollout: Rollout
    store: Store
    drain_seconds: float
    """An attempt under way, or a dead worker's lease, has ended after so long."""


@asynccontextmanager
async def open_deploying(
    settings: Settings, name: str, *, actor: str, tell: Callable[[str], None]
) -> AsyncIterator[Deploying]:
    """What takes one destination through a deployment.

    Args:
        actor: who deploys, for people.
        tell: says to a person what is being waited for.

    Raises:
        NotFound: the destination is not in the configuration.
        StoreError: the store cannot be used.
    """
    from leadkeep.delivery.canary import Canary
    from leadkeep.delivery.rollout import Rollout
    from leadkeep.destinations.schemes import make_destination
    from leadkeep.destinations.transform import transformed
    from leadkeep.journal.outcomes import OutcomeLog

    chosen = settings.destinations.get(name)
    if chosen is None:
        names = ", ".join(sorted(settings.destinations))
        raise NotFound(
            f"there is no destination {name} in the configuration",
            hint=f"Configured are: {names}."
            if names
            else "Give the same --config or --forward-to as `leadkeep serve` has.",
        )
    clock = SystemClock()
    async with open_store(settings) as store:
        canary = Canary(
            store,
            lease_ms=int(settings.worker.lease_seconds * 1_000),
            worker=f"{socket.gethostname()}:{os.getpid()}",
            outcome_log=OutcomeLog(settings.archive_folder / "outcomes"),
        )
        rollout = Rollout(
            store=store,
            name=name,
            settings=chosen,
            make=lambda one: transformed(name, one, make_destination(name, one, clock=clock)),
            canary=canary,
            clock=clock,
            wall=wall_time(settings),
            actor=actor,
            tell=tell,
        )
        longest = max(chosen.timeout_seconds, settings.worker.lease_seconds)
        yield Deploying(rollout, store, longest + SPARE_SECONDS)


def check_addresses(settings: Settings, name: str, *, switch_to: str, health: str) -> None:
    """See to it that leads and questions can be sent to these addresses; empty ones are none.

    Raises:
        UsageError: they cannot.
    """
    from leadkeep.destinations.switching import check_url

    chosen = settings.destinations.get(name)
    if chosen is None:
        return  # said when it is opened
    if switch_to:
        check_url(name, chosen, switch_to, what="the address to switch to")
    if health:
        check_url(name, chosen, health, what="the health url")


async def drop_void_switches(settings: Settings, store: Store) -> None:
    """Where the configured url is not the one that was switched from, it is what counts."""
    for name, switched in (await store.switched_urls()).items():
        chosen = settings.destinations.get(name)
        if chosen is None or bare_url(chosen.url) == switched.instead_of:
            continue
        await _drop(store, switched)


async def _drop(store: Store, switched: SwitchedUrl) -> None:
    name = switched.destination
    try:
        await store.drop_switched_url(name, reason="the configured url changed", actor="leadkeep")
    except StoreUnavailable as error:
        log.warning(
            "leads still go where a deployment switched to, although the configured url has "
            "changed; the next start tries again",
            destination=name,
            error=str(error),
        )
        return
    log.warning(
        "the configured url has changed since a deployment switched to another; leads go to the "
        "configured one",
        destination=name,
        deployment=switched.deployment_id,
    )
