"""The verbs that lead elsewhere than planned: set aside, stand in, reroute.

What they decide is told to the log of outcomes before they return, as a person's decisions are:
without it a store that is lost would forget which destination had been given up for which.
"""

from collections.abc import Sequence
from functools import partial

from leadkeep.models import Decision, Heading, Recorded, Rerouted, SetAside
from leadkeep.store.engine.hand import Hand
from leadkeep.store.transactions import redirecting


class Redirect(Hand):
    """Each call one transaction."""

    async def set_aside(self, refused: Sequence[SetAside], *, actor: str) -> list[Recorded]:
        """Hold claims that cannot be sent at all; see `Store.set_aside`."""
        changed = await self._writer.transact(
            partial(redirecting.set_aside, refused=refused, actor=actor, now_ms=self._now_ms)
        )
        await self._tell(changed.decisions)
        return changed.recorded

    async def stand_in(
        self,
        destination: str,
        fallback: str,
        *,
        failing_before_ms: int,
        untried_before_ms: int | None,
        reason: str,
        actor: str,
    ) -> int:
        """Give leads to a fallback; see `Store.stand_in`."""
        decisions = await self._writer.transact(
            partial(
                redirecting.stand_in,
                destination=destination,
                fallback=fallback,
                failing_before_ms=failing_before_ms,
                untried_before_ms=untried_before_ms,
                reason=reason,
                actor=actor,
                now_ms=self._now_ms,
            )
        )
        await self._tell(decisions)
        return len(decisions) // 2

    async def reroute(
        self, headings: Sequence[Heading], *, actor: str, dry_run: bool = False
    ) -> Rerouted:
        """Bring leads to where today's routes send them; see `Store.reroute`."""
        if dry_run:
            return await self._readers.look(partial(redirecting.plan, headings=headings))
        rerouted, decisions = await self._writer.transact(
            partial(redirecting.reroute, headings=headings, actor=actor, now_ms=self._now_ms)
        )
        await self._tell(decisions)
        return rerouted

    async def _tell(self, decisions: Sequence[Decision]) -> None:
        if decisions and self._on_decided is not None:
            await self._on_decided(decisions)
