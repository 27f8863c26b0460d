"""The verbs by which people decide about deliveries and destinations."""

from collections.abc import Sequence
from typing import Protocol

from leadkeep.models import Heading, Rerouted, Selection
from leadkeep.states import Verb


class DecidingStore(Protocol):
    """Decisions, each with who made it."""

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
        """HOLD, RESUME, RETRY or CANCEL every selected delivery on which `verb` is allowed.

        Works in chunks, each a transaction. RESUME and RETRY of a delivery without destination
        need `route` first and are not counted.

        Args:
            reason: shown beside the delivery; no personal data.
            actor: who asked, for the log of actions.
            limit: at most so many.
            dry_run: count only.

        Raises:
            UsageError: the selection is empty, or the verb is not a person's.
        """

    async def route(
        self,
        selection: Selection,
        destinations: Sequence[str],
        *,
        actor: str,
        limit: int | None = None,
        dry_run: bool = False,
    ) -> int:
        """Give selected deliveries that have no destination these ones; returns how many.

        Their status stays: what is held waits for RESUME. A lead for several destinations gets
        a delivery for each.

        Raises:
            UsageError: the selection or `destinations` is empty.
        """

    async def deliver_anyway(self, refs: Sequence[str], *, unlink: bool, actor: str) -> int:
        """Deliver copies as leads of their own, due at once; returns how many leads.

        Args:
            refs: lead ids or numbers; those that are no copies are not counted.
            unlink: forget, too, what they are copies of.
            actor: who asked, for the log of actions.

        Raises:
            UsageError: a reference is neither an id nor a number.
        """

    async def reroute(
        self, headings: Sequence[Heading], *, actor: str, dry_run: bool = False
    ) -> Rerouted:
        """Bring the selected deliveries of some leads to where today's routes send them.

        One transaction. What is completed, cancelled or under way is never moved, nor sent to
        its destination again; a lead is never left without any delivery that is not cancelled.
        """

    async def hold_destination(
        self, name: str, *, reason: str, actor: str, for_ms: int | None = None
    ) -> None:
        """Let its leads wait, without using up tries, until it is resumed.

        Args:
            for_ms: it ends by itself after so long, by the boot clock; None: it does not.
        """

    async def resume_destination(self, name: str, *, actor: str) -> int | None:
        """Deliver to it again, whoever holds it.

        A circuit that is open begins to ramp: a person vouches for it.

        Returns:
            The deployment that was under way and is abandoned by this; None: there was none.
        """
