"""From journal to store, exactly once.

A pass reads every segment of every journal onward from where the store has it, in batches; the
store writes a batch's leads and the segment's new position in one transaction, and only if the
position is still the one that was read from. A crash at any point therefore repeats or does
nothing, and two absorbers beside each other absorb each record once.

Nothing stops it: what the store refuses is quarantined, what is damaged is named and passed over,
and while the store is away the journal simply grows.
"""

import asyncio
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import ParamSpec, TypeVar

import msgspec

from leadkeep.absorber.making import LeadMaker
from leadkeep.absorber.reading import BATCH_LEADS, SegmentReading
from leadkeep.absorber.segments import OpenSegment, Segments
from leadkeep.absorber.trouble import DOUBT_PAUSE_MS, Troubles
from leadkeep.absorber.turn import Turn
from leadkeep.absorber.watch import watch
from leadkeep.absorber.writing import Absorbed, Writing
from leadkeep.clock import Clock
from leadkeep.errors import StoreError
from leadkeep.journal.base import JournalReader
from leadkeep.journal.doorbell import Doorbell
from leadkeep.sources.contact import ContactReader
from leadkeep.sources.order import OrderReader
from leadkeep.sources.routes import SourceTable
from leadkeep.sources.routing import Routes
from leadkeep.sources.vendor import Vendor
from leadkeep.store.base import Store

__all__ = ["Absorbed", "Absorber"]

LIST_EVERY_MS = 1_000
_TURN_SECONDS = 30.0
_TURN_OF_A_THREAD_SECONDS = 0.0003
_MOST_OVERTAKEN = 100
_MOST_DOUBTS = 40
"""Ten seconds: what is still in doubt then is left to the next call."""

_P = ParamSpec("_P")
_T = TypeVar("_T")


class Absorber:
    """Absorbs journals into the store.

    Args:
        readers: one for each journal.
        store: where leads go.
        sources: whose leads go where.
        contacts: reads payloads.
        clock: for the age of what is absorbed, and for pauses after failures.
        lock_path: file in the run folder by which absorbers take turns.
        on_absorbed: called in the loop after each transaction that brought leads; must be quick.
        archive: reads the archive, for a store that was set back behind what is archived.
        vendors: what is known of each source's vendor.
        orders: reads which leads stand in a line with others; None: none do.
        conditional: sources whose leads are routed one by one.
        node: this machine, among those that share the store; empty: none does.
    """

    def __init__(
        self,
        *,
        readers: Sequence[JournalReader],
        store: Store,
        sources: SourceTable,
        contacts: ContactReader,
        clock: Clock,
        lock_path: Path,
        on_absorbed: Callable[[], None],
        archive: JournalReader | None = None,
        vendors: Mapping[str, Vendor] = MappingProxyType({}),
        orders: OrderReader | None = None,
        conditional: Mapping[str, Routes] | None = None,
        node: str = "",
    ) -> None:
        self.troubles = Troubles(clock)
        """Which segments are damaged, and which were read whole."""
        self._store = store
        self._clock = clock
        self._maker = LeadMaker(sources, contacts, vendors, conditional, orders)
        self._segments = Segments(readers, archive, node)
        self._writing = Writing(store, self.troubles, clock, on_absorbed)
        self._on_absorbed = on_absorbed
        self._turn = Turn(lock_path)
        self._pass = asyncio.Lock()
        # One thread of our own: the loop's shared ones may all be waiting for something else.
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="absorber")
        self._listed_at_ms: int | None = None
        self._believed = False

    def details(self) -> Mapping[str, object]:
        """How absorbing stands, for the admin listener. Quick; from any thread."""
        return {
            "absorbed": msgspec.to_builtins(self._writing.totals),
            "open_segments": len(self._segments),
            "damaged": self.troubles.details(),
        }

    @property
    def totals(self) -> Absorbed:
        """What this process has absorbed so far."""
        return self._writing.totals

    def close(self) -> None:
        """Let go of the reading thread, and of what the readers hold."""
        self._thread.shutdown(wait=True, cancel_futures=True)
        # Not in this thread: its loop may be running, and connections have one of their own.
        with ThreadPoolExecutor(max_workers=1, thread_name_prefix="absorber") as last:
            last.submit(self._segments.close).result()

    async def run(self, stop: asyncio.Event, doorbell: Doorbell | None) -> None:
        """Absorb what comes until `stop` is set, at each ring and at least four times a second."""

        async def news() -> bool:
            return not (await self.absorb_news()).busy

        await watch(news, stop, doorbell)

    async def absorb_available(
        self, limit: int | None = None, *, wait_seconds: float = _TURN_SECONDS
    ) -> Absorbed:
        """Absorb everything that is durable when this begins.

        Args:
            limit: stop after about so many leads, at the end of a batch.
            wait_seconds: how long to wait while another process absorbs.

        Raises:
            AlreadyRunning: another process has been absorbing all this time.
            StoreError: the store cannot be written; what was absorbed before stays absorbed.
        """
        done = Absorbed()
        async with self._pass, self._turn.taken(wait_seconds) as ours:
            if not ours:
                return Absorbed(busy=True)
            for _ in range(_MOST_DOUBTS):
                done.failed = 0
                await self._absorb(done, limit, patiently=True)
                if not any(segment.in_doubt for segment in self._segments.with_news()):
                    break
                await asyncio.sleep(DOUBT_PAUSE_MS / 1_000)
        return done

    async def absorb_news(self) -> Absorbed:
        """A pass as a ring asks for it: looks at folders only if no known segment has news.

        Does nothing while another process absorbs.

        Raises:
            StoreError: the store cannot be written.
        """
        done = Absorbed()
        async with self._pass, self._turn.taken(0) as ours:
            if ours:
                await self._absorb(done, None, patiently=False)
            done.busy = not ours
        return done

    # ------------------------------------------------------------ one pass

    async def _absorb(self, done: Absorbed, limit: int | None, *, patiently: bool) -> None:
        if not self._believed:
            await self._believe()
        await self._look(done, closely=patiently)
        for segment in self._segments.with_news():
            if not patiently and segment.retry_at_ms > self._clock.boottime_ms():
                continue
            try:
                await self._absorb_segment(segment, done, limit)
            except StoreError:
                raise
            except Exception as error:  # whatever is wrong with one must not stop the others
                done.failed += 1
                self._listed_at_ms = None
                if segment.info.path.exists():
                    self.troubles.unreadable(segment, error)
            if _reached(limit, done):
                done.more = bool(self._segments.with_news())
                return

    async def _look(self, done: Absorbed, *, closely: bool) -> None:
        """Find out which segments have news; `closely`: by looking at every folder."""
        now_ms = self._clock.boottime_ms()
        stale = self._listed_at_ms is None or abs(now_ms - self._listed_at_ms) >= LIST_EVERY_MS
        if not closely and not stale and await self._in_thread(self._segments.look):
            return
        self._listed_at_ms = now_ms
        for error in await self._in_thread(self._segments.list_folders):
            # The other journals are listed; this one is looked at again in the next pass.
            done.failed += 1
            self.troubles.unlistable(error)
        if any(map(self.troubles.is_news, self._segments.missing())):
            # Unless another process has finished it since we asked.
            await self._believe()
            for progress in self._segments.missing():
                self.troubles.missing(progress)

    async def _believe(self) -> None:
        self._segments.believe(await self._store.progress())
        self._believed = True

    async def _absorb_segment(
        self, segment: OpenSegment, done: Absorbed, limit: int | None
    ) -> None:
        for _ in range(_MOST_OVERTAKEN):
            if await self._read_on(segment, done, limit):
                return
            # Another absorber was faster: go on from where it got. It told only its own process.
            self.troubles.interrupted(segment)
            await self._believe()
            self._on_absorbed()
            if segment not in self._segments.with_news():
                return

    async def _read_on(self, segment: OpenSegment, done: Absorbed, limit: int | None) -> bool:
        """Absorb a segment's batches in order; False if another absorber moved its position."""
        durable = segment.info.durable
        believed = self.troubles.believed(segment)
        most_leads = BATCH_LEADS if limit is None else max(1, min(limit, BATCH_LEADS))
        self.troubles.begins(segment)
        reading = SegmentReading(
            segment.reader, segment.info, segment.progress, self._maker, believed
        )
        doubted = False
        with _quick_turns():
            ahead = self._in_thread(reading.next_chunk, most_leads)
            try:
                while (chunk := await ahead) is not None:
                    # The next one is read while the store writes this one.
                    ahead = self._in_thread(reading.next_chunk, most_leads)
                    if not await self._writing.take(segment, chunk, done):
                        return False
                    self._segments.moved(segment)
                    doubted = chunk.doubt is not None
                    if _reached(limit, done):
                        return True
            finally:
                ahead.cancel()
                # In the same thread, so after a step that is still running.
                self._thread.submit(reading.close)
        segment.failures = 0
        segment.in_doubt = doubted
        if not doubted:
            segment.read_to = durable
        return True

    def _in_thread(
        self, call: Callable[_P, _T], *args: _P.args, **_: _P.kwargs
    ) -> "asyncio.Future[_T]":
        return asyncio.get_running_loop().run_in_executor(self._thread, call, *args)


@contextmanager
def _quick_turns() -> Iterator[None]:
    """Let the threads that read and write take the interpreter from each other sooner.

    By default one that was let go of it for a system call gets it back from a busy one only after
    5 ms, and the store makes some twenty such calls for a batch that it writes in 15 ms.
    """
    before = sys.getswitchinterval()
    sys.setswitchinterval(min(before, _TURN_OF_A_THREAD_SECONDS))
    try:
        yield
    finally:
        sys.setswitchinterval(before)


def _reached(limit: int | None, done: Absorbed) -> bool:
    return limit is not None and done.leads + done.already_known >= limit
