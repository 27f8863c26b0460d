"""The verbs of the worker that delivers."""

from collections.abc import Sequence
from typing import Protocol

from leadkeep.models import Claim, CopiesSettled, Outcome, Rate, Recorded, SetAside


class DeliveringStore(Protocol):
    """Deliveries leased, tried and recorded."""

    async def claim(
        self,
        destination: str,
        *,
        limit: int,
        lease_ms: int,
        longest_wait_ms: int,
        worker: str,
        among: Sequence[int] | None = None,
        steady_since_ms: int | None = None,
        probe: int | None = None,
        rates: Sequence[Rate] = (),
        deployment: int | None = None,
    ) -> list[Claim]:
        """Lease up to `limit` due deliveries, oldest due first.

        Nothing is due at a held destination, nor while its circuit is open. A `next_attempt_at`
        further off than `longest_wait_ms` is due: the clock has jumped.
        Of leads in one line, none is due while another is under way, and a later one only when
        its patience has ended.

        Args:
            lease_ms: how long the lease lasts, by the boot clock.
            worker: who claims, for people.
            among: only first tries of these deliveries. None: whatever is due.
            steady_since_ms: since when wall time has not jumped: patience is counted from no
                earlier. None: nobody has watched it.
            probe: the version at which the circuit is half open for this caller: it gets leads,
                nobody else does. None: it is no probe.
            rates: each claim counts as an attempt that begins now; no more are given than all of
                these leave, over all workers.
            deployment: who claims is this deployment: its own hold is no hindrance, and once it
                has ended it gets nothing.
        """

    async def record(self, outcomes: Sequence[Outcome]) -> list[Recorded]:
        """Record attempts and move their deliveries, in the order given.

        Each attempt is recorded always. The delivery moves only if the fence is the latest and it
        is still processing; a success also completes a delivery that nobody has claimed since.
        """

    async def release(self, claims: Sequence[Claim]) -> int:
        """Return leases without having tried; returns how many were still ours."""

    async def set_aside(self, refused: Sequence[SetAside], *, actor: str) -> list[Recorded]:
        """Hold claims that cannot be sent at all, each with its reason, in the order given.

        No attempt is recorded and no try spent. A lease that is no longer ours moves nothing.
        """

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
        """Give the fallback leads whose destination has failed for too long; returns how many.

        The pending delivery is cancelled and a pending one to `fallback` stands in for it, in one
        transaction. At most a few hundred per call; call again until it returns 0. Leads that go
        to the fallback already, and those that are themselves a stand-in, stay where they are;
        while a person holds either destination, or has held this one since `failing_before_ms`,
        all do.

        Args:
            failing_before_ms: the first try must have begun by then.
            untried_before_ms: also leads without any try that were due by then; None: not those.
            reason: shown beside what was cancelled.
        """

    async def renew(self, claims: Sequence[Claim], *, lease_ms: int) -> list[Claim]:
        """Prolong leases; returns the claims that are no longer ours."""

    async def rescue(self) -> int:
        """Return leases that ran out, or are of another boot, to pending; returns how many."""

    async def settle_copies(self) -> CopiesSettled:
        """Look what became of the originals of the copies that wait.

        A copy whose original is confirmed everywhere is cancelled, with the reason. One whose
        original a person has held or cancelled is no duplicate any more, and is held for a person.
        """

    async def next_due_at_ms(self, destination: str) -> int | None:
        """When the next pending delivery of a destination is due; None: none waits."""
