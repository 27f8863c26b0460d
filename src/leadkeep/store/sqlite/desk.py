"""A person's verbs over any number of deliveries: picked beside the writer, changed in chunks."""

from collections.abc import Awaitable, Callable, Sequence
from functools import partial

import msgspec

from leadkeep.errors import UsageError
from leadkeep.models import Selection
from leadkeep.states import Status, Verb
from leadkeep.store.sqlite import operating, steering
from leadkeep.store.sqlite.hand import Hand, distinct
from leadkeep.store.sqlite.selecting import END, Picker

_COUNTED_AT_ONCE = 5_000


class Desk(Hand):
    """What a person decides, each chunk one transaction."""

    async def apply(
        self,
        verb: Verb,
        selection: Selection,
        *,
        reason: str,
        actor: str,
        limit: int | None = None,
        dry_run: bool = False,
    ) -> int:
        """HOLD, RESUME, RETRY or CANCEL what is selected; see `Store.apply`."""
        statuses = operating.statuses_to_visit(verb, selection.statuses)
        routed_only = verb in {Verb.RESUME, Verb.RETRY}

        async def change(deliveries: list[int], status: Status) -> int:
            decided = await self._writer.transact(
                partial(
                    operating.apply,
                    verb=verb,
                    deliveries=deliveries,
                    before=status,
                    reason=reason,
                    actor=actor,
                    now_ms=self._now_ms,
                )
            )
            if decided and self._on_decided is not None:
                await self._on_decided(decided)
            return len(decided)

        if selection.is_empty:
            raise UsageError("nothing is selected")
        return await self._walk(
            selection, statuses, None if dry_run else change, limit, routed_only=routed_only
        )

    async def route(
        self,
        selection: Selection,
        destinations: Sequence[str],
        *,
        actor: str,
        limit: int | None = None,
        dry_run: bool = False,
    ) -> int:
        """Give selected deliveries without destination these ones; see `Store.route`."""
        names = distinct(destinations)

        async def change(deliveries: list[int], _status: Status) -> int:
            return await self._writer.transact(
                partial(
                    operating.route,
                    deliveries=deliveries,
                    destinations=names,
                    actor=actor,
                    now_ms=self._now_ms,
                )
            )

        nowhere = msgspec.structs.replace(selection, destinations=("",))
        statuses = [s for s in operating.ROUTABLE if s in (selection.statuses or Status)]
        if selection.is_empty:
            raise UsageError("nothing is selected")
        return await self._walk(nowhere, statuses, None if dry_run else change, limit)

    async def hold_destination(self, name: str, *, reason: str, actor: str) -> None:
        """Let its leads wait, without using up tries, until it is resumed."""
        await self._set_destination_state(name, held=True, reason=reason, actor=actor)

    async def resume_destination(self, name: str, *, actor: str) -> None:
        """Deliver to it again; a circuit that is open begins to ramp."""
        await self._set_destination_state(name, held=False, reason="", actor=actor)
        await self._writer.transact(
            partial(steering.vouch, destination=name, actor=actor, clock=self._clock)
        )

    async def _set_destination_state(
        self, name: str, *, held: bool, reason: str, actor: str
    ) -> None:
        await self._writer.transact(
            partial(
                operating.set_destination_state,
                name=name,
                held=held,
                reason=reason,
                actor=actor,
                now_ms=self._now_ms,
            )
        )

    async def _walk(
        self,
        selection: Selection,
        statuses: Sequence[Status],
        change: Callable[[list[int], Status], Awaitable[int]] | None,
        limit: int | None,
        *,
        routed_only: bool = False,
    ) -> int:
        """Pick page after page beside the writer, and change each; returns how many changed.

        Args:
            change: takes ids and the status they were seen in; None: only count.
        """
        picker = await self._readers.look(
            partial(Picker, selection=selection, routed_only=routed_only)
        )
        size = _COUNTED_AT_ONCE if change is None else operating.CHUNK
        done = 0
        for status in statuses:
            after = END
            while limit is None or done < limit:
                wanted = size if limit is None else min(size, limit - done)
                page = await self._readers.look(
                    partial(picker.page, status=status, after=after, limit=wanted)
                )
                if not page:
                    break
                after = page[-1]
                ids = [place.delivery for place in page]
                done += len(ids) if change is None else await change(ids, status)
        return done
