"""The door's end of the line to the worker.

Invariant: nothing here waits. A question is on its way or is refused at once, and what has been
written and not taken is bounded, whatever state the worker is in.
"""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import cast

import structlog

from leadkeep.live.frames import ANSWER_MAX, ANSWERS, Answer, BadFrame, Incoming
from leadkeep.live.sockets import connect

UNSENT_MAX = 8 * 1024**2
"""Bytes of questions that a worker has not read; beyond, it is asked no more."""

log = structlog.get_logger("leadkeep.intake")


class Line(asyncio.Protocol):
    """One connection to a worker.

    Args:
        on_answer: called with each answer.
        on_lost: called once, when the line is gone.
    """

    def __init__(
        self, on_answer: Callable[[Answer], None], on_lost: Callable[["Line"], None]
    ) -> None:
        self._on_answer = on_answer
        self._on_lost = on_lost
        self._incoming = Incoming(ANSWERS, longest=ANSWER_MAX)
        self._transport: asyncio.WriteTransport | None = None
        self._early: list[bytes] = []
        """Questions of the moment before the transport is there."""
        self._is_lost = False
        self._opening: asyncio.Task[object] | None = None

    @classmethod
    def open(
        cls,
        folder: Path,
        on_answer: Callable[[Answer], None],
        on_lost: Callable[["Line"], None],
    ) -> "Line | None":
        """A line to the worker of this run folder; None: nobody listens there."""
        sock = connect(folder)
        if sock is None:
            return None
        line = cls(on_answer, on_lost)
        loop = asyncio.get_running_loop()
        # Connected already; what takes a turn of the loop is only the transport.
        line._opening = loop.create_task(loop.create_unix_connection(lambda: line, sock=sock))
        line._opening.add_done_callback(line._opened)
        return line

    def send(self, frame: bytes) -> bool:
        """Ask; False: the line is gone, or the worker does not keep up."""
        if self._is_lost:
            return False
        if self._transport is None:
            if sum(map(len, self._early)) + len(frame) > UNSENT_MAX:
                return False
            self._early.append(frame)
            return True
        if self._transport.get_write_buffer_size() + len(frame) > UNSENT_MAX:
            return False
        self._transport.write(frame)
        return not self._is_lost

    def close(self) -> None:
        """Let go of it."""
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The line is open."""
        self._transport = cast(asyncio.WriteTransport, transport)
        early, self._early = self._early, []
        if early:
            self._transport.write(b"".join(early))

    def data_received(self, data: bytes) -> None:
        """The worker says something."""
        try:
            for answer in self._incoming.take(data):
                self._on_answer(answer)
        except BadFrame as error:
            log.error("the worker's line is cut: it sent what is no answer", error=str(error))
            self.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """The worker is gone, or has let go."""
        if not self._is_lost:
            self._is_lost = True
            self._transport = None
            self._on_lost(self)

    def _opened(self, task: asyncio.Task[object]) -> None:
        self._opening = None
        if not task.cancelled() and (error := task.exception()) is not None:
            self.connection_lost(error if isinstance(error, Exception) else None)
