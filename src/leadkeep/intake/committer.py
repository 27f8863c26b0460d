"""Group commit: while one commit runs, what arrives gathers; then it goes, all of it, in the next.

Invariant: items are settled in the order in which they were submitted, each exactly once: as
durable only after some journal has said so, else as not durable once every journal has failed or
hung past its deadline. At most one batch is on its way at a time, so order needs no bookkeeping.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

import structlog

from leadkeep.intake.lane import Lane
from leadkeep.intake.metrics import Counts
from leadkeep.journal.base import JournalWriter

_PROOF_SECONDS = 1.0
_QUIET_SECONDS = 10.0

Item = TypeVar("Item")

log = structlog.get_logger("leadkeep.intake")


class Batch(Generic[Item]):
    """What is committed together, and where that stands."""

    __slots__ = ("items", "lane", "records", "since", "size", "tried")

    def __init__(self, items: list[Item], records: list[bytes], size: int) -> None:
        self.items = items
        self.records = records
        self.size = size
        self.lane: Lane | None = None
        self.tried: list[Lane] = []
        self.since = 0.0


class Committer(Generic[Item]):
    """Commits to the first journal that does it in time.

    Args:
        journals: in order of preference; each gets a thread of its own.
        deadline_seconds: how long one journal may take for one batch, and takes by itself. It is
            passed over an eighth later.
        batch_max_bytes: at most this much goes into one commit, but always one record.
        settle: called in the loop with a batch's items, and whether they are durable.
        proof: makes the record by which a journal that failed is tried again.
    """

    def __init__(
        self,
        journals: Sequence[JournalWriter],
        *,
        deadline_seconds: float,
        batch_max_bytes: int,
        settle: Callable[[Sequence[Item], bool], None],
        proof: Callable[[], bytes],
        counts: Counts,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self.lanes = [Lane(journal, self._loop, self._on_done) for journal in journals]
        self._tick = deadline_seconds / 8
        # A little longer than the journal's own patience, so that it never publishes, for
        # acknowledged, what has been answered 503 here.
        self._patience = deadline_seconds + self._tick
        self._batch_max = batch_max_bytes
        self._settle = settle
        self._proof = proof
        self._counts = counts
        self._items: list[Item] = []
        self._records: list[bytes] = []
        self._gathered = 0
        self.waiting_bytes = 0
        """Bytes of records submitted and not settled yet."""
        self._current: Batch[Item] | None = None
        self._scheduled = False
        self._watching = False
        self._complained_at = float("-inf")
        self._drained: asyncio.Event | None = None

    def submit(self, item: Item, record: bytes) -> None:
        """Settle `item` once `record` is durable or cannot be made so.

        Args:
            record: empty: the item waits only for its turn.
        """
        self._items.append(item)
        self._records.append(record)
        size = len(record)
        self._gathered += size
        self.waiting_bytes += size
        if self._current is None:
            self._schedule()

    async def drain(self) -> None:
        """Wait until everything submitted is settled."""
        while self._current is not None or self._items:
            self._drained = asyncio.Event()
            await self._drained.wait()

    async def close(self, timeout_seconds: float) -> None:
        """Close every journal in its thread; a hung one is left behind."""
        for lane in self.lanes:
            lane.close()
        for lane in self.lanes:
            try:
                await asyncio.wait_for(lane.closed.wait(), timeout_seconds)
            except TimeoutError:
                log.error("a hung journal is left behind", journal=lane.name)

    # ------------------------------------------------------------ one batch after the other

    def _schedule(self) -> None:
        """Not at once: what else this turn of the loop brings shall be in the same commit."""
        if not self._scheduled:
            self._scheduled = True
            self._loop.call_soon(self._dispatch)

    def _dispatch(self) -> None:
        self._scheduled = False
        if self._current is not None or not self._items:
            return
        batch = self._take()
        self._current = batch
        if batch.records:
            self._place(batch)
        else:
            self._finish_soon(batch, durable=True)

    def _take(self) -> Batch[Item]:
        """The items gathered so far, as many as fit one commit."""
        items, records, size = self._items, self._records, self._gathered
        if size <= self._batch_max:
            self._items, self._records, self._gathered = [], [], 0
        else:
            count, size = 1, len(records[0])
            while count < len(records) and size + len(records[count]) <= self._batch_max:
                size += len(records[count])
                count += 1
            self._items, items = items[count:], items[:count]
            self._records, records = records[count:], records[:count]
            self._gathered -= size
        return Batch(items, [record for record in records if record], size)

    def _place(self, batch: Batch[Item]) -> None:
        """Give the batch to the best journal that it has not tried; none left: it fails."""
        now = self._loop.time()
        untried = [lane for lane in self.lanes if lane not in batch.tried]
        idle = [lane for lane in untried if not lane.busy]
        lane = next((lane for lane in idle if lane.trusted), idle[0] if idle else None)
        if lane is not None:
            batch.tried.append(lane)
            batch.lane, batch.since = lane, now
            if lane is not self.lanes[0]:
                self._counts.fallback_commits += 1
            lane.commit(batch, batch.records)
        elif any(not self._is_hung(lane, now) for lane in untried):
            # Busy, for instance with its proof, and not overdue: worth waiting for.
            batch.lane, batch.since = None, now
        else:
            batch.lane, batch.since = None, now
            self._finish_soon(batch, durable=False)
            return
        self._watch()

    def _is_hung(self, lane: Lane, now: float) -> bool:
        return lane.busy and now - lane.started >= self._patience

    def _finish_soon(self, batch: Batch[Item], *, durable: bool) -> None:
        # Not at once: the batch before may be about to be settled, and comes first.
        self._loop.call_soon(self._finish, batch, durable)

    def _finish(self, batch: Batch[Item], durable: bool) -> None:
        if batch is not self._current:
            return
        self._current = None
        self.waiting_bytes -= batch.size
        if not durable:
            self._complain()
        self._settle(batch.items, durable)
        # Then what these answers bring back in the same turn of the loop: under load that makes
        # fewer and larger commits than sending off at once what has gathered so far.
        self._schedule()
        if self._drained is not None and self._current is None and not self._items:
            self._drained.set()

    def _complain(self) -> None:
        now = self._loop.time()
        if now - self._complained_at >= _QUIET_SECONDS:
            self._complained_at = now
            log.error(
                "no journal can take leads: they are answered 503",
                journals={lane.name: lane.last_error for lane in self.lanes},
            )

    # ------------------------------------------------------------ what journals say

    def _on_done(self, lane: Lane, done: object, error: Exception | None) -> None:
        now = self._loop.time()
        in_time = now - lane.started < self._patience
        if error is not None:
            self._distrust(lane, "failed", error)
        elif in_time and not lane.trusted:
            lane.trusted, lane.last_error = True, ""
            log.info("the journal is used again", journal=lane.name)
        current = self._current
        if current is not None and current.records:
            if done is current and error is None:
                # Also if its deadline had passed meanwhile: durable is durable.
                self._counts.note_commit(lane.took, len(current.records), current.size)
                self._finish(current, durable=True)
            elif current.lane is None or (done is current and current.lane is lane):
                self._place(current)
        if not lane.trusted and not lane.proof_due:
            lane.proof_due = True
            self._loop.call_later(0.0 if error is None else _PROOF_SECONDS, self._prove, lane)

    def _distrust(self, lane: Lane, how: str, error: Exception | None = None) -> None:
        lane.passed_over += 1
        self._counts.journal_failures += 1
        if lane.trusted:
            lane.trusted = False
            lane.last_error = str(error) if error is not None else "it does not answer"
            log.error("a journal is passed over", journal=lane.name, why=how, error=lane.last_error)

    def _prove(self, lane: Lane) -> None:
        """Try a journal that failed with a record of its own, beside the leads' way."""
        lane.proof_due = False
        if not lane.trusted and not lane.busy:
            lane.commit(None, [self._proof()])

    # ------------------------------------------------------------ deadlines

    def _watch(self) -> None:
        if not self._watching:
            self._watching = True
            self._loop.call_later(self._tick, self._look)

    def _look(self) -> None:
        """Pass over the journal that holds up the current batch; one timer for all batches."""
        self._watching = False
        batch = self._current
        if batch is None:
            return
        if self._loop.time() - batch.since >= self._patience:
            if batch.lane is not None:
                self._distrust(batch.lane, "took too long")
            self._place(batch)
        if self._current is not None:
            self._watch()
