"""The verbs of deployments: begun, looked at, ended; each call one transaction."""

from functools import partial

from leadkeep.deployments import Backlog, Deployment, Ending, SwitchedUrl
from leadkeep.store.engine.hand import Hand
from leadkeep.store.transactions import deploying


class Slipway(Hand):
    """What a deployment asks of the store; see `store.deployments.DeploymentStore`."""

    async def begin_deployment(
        self, destination: str, *, actor: str, note: str, at_most_ms: int
    ) -> Deployment:
        """Begin a deployment, and with it its hold."""
        return await self._writer.transact(
            partial(
                deploying.begin,
                destination=destination,
                actor=actor,
                note=note,
                at_most_ms=at_most_ms,
                clock=self._clock,
            )
        )

    async def end_deployment(self, deployment: int, ending: Ending, *, actor: str) -> bool:
        """End a deployment with all that follows; False: it had ended already."""
        return await self._writer.transact(
            partial(
                deploying.end,
                deployment=deployment,
                ending=ending,
                actor=actor,
                clock=self._clock,
            )
        )

    async def deployment(self, deployment: int) -> Deployment:
        """One deployment, as it stands."""
        return await self._readers.look(
            partial(deploying.one, deployment=deployment, clock=self._clock)
        )

    async def deployments(
        self, destination: str | None = None, *, under_way: bool = False, limit: int = 50
    ) -> list[Deployment]:
        """Deployments, newest first."""
        return await self._readers.look(
            partial(
                deploying.several,
                destination=destination,
                under_way=under_way,
                limit=limit,
                clock=self._clock,
            )
        )

    async def under_way(self, destination: str) -> int:
        """How many deliveries of a destination are leased."""
        return await self._readers.look(partial(deploying.under_way, destination=destination))

    async def backlog(self, destination: str) -> Backlog:
        """What is due at a destination and waits."""
        return await self._readers.look(
            partial(deploying.backlog, destination=destination, now_ms=self._now_ms)
        )

    async def switched_urls(self) -> dict[str, SwitchedUrl]:
        """By destination: where leads go instead of the configured address."""
        return await self._readers.look(deploying.switched_urls)

    async def drop_switched_url(self, destination: str, *, reason: str, actor: str) -> bool:
        """Let leads go to the configured address again; False: they did already."""
        return await self._writer.transact(
            partial(
                deploying.drop_switched_url,
                destination=destination,
                reason=reason,
                actor=actor,
                now_ms=self._now_ms,
            )
        )
