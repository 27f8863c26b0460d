"""The store protocol: every transition one verb, one transaction, whatever the engine.

All callers (worker, commands, API, pages) use these verbs and nothing else. An engine raises only
`StoreError`s and `UsageError`/`NotFound`; `StoreUnavailable` means that nothing was changed and the
call may be repeated.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol
from uuid import UUID

from leadkeep.models import (
    AbsorbBatch,
    AbsorbReport,
    AtStake,
    Circuit,
    CircuitEvent,
    CircuitMove,
    Claim,
    CopiesSettled,
    DeliveryView,
    DestinationView,
    Heading,
    LeadView,
    Outcome,
    Rate,
    Recorded,
    Replayed,
    Rerouted,
    SegmentProgress,
    Selection,
    SetAside,
    Standing,
    StoredRequest,
)
from leadkeep.states import Status, Verb
from leadkeep.store.asked import LiveAsk, LiveStanding, PingOutcome, PingView
from leadkeep.store.census import Cell, Census, StoredSegment
from leadkeep.store.deployments import DeploymentStore


class Store(DeploymentStore, Protocol):
    """The queue's truth."""

    async def close(self) -> None:
        """Finish what is under way and let go of the database."""

    # ------------------------------------------------------------ absorbing

    async def progress(self) -> dict[UUID, SegmentProgress]:
        """How far each known segment has been absorbed."""

    async def absorb(self, batch: AbsorbBatch) -> AbsorbReport:
        """Write leads, notices and position in one transaction, exactly once.

        Raises:
            RecordRefused: a constraint refused some lead; nothing was written.
        """

    async def adopt_unrouted(self, destinations: Sequence[str]) -> int:
        """Give leads that came while no destination existed to these; returns how many.

        At most a few thousand per call; call again until it returns 0.
        """

    # ------------------------------------------------------------ delivering

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

    # ------------------------------------------------------------ what is asked at once

    async def standings(self, asks: Sequence[LiveAsk]) -> list[LiveStanding]:
        """Where the deliveries stand that vendors wait for: one for each ask, in order.

        Changes nothing. Of what is completed it has the destination's reply.
        """

    async def is_held(self, destination: str) -> bool:
        """Whether a person lets this destination's leads wait."""

    async def record_pings(self, outcomes: Sequence[PingOutcome]) -> None:
        """Write what came of pings; the first word about a ping stays."""

    async def pings(
        self,
        *,
        limit: int,
        after: int | None = None,
        source: str | None = None,
        ping_id: str | None = None,
    ) -> list[PingView]:
        """Pings and what came of them, newest first; `after` is the last `number` of a page."""

    async def prune_pings(self, *, before_ms: int) -> int:
        """Forget pings that came before this time; returns how many.

        At most a few thousand per call; call again until it returns 0.
        """

    # ------------------------------------------------------------ steering

    async def circuits(self) -> dict[str, Circuit]:
        """The circuit of each destination whose circuit has ever moved."""

    async def move_circuit(self, destination: str, expected_version: int, new: CircuitMove) -> bool:
        """Move a circuit if it is still at this version (0: it has never moved).

        The version grows by one. What opens or closes becomes an event, in the same transaction.

        Returns:
            False: somebody else has moved it; nothing was changed, look again.
        """

    async def hasten(self, destination: str, *, tried_before_ms: int) -> int:
        """Make leads due now that wait for another try because their destination did not work.

        Those whose last try began before `tried_before_ms` and was no refusal of the lead
        itself (a 4xx other than 408, 425, 429). Returns how many; at most a few thousand per
        call, the earliest due first: call again until it returns 0.
        """

    async def permits_in_ms(self, destination: str, rates: Sequence[Rate]) -> int:
        """How long until a claim under these rates may give something; 0: it may now."""

    async def circuit_events(
        self, destination: str | None = None, *, limit: int = 100
    ) -> list[CircuitEvent]:
        """What opened and closed, newest first. The last thousand of each destination are kept."""

    # ------------------------------------------------------------ a person's verbs

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

    # ------------------------------------------------------------ looking

    async def counts(self) -> dict[Status, int]:
        """Deliveries by status, from maintained counters. Every status is a key."""

    async def destinations(self) -> list[DestinationView]:
        """Every destination that is held or has deliveries, with its queue's depth.

        Leads without destination stand under the name ``""``.
        """

    async def certificates_at_stake(self, *, now_ms: int, before_ms: int) -> AtStake:
        """Leads that are not settled and whose certificate of consent ends between these times."""

    async def find(
        self, selection: Selection, *, limit: int, after: int | None = None
    ) -> list[DeliveryView]:
        """Deliveries, newest first; `after` is the last `delivery_id` of the page before."""

    async def lead(self, ref: str) -> LeadView:
        """One lead by id or 13-digit number.

        Raises:
            NotFound: no lead has it.
        """

    async def notice_counts(self) -> dict[str, int]:
        """Probes, rejections and handshakes recorded, by kind."""

    async def query(self, sql: str, *, limit: int) -> tuple[list[str], list[tuple[Any, ...]]]:
        """Run one read-only SQL statement; returns column names and at most `limit` rows.

        Raises:
            UsageError: the statement is wrong, or would write.
        """

    # ------------------------------------------------------------ recovering

    async def copy_to(
        self, target: Path, *, progress: Callable[[int, int], None] | None = None
    ) -> None:
        """Copy the store as it is at one moment into a new file, durably; nobody waits for it.

        Args:
            progress: told how much is done, of how much, in parts of a size of the engine's own.
        """

    async def lead_mark(self) -> int:
        """A mark between the leads that are in the store now and those that come later."""

    async def replay(self, standings: Sequence[Standing], *, lead_mark: int) -> Replayed:
        """Bring deliveries to where a log says they stood, in the order given, one transaction.

        Deliveries are found by lead and destination, never by row. One that is completed stays
        so; a standing that is older than what the store knows changes nothing, unless it is a
        confirmation. A lead that had gone where today's configuration does not send it gets a
        delivery there. For a store that nobody else uses yet.

        Args:
            lead_mark: whatever is said of a lead that came after it is news.
        """

    async def flaws(self) -> list[str]:
        """What is wrong with the database itself, in words; nothing: an empty list.

        Reads all of it.
        """

    async def lead_count(self) -> int:
        """How many leads there are. Counts them."""

    async def requests(self, lead_ids: Sequence[str]) -> dict[str, StoredRequest]:
        """What the store has of these leads' requests, by id; a lead it has not is left out."""

    async def numbers_in_use(self, numbers: Sequence[int]) -> set[int]:
        """Those of these lead numbers that some lead has."""

    async def forgotten_segments(self) -> set[UUID]:
        """Segments that have left the archive."""

    # ------------------------------------------------------------ counting

    async def census(self) -> Census:
        """Every lead, counted once from the rows themselves, all of one moment."""

    async def stored_segment(self, segment: UUID) -> StoredSegment:
        """What is stored of one segment; nothing and not finished if it is not known."""

    async def whereabouts(self, lead_ids: Sequence[bytes]) -> dict[bytes, UUID]:
        """Under which segment each of these leads is stored; one that is not is left out.

        Args:
            lead_ids: 16 bytes each.
        """

    async def leads_of_groups(self, segment: UUID, offset: int, end: int) -> dict[Cell, int]:
        """Leads of a segment that came from groups that begin in this range of its file."""

    # ------------------------------------------------------------ keeping

    async def checkpoint(self) -> bool:
        """Bring everything committed into the database file; False: a reader is in the way."""

    async def unsettled(self, segment: UUID) -> int:
        """How many deliveries of a segment's leads are neither completed nor cancelled."""

    async def forget_segment(self, segment: UUID) -> None:
        """Note that a segment has left the archive; its counts stay."""

    async def highest_lead_number(self) -> int:
        """The highest lead number known; 0 if there is none."""
