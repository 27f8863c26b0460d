"""A deployment of the application behind a destination: hold, drain, prove, let go.

While it is under way no worker claims a lead of the destination, so none is tried at an
application that is being replaced. It ends in one transaction of the store with all that follows
from it. Whoever runs it may die at any point: the hold then ends with the deployment's term, by
itself.
"""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import msgspec

from leadkeep.clock import Clock
from leadkeep.delivery.attempt import Attempter
from leadkeep.delivery.canary import Canary, is_confirmed
from leadkeep.delivery.readiness import ready
from leadkeep.deployments import Backlog, Deployment, DeploymentResult, Ending
from leadkeep.destinations.base import Destination, Reachable
from leadkeep.destinations.health import HealthCheck
from leadkeep.settings.model import DestinationSettings
from leadkeep.store.base import Store
from leadkeep.walltime import WallTime

HEALTH_SECONDS = 5.0
"""One question to a health url may take so long."""
LOOK_SECONDS = 0.05
RESCUE_SECONDS = 1.0

Tell = Callable[[str], None]


class Proof(NamedTuple):
    """Whether the application takes leads."""

    holds: bool
    words: str = ""
    """Why not; or why it was not really tried."""
    canary_lead_id: str | None = None


class Wanted(msgspec.Struct, frozen=True):
    """What shall happen after the command."""

    exit_code: int | None = None
    """What the command ended with; None: somebody else ran it."""
    failed: bool = False
    """The command failed: what ran before is believed to run still."""
    health: str = ""
    """A url that answers 2xx once the application is up; empty: somebody must listen."""
    health_seconds: float = 120.0
    """Wait so long for it."""
    switch_to: str = ""
    """Deliver to this url from now on."""
    canary_seconds: float = 0.0
    """If no lead waits, wait so long for one."""


class Rollout:
    """Takes one destination through a deployment.

    Args:
        store: the queue.
        name: the destination.
        settings: its settings.
        make: makes it with other settings; closed here.
        canary: sends single leads.
        clock: boot time for what is measured.
        wall: tells since when wall time can be believed for an age.
        actor: who deploys, for people.
        tell: says to a person what is being waited for.
    """

    def __init__(
        self,
        *,
        store: Store,
        name: str,
        settings: DestinationSettings,
        make: Callable[[DestinationSettings], Destination],
        canary: Canary,
        clock: Clock,
        wall: WallTime,
        actor: str,
        tell: Tell,
    ) -> None:
        self._store = store
        self._name = name
        self._settings = settings
        self._make = make
        self._canary = canary
        self._clock = clock
        self._wall = wall
        self._actor = actor
        self._tell = tell

    # ------------------------------------------------------------ before the command

    async def begin(self, *, note: str, at_most_seconds: float) -> Deployment:
        """Begin a deployment, and with it the hold.

        Raises:
            AlreadyRunning: another one is under way.
        """
        return await self._store.begin_deployment(
            self._name, actor=self._actor, note=note, at_most_ms=round(at_most_seconds * 1_000)
        )

    async def drain(self, *, within_seconds: float) -> int:
        """Wait until the attempts under way have ended; returns how many have not in time."""
        give_up_at_ms = self._clock.boottime_ms() + within_seconds * 1_000
        rescue_at_ms = 0
        while under_way := await self._store.under_way(self._name):
            now_ms = self._clock.boottime_ms()
            if now_ms >= give_up_at_ms:
                break
            if now_ms >= rescue_at_ms:
                # Where no worker runs, nobody else takes back what a dead one had leased.
                await self._store.rescue()
                rescue_at_ms = now_ms + round(RESCUE_SECONDS * 1_000)
            await asyncio.sleep(LOOK_SECONDS)
        return under_way

    async def cancel(self, deployment: Deployment, why: str) -> None:
        """End it before its command has run: leads are delivered as if it had not been."""
        ending = Ending(DeploymentResult.CANCELLED, detail=why)
        await self._store.end_deployment(deployment.deployment_id, ending, actor=self._actor)

    # ------------------------------------------------------------ after the command

    async def finish(self, deployment: Deployment, wanted: Wanted) -> Deployment:
        """Prove that the application takes leads, then let them go; returns how it ended.

        Raises:
            StoreError: the store could not; the hold ends with the deployment's term.
        """
        before = await self._store.backlog(self._name)
        if wanted.switch_to and not wanted.failed:
            ending = await self._switch(deployment, wanted)
        else:
            ending = await self._stay(deployment, wanted)
        ending = msgspec.structs.replace(
            ending,
            exit_code=wanted.exit_code,
            **await self._waits(deployment, before, confirmed=_took_a_lead(ending)),
        )
        await self._store.end_deployment(deployment.deployment_id, ending, actor=self._actor)
        return await self._store.deployment(deployment.deployment_id)

    async def _stay(self, deployment: Deployment, wanted: Wanted) -> Ending:
        """The new version, or after a failure the old one, is where leads went before."""
        # A health url given with an address to switch to is that of the new version.
        current = await self._current()
        health = "" if wanted.switch_to else wanted.health
        if not health and current is self._settings:
            health = self._settings.breaker.health_url or ""
        proof = await self._prove(deployment, current, health, wanted)
        if not proof.holds:
            return _held(proof.words, proof.canary_lead_id)
        result = DeploymentResult.COMPLETED
        if wanted.failed:
            result = DeploymentResult.COMMAND_FAILED
        return Ending(result, detail=proof.words, canary_lead_id=proof.canary_lead_id)

    async def _switch(self, deployment: Deployment, wanted: Wanted) -> Ending:
        """The new version is at another address; if it takes no lead, the old one is asked."""
        there = replace(self._settings, url=wanted.switch_to)
        proof = await self._prove(deployment, there, wanted.health, wanted)
        if proof.holds:
            return Ending(
                DeploymentResult.COMPLETED,
                detail=proof.words,
                canary_lead_id=proof.canary_lead_id,
                switch_to=wanted.switch_to,
                configured_url=self._settings.url,
            )
        self._tell(f"{proof.words}; back to the old address")
        old = await self._prove(deployment, await self._current(), "", wanted)
        if old.holds:
            return Ending(
                DeploymentResult.SWITCHED_BACK,
                detail=proof.words,
                canary_lead_id=old.canary_lead_id,
            )
        words = f"{proof.words}; and at the old address: {old.words}"
        return _held(words, old.canary_lead_id)

    async def _current(self) -> DestinationSettings:
        """The destination where leads go now."""
        switched = (await self._store.switched_urls()).get(self._name)
        return self._settings if switched is None else replace(self._settings, url=switched.url)

    async def _prove(
        self, deployment: Deployment, settings: DestinationSettings, health: str, wanted: Wanted
    ) -> Proof:
        """Wait until the application at an address is up, and send one lead there."""
        destination = self._make(settings)
        try:
            unready = await self._wait_until_up(destination, health, wanted.health_seconds)
            if unready:
                return Proof(False, unready)
            return await self._send_canary(deployment, destination, wanted.canary_seconds)
        finally:
            await destination.close()

    async def _wait_until_up(
        self, destination: Destination, health: str, within_seconds: float
    ) -> str:
        """Returns why it is not up, in words; empty: it is."""
        if health:
            self._tell("Waiting for the health url to answer 2xx.")
            timeout_seconds = min(HEALTH_SECONDS, self._settings.timeout_seconds)
            check = HealthCheck(
                self._name, health, timeout_seconds=timeout_seconds, settings=self._settings
            )
            unready = await ready(check.fault, within_seconds=within_seconds)
            return f"the health url did not answer 2xx, {unready}" if unready else ""
        if isinstance(destination, Reachable):
            unready = await ready(destination.unreachable, within_seconds=within_seconds)
            return f"{self._name} did not come up, {unready}" if unready else ""
        return ""

    async def _send_canary(
        self, deployment: Deployment, destination: Destination, wait_seconds: float
    ) -> Proof:
        attempter = Attempter(destination, self._settings.retry, clock=self._clock, wall=self._wall)
        give_up_at_ms = self._clock.boottime_ms() + wait_seconds * 1_000
        while True:
            finished = await self._canary.send(attempter, deployment=deployment.deployment_id)
            if finished is not None:
                break
            if await self._is_held_by_person():
                return Proof(True, "a person holds it: no lead was tried")
            if self._clock.boottime_ms() >= give_up_at_ms:
                return Proof(True, "no lead waited: none was tried")
            await asyncio.sleep(LOOK_SECONDS)
        lead_id = finished.claim.lead_id
        if is_confirmed(finished):
            self._tell(f"{self._name} has taken lead {lead_id}")
            return Proof(True, canary_lead_id=lead_id)
        return Proof(False, f"the canary failed: {finished.outcome.error_message}", lead_id)

    async def _waits(
        self, deployment: Deployment, before: Backlog, *, confirmed: bool
    ) -> dict[str, int]:
        """How many leads had to wait for it, and how long the one that waited longest."""
        now = await self._store.backlog(self._name)
        waited = now.leads + confirmed
        since_ms = max(deployment.begun_at_ms, before.oldest_due_at_ms or now.oldest_due_at_ms or 0)
        spent_ms = self._clock.now_us() // 1_000 - since_ms
        lasted_ms = self._lasted_ms(deployment)
        longest_ms = min(max(spent_ms, 0), lasted_ms) if waited else 0
        return {"waited": waited, "longest_wait_ms": longest_ms}

    def _lasted_ms(self, deployment: Deployment) -> int:
        """How long it has been under way: by the boot clock, where that tells."""
        term = deployment.term
        if term.boot_id != self._clock.boot_id:
            return term.span_ms
        return self._clock.boottime_ms() - (term.until_boot_ms - term.span_ms)

    async def _is_held_by_person(self) -> bool:
        views = await self._store.destinations()
        return any(view.name == self._name and view.held_by_person for view in views)


def _held(why: str, canary_lead_id: str | None) -> Ending:
    """It stays held until a person resumes it, or another deployment succeeds."""
    return Ending(
        DeploymentResult.CANARY_FAILED,
        detail=why,
        canary_lead_id=canary_lead_id,
        keep_held_because=why,
    )


def _took_a_lead(ending: Ending) -> bool:
    failed = ending.result is DeploymentResult.CANARY_FAILED
    return ending.canary_lead_id is not None and not failed
