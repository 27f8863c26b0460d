"""Answers that are waited for: after the commit the worker is asked, and a success is relayed.

Invariant: whoever waits here is answered exactly once, in its connection's order, and no later than
its source's `live_timeout_ms` after its record was durable: with what the destination said, or as
if nobody had been asked. Nothing here decides what becomes of a lead; it is in the journal.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path

import structlog

from leadkeep.intake.item import Awaited, Item, Sender
from leadkeep.intake.line import Line
from leadkeep.intake.live_routes import LiveRoute
from leadkeep.intake.metrics import Counts
from leadkeep.intake.replies import NOTHING_TAKEN, FixedReply, Reply, Taken
from leadkeep.intake.reply_table import UNAVAILABLE
from leadkeep.live.frames import ASK_MAX, Answer, Ask, framed

WAITING_MAX = 2_000
"""Vendors that wait at once; one more is answered as if nobody could be asked."""
RELAYED = "relayed"
_QUIET_SECONDS = 60.0

log = structlog.get_logger("leadkeep.intake")


class LiveDesk:
    """All vendors of one door that wait for a live answer. Lives in the loop.

    Args:
        run_folder: where the worker listens.
        settle: writes answers, as `Reception` does.
    """

    def __init__(
        self, run_folder: Path, settle: Callable[[Sequence[Item], bool], None], counts: Counts
    ) -> None:
        self._run_folder = run_folder
        self._settle = settle
        self._counts = counts
        self._loop = asyncio.get_running_loop()
        self._waiting: dict[int, Waiting] = {}
        """By number of the question."""
        self._asked = 0
        self._line: Line | None = None
        """Where new questions go; older lines may still owe answers."""
        self._is_closed = False
        self._complained_at = float("-inf")

    def __len__(self) -> int:
        return len(self._waiting)

    def ask(self, waiting: "Waiting") -> None:
        """Put a question to the worker; its answer, or the lack of one, ends the waiting."""
        kind = waiting.kind
        self._counts.live_asked[kind] += 1
        number = self._asked = self._asked + 1
        reason = self._send(waiting, number)
        if reason:
            self._fall_back(waiting, reason)
            return
        self._waiting[number] = waiting
        seconds = waiting.route.timeout_ms / 1_000
        waiting.timer = self._loop.call_later(seconds, self._expire, number)

    def give_up(self) -> None:
        """The door closes: whoever waits is answered now, and nobody is asked any more."""
        self._is_closed = True
        for number in list(self._waiting):
            self._fall_back(self._waiting.pop(number), "stopping")
        if self._line is not None:
            self._line.close()

    def _send(self, waiting: "Waiting", number: int) -> str:
        """Send the question; why it could not be, in a word, or nothing."""
        if self._is_closed:
            return "stopping"
        if len(self._waiting) >= WAITING_MAX:
            return "busy"
        if self._line is None:
            self._line = Line.open(self._run_folder, self._hear, self._lose)
        line = self._line
        if line is None:
            self._complain()
            return "no_worker"
        frame = framed(waiting.question_of(number))
        if len(frame) > ASK_MAX:
            return "too_large"
        waiting.line = line
        return "" if line.send(frame) else "busy"

    def _hear(self, answer: Answer) -> None:
        waiting = self._waiting.pop(answer.ask, None)
        if answer.reason == "stopping" and waiting is not None and waiting.line is self._line:
            # Its successor may listen already. What this one still owes comes over the old line.
            self._line = None
        if waiting is None:
            return  # Too late: answered already.
        if not 200 <= answer.status <= 299:
            self._fall_back(waiting, answer.reason or "failed")
            return
        self._end(waiting, RELAYED, _relayed(answer))

    def _lose(self, line: Line) -> None:
        if self._line is line:
            self._line = None
        lost = [number for number, one in self._waiting.items() if one.line is line]
        for number in lost:
            self._fall_back(self._waiting.pop(number), "no_worker")

    def _expire(self, number: int) -> None:
        waiting = self._waiting.pop(number, None)
        if waiting is not None:
            self._fall_back(waiting, "timeout")

    def _fall_back(self, waiting: "Waiting", reason: str) -> None:
        self._end(waiting, reason, waiting.reply)

    def _end(self, waiting: "Waiting", result: str, reply: Reply) -> None:
        if waiting.timer is not None:
            waiting.timer.cancel()
        self._counts.live_answers[waiting.kind, result] += 1
        self._counts.live_seconds.observe(self._loop.time() - waiting.since)
        waiting.answer(reply, self._settle)

    def _complain(self) -> None:
        now = self._loop.time()
        if now - self._complained_at >= _QUIET_SECONDS:
            self._complained_at = now
            log.warning(
                "no worker can be asked for live answers: leads are answered as queued, and pings "
                "with no bid",
                folder=str(self._run_folder),
            )


class Waiting(Awaited):
    """One vendor that waits.

    Args:
        sender: its connection; `outstanding` counts this request already.
        reply: what it gets if nobody answers.
        question: makes the question, given its number.
    """

    __slots__ = (
        "_desk",
        "_flags",
        "_question",
        "_sender",
        "_taken",
        "kind",
        "line",
        "reply",
        "route",
        "since",
        "timer",
    )

    def __init__(
        self,
        desk: LiveDesk,
        sender: Sender,
        *,
        route: LiveRoute,
        reply: Reply,
        flags: int,
        taken: Taken,
        question: Callable[[int, LiveRoute], Ask],
    ) -> None:
        self.item: Item | None = None
        self._desk = desk
        self._sender = sender
        self._flags = flags
        self._taken = taken
        self.kind = "ping" if route.is_ping else "lead"
        self.route = route
        self.reply = reply
        self._question: Callable[[int, LiveRoute], Ask] | None = question
        self.line: Line | None = None
        self.timer: asyncio.TimerHandle | None = None
        self.since = 0.0

    def question_of(self, number: int) -> Ask:
        """The question, which is then forgotten: a ping's bytes need not be kept while it waits."""
        assert self._question is not None
        question, self._question = self._question, None
        return question(number, self.route)

    def hear(self, durable: bool) -> None:
        """Its record's commit has ended. Called in its turn: what comes later waits behind it."""
        sender = self._sender
        if sender.held is None:
            sender.held = deque()
        sender.held.append(self)
        self.since = self._desk._loop.time()
        if not durable:
            self._taken = NOTHING_TAKEN
            self.answer(UNAVAILABLE, self._desk._settle)
            return
        try:
            self._desk.ask(self)
        except Exception:  # A bug here must cost neither this answer nor those of the batch.
            log.exception("the worker could not be asked")
            self.answer(self.reply, self._desk._settle)

    def answer(self, reply: Reply, settle: Callable[[Sequence[Item], bool], None]) -> None:
        """Answer, and then whatever waited behind this, up to the next that still waits."""
        if self.item is not None:
            return
        sender = self._sender
        self.item = (sender, reply, reply, self._flags, "", "", self._taken, None)
        held, sender.held = sender.held or deque(), None
        ready: list[Item] = []
        while held:
            first = held[0]
            item = first.item if isinstance(first, Awaited) else first
            if item is None:
                break
            ready.append(item)
            held.popleft()
        settle(ready, True)
        if held:
            sender.held = held


def _relayed(answer: Answer) -> Reply:
    return FixedReply(
        answer.status, answer.body, content_type=answer.content_type, headers=answer.headers
    )
