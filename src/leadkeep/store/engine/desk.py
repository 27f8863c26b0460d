"""A person's verbs over any number of deliveries: picked beside the writer, changed in chunks."""

from collections.abc import Awaitable, Callable, Sequence
from functools import partial

import msgspec

from leadkeep.errors import UsageError
from leadkeep.models import Selection
from leadkeep.states import Status, Verb
from leadkeep.store.engine.hand import Hand, distinct
from leadkeep.store.transactions import operating, settling_copies
from leadkeep.store.transactions.selecting import END, Picker, is_lead_id
from leadkeep.terms import term_of

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

    async def hold_destination(
        self, name: str, *, reason: str, actor: str, for_ms: int | None = None
    ) -> None:
        """Let its leads wait, without using up tries; see `Store.hold_destination`."""
        await self._writer.transact(
            partial(
                operating.hold_destination,
                name=name,
                reason=reason,
                actor=actor,
                term=None if for_ms is None else term_of(for_ms, self._clock),
                now_ms=self._now_ms,
            )
        )

    async def resume_destination(self, name: str, *, actor: str) -> int | None:
        """Deliver to it again, whoever holds it; see `Store.resume_destination`."""
        return await self._writer.transact(
            partial(operating.resume_destination, name=name, actor=actor, clock=self._clock)
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

    async def deliver_anyway(self, refs: Sequence[str], *, unlink: bool, actor: str) -> int:
        """Deliver copies as leads of their own; see `Store.deliver_anyway`."""
        return await self._writer.transact(
            partial(
                settling_copies.deliver_anyway,
                lead_ids=[ref.lower() for ref in refs if is_lead_id(ref)],
                lead_numbers=[int(ref) for ref in refs if not is_lead_id(ref)],
                unlink=unlink,
                actor=actor,
                now_ms=self._now_ms,
            )
        )
