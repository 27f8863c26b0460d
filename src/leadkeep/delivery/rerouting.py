"""Brings stored leads to where today's routes send them, when a person asks for it.

A changed configuration moves nothing by itself: leads that wait were routed by what was true when
they came. Invariant: what is completed, cancelled or under way stays as it is.
"""

from collections.abc import Sequence
from itertools import groupby

import msgspec

from leadkeep.models import DeliveryView, Heading, RecordFlag, Rerouted, Selection
from leadkeep.sources.routing import Request, Router
from leadkeep.states import Disposition, Status
from leadkeep.store.base import Store

PAGE = 200
"""Deliveries looked at for one transaction."""

MOVABLE = (Status.PENDING, Status.HELD, Status.FAILED)
"""Statuses in which a delivery may be moved."""


class Rerouter:
    """Routes stored leads anew.

    Args:
        store: where they are.
        router: today's routes.
        actor: who asks, for the log of actions.
    """

    def __init__(self, store: Store, router: Router, *, actor: str) -> None:
        self._store = store
        self._router = router
        self._actor = actor

    async def reroute(self, selection: Selection, *, dry_run: bool = False) -> Rerouted:
        """Route selected leads anew, page by page; broken off, the next run goes on from there.

        Args:
            selection: what of it may be moved, is.
            dry_run: count only.

        Raises:
            StoreError: the store could not be used.
        """
        meant = [status for status in MOVABLE if status in (selection.statuses or MOVABLE)]
        if not meant:
            return Rerouted()
        chosen = msgspec.structs.replace(selection, statuses=tuple(meant))
        total = Rerouted()
        after: int | None = None
        while page := await self._store.find(chosen, limit=PAGE, after=after):
            page = _whole_leads(page)
            after = page[-1].delivery_id
            headings = await self._headings(page)
            total = _sum(
                total, await self._store.reroute(headings, actor=self._actor, dry_run=dry_run)
            )
        return total

    async def _headings(self, page: Sequence[DeliveryView]) -> list[Heading]:
        requests = await self._store.requests(list({view.lead_id for view in page}))
        headings = []
        for lead_id, views in groupby(page, key=lambda view: view.lead_id):
            stored = requests.get(lead_id)
            if stored is None or stored.erased:
                continue
            route = self._router.today(Request.of(stored), RecordFlag(stored.flags))
            reason = route.hold_reason
            if route.disposition is Disposition.UNROUTED:
                reason = "there is no destination"
            headings.append(
                Heading(
                    lead_id=lead_id,
                    deliveries=tuple(view.delivery_id for view in views),
                    destinations=route.destinations,
                    hold_reason=reason,
                )
            )
        return headings


def _whole_leads(page: list[DeliveryView]) -> list[DeliveryView]:
    """A full page without its last lead, of which the next page may have more."""
    last = page[-1].lead_id
    whole = [view for view in page if view.lead_id != last]
    return whole if whole and len(page) == PAGE else page


def _sum(one: Rerouted, other: Rerouted) -> Rerouted:
    return Rerouted(
        leads=one.leads + other.leads,
        sent=one.sent + other.sent,
        cancelled=one.cancelled + other.cancelled,
        held=one.held + other.held,
    )
