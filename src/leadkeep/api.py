"""The queue for programs: `from leadkeep import Queue`.

Synchronous and typed. A queue runs its own event loop in a thread of its own, so it works in
scripts, web frameworks and notebooks alike. It uses the same verbs of the store and the same
acceptance as everything else, beside a running `leadkeep serve` or without one.
"""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping
from concurrent.futures import Future
from contextlib import AsyncExitStack
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, TypeVar
from uuid import UUID

import msgspec

from leadkeep import app
from leadkeep.errors import UsageError
from leadkeep.models import (
    Circuit,
    CircuitEvent,
    DeliveryView,
    DestinationView,
    LeadView,
    Record,
    Selection,
)
from leadkeep.settings.model import Settings
from leadkeep.states import Status, Verb

if TYPE_CHECKING:
    from leadkeep.intake.push import Pusher
    from leadkeep.recovery.ledger import Ledger
    from leadkeep.store.base import Store

Result = TypeVar("Result")

PAGE = 500
"""Deliveries fetched at a time while iterating."""


class Queue:
    """One installation's leads and deliveries.

    Open it by `Queue.open()` and close it after use; best in a `with` block. All methods may be
    called from any thread. They block: from asynchronous code call them by `asyncio.to_thread`.

    Args:
        settings: of the installation; `Queue.open` finds them.
        actor: who acts, for the log of actions.
    """

    def __init__(self, settings: Settings, *, actor: str = "python") -> None:
        self.settings = settings
        self._actor = actor
        self._loop = _LoopThread()
        self._resources = AsyncExitStack()
        self._store: Store | None = None
        self._pusher: Pusher | None = None
        self._opening = asyncio.Lock()
        self._closed = False

    @classmethod
    def open(
        cls,
        config: Path | str | None = None,
        *,
        actor: str = "python",
        **overrides: object,
    ) -> "Queue":
        """Open by configuration, as a command would.

        Args:
            config: the file; without it `leadkeep.toml` in the current folder, if there is one.
            actor: who acts, for the log of actions.
            overrides: settings, with `__` for each dot: `data="/srv/leads"`,
                `worker__default_region="GB"`. They override file and environment.

        Raises:
            SettingsError: names every wrong key.
        """
        flags = {key.replace("__", "."): value for key, value in overrides.items()}
        return cls(app.load_settings(None if config is None else Path(config), flags), actor=actor)

    # ------------------------------------------------------------ looking

    def pending(self) -> Iterator[DeliveryView]:
        """Deliveries that wait, newest first."""
        return self.find(Selection(statuses=(Status.PENDING,)))

    def failed(self) -> Iterator[DeliveryView]:
        """Deliveries that failed for good and wait for a person, newest first."""
        return self.find(Selection(statuses=(Status.FAILED,)))

    def held(self) -> Iterator[DeliveryView]:
        """Deliveries set aside, by a person or by quarantine, newest first."""
        return self.find(Selection(statuses=(Status.HELD,)))

    def find(self, selection: Selection) -> Iterator[DeliveryView]:
        """Deliveries that match, newest first, fetched page by page while you iterate.

        What changes meanwhile is seen or not; no delivery comes twice.
        """
        after: int | None = None
        while True:
            page = self._page(selection, after)
            yield from page
            if len(page) < PAGE:
                return
            after = page[-1].delivery_id

    def counts(self) -> dict[Status, int]:
        """Deliveries by status; every status is a key."""
        return self._with_store(lambda store: store.counts())

    def destinations(self) -> list[DestinationView]:
        """Every destination that is held or has deliveries; leads without one under ``""``."""
        return self._with_store(lambda store: store.destinations())

    def circuits(self) -> dict[str, Circuit]:
        """The circuit of each destination whose circuit ever opened, by name."""
        return self._with_store(lambda store: store.circuits())

    def circuit_events(
        self, destination: str | None = None, *, limit: int = 100
    ) -> list[CircuitEvent]:
        """When circuits opened and closed, and why, newest first."""
        return self._with_store(lambda store: store.circuit_events(destination, limit=limit))

    def lead(self, ref: str | int) -> LeadView:
        """One lead, whole, by id or 13-digit number.

        Raises:
            NotFound: no lead has it; one accepted a moment ago may not be in the store yet.
        """
        return self._with_store(lambda store: store.lead(_ref(ref)))

    def ledger(self) -> "Ledger":
        """Every lead received and what became of it, as `leadkeep ledger` tells it."""
        return self._call(app.ledger(self.settings))

    # ------------------------------------------------------------ deciding

    def retry(self, what: "What", *, reason: str = "") -> int:
        """Try again at once: pending, failed or cancelled deliveries. Returns how many.

        Args:
            what: a lead's id or number, a delivery or lead as returned here, or a `Selection`.
            reason: shown beside the delivery; no personal data.

        Raises:
            NotFound: no lead has this id or number.
            UsageError: the selection is empty; `Selection(everything=True)` means all.
        """
        return self._apply(Verb.RETRY, what, reason)

    def cancel(self, what: "What", *, reason: str = "") -> int:
        """Decide that deliveries shall not be made; as `retry`."""
        return self._apply(Verb.CANCEL, what, reason)

    def hold(self, what: "What", *, reason: str = "") -> int:
        """Set deliveries aside until resumed; as `retry`."""
        return self._apply(Verb.HOLD, what, reason)

    def resume(self, what: "What", *, reason: str = "") -> int:
        """Let held deliveries go; as `retry`."""
        return self._apply(Verb.RESUME, what, reason)

    def hold_destination(self, name: str, *, reason: str = "") -> None:
        """Let a destination's leads wait, without using up tries, until it is resumed."""
        self._with_store(
            lambda store: store.hold_destination(name, reason=reason, actor=self._actor)
        )

    def resume_destination(self, name: str) -> None:
        """Deliver to it again; if its circuit is open, begin to, few leads at a time."""
        self._with_store(lambda store: store.resume_destination(name, actor=self._actor))

    # ------------------------------------------------------------ pushing

    def push(
        self,
        body: bytes | str,
        *,
        source: str | None = None,
        method: str = "POST",
        target: str = "/",
        content_type: str = "application/json",
        headers: Mapping[str, str] | None = None,
    ) -> "PushedLead":
        """Put a lead into the queue by the same acceptance as at the door.

        When it returns, the lead is on stable storage, even if the store cannot be reached now.

        Args:
            body: the payload, exactly as it shall be delivered; text is encoded as UTF-8.
            source: as which source; None: as its `target` says.
            method: HTTP method it is delivered with.
            target: path and query, as if it had been posted there.
            content_type: the payload's.
            headers: further headers to deliver.

        Raises:
            JournalUnavailable: it could not be made durable, and is not in the queue.
        """
        raw = body.encode() if isinstance(body, str) else body
        every = {"Content-Type": content_type, **(headers or {})}

        async def accept() -> Record:
            pusher = await self._opened_pusher()
            return await asyncio.to_thread(
                pusher.push, raw, source=source, method=method, target=target, headers=every
            )

        record = self._call(accept())
        return PushedLead(str(UUID(bytes=record.lead_id)), record.lead_number)

    # ------------------------------------------------------------ life

    def close(self) -> None:
        """Let go of the store. Further calls are refused; closing twice does nothing."""
        if self._closed:
            return
        self._closed = True
        try:
            self._loop.call(self._resources.aclose())
        finally:
            self._loop.stop()

    def __enter__(self) -> "Queue":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _page(self, selection: Selection, after: int | None) -> list[DeliveryView]:
        return self._with_store(lambda store: store.find(selection, limit=PAGE, after=after))

    def _apply(self, verb: Verb, what: "What", reason: str) -> int:
        selection = _selection(what)

        async def apply(store: "Store") -> int:
            for ref in selection.refs:
                await store.lead(ref)
            return await store.apply(verb, selection, reason=reason, actor=self._actor)

        return self._with_store(apply)

    def _with_store(self, use: "Callable[[Store], Awaitable[Result]]") -> Result:
        async def opened_and_used() -> Result:
            return await use(await self._opened())

        return self._call(opened_and_used())

    async def _opened(self) -> "Store":
        """The store, opened by the first call that needs it: pushing works without one."""
        async with self._opening:
            store = self._store
            if store is None:
                opening = app.open_store(self.settings)
                self._store = store = await self._resources.enter_async_context(opening)
            return store

    async def _opened_pusher(self) -> "Pusher":
        async with self._opening:
            pusher = self._pusher
            if pusher is None:
                # Opening and closing wait for the disk: not in the loop's thread.
                opening = app.open_pusher(self.settings)
                self._pusher = pusher = await asyncio.to_thread(opening.__enter__)
                self._resources.push_async_callback(
                    asyncio.to_thread, opening.__exit__, None, None, None
                )
            return pusher

    def _call(self, work: Coroutine[object, object, Result]) -> Result:
        if self._closed:
            work.close()
            raise UsageError("this queue is closed", hint="Open another by Queue.open().")
        return self._loop.call(work)


class PushedLead(msgspec.Struct, frozen=True):
    """A lead that is durable."""

    lead_id: str
    lead_number: int
    """13 digits; 0 if none could be reserved: it is numbered when it is absorbed."""


What = str | int | DeliveryView | LeadView | Selection
"""How one may say which deliveries are meant: a number, an id, what was looked at, a selection."""


def _selection(what: What) -> Selection:
    if isinstance(what, Selection):
        return what
    if isinstance(what, DeliveryView):
        destinations = () if what.destination is None else (what.destination,)
        return Selection(refs=(what.lead_id,), destinations=destinations)
    return Selection(refs=(what.lead_id if isinstance(what, LeadView) else _ref(what),))


def _ref(ref: str | int) -> str:
    return f"{ref:013d}" if isinstance(ref, int) else ref


class _LoopThread:
    """An event loop in a thread of its own, and calls into it from others."""

    def __init__(self) -> None:
        started: Future[asyncio.AbstractEventLoop] = Future()
        self._thread = threading.Thread(
            target=self._run, args=(started,), name="leadkeep-queue", daemon=True
        )
        self._thread.start()
        self._loop = started.result()

    @staticmethod
    def _run(started: Future[asyncio.AbstractEventLoop]) -> None:
        with asyncio.Runner() as runner:
            loop = runner.get_loop()
            started.set_result(loop)
            loop.run_forever()

    def call(self, work: Coroutine[object, object, Result]) -> Result:
        """Run it there and wait; what interrupts the wait (Ctrl-C) ends the work too."""
        running = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return running.result()
        except BaseException:
            running.cancel()
            raise

    def stop(self) -> None:
        """End the loop and its thread."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
