"""Signals as something that a loop can wait for."""

import select
import signal
import socket
from types import FrameType, TracebackType

_WATCHED = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD)


def _noted(_number: int, _frame: FrameType | None) -> None:
    """Python has already written the number to the wakeup descriptor."""


class Signals:
    """While entered, the watched signals do nothing but arrive here. Main thread only."""

    def __init__(self) -> None:
        self._read, self._write = socket.socketpair()
        self._read.setblocking(False)
        self._write.setblocking(False)
        self._kept: list[int] = []

    def __enter__(self) -> "Signals":
        self._wakeup = signal.set_wakeup_fd(self._write.fileno(), warn_on_full_buffer=False)
        self._before = {number: signal.signal(number, _noted) for number in _WATCHED}
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for number, before in self._before.items():
            signal.signal(number, before)
        signal.set_wakeup_fd(self._wakeup)
        self._read.close()
        self._write.close()

    def fileno(self) -> int:
        """Readable when a signal came."""
        return self._read.fileno()

    def received(self) -> list[int]:
        """The signals that came since the last call."""
        kept, self._kept = self._kept, []
        try:
            return [*kept, *self._read.recv(4096)]
        except BlockingIOError:
            return kept

    def pause(self, seconds: float) -> bool:
        """Wait; False as soon as somebody asks to stop. Keeps what came for `received`."""
        select.select([self._read], [], [], seconds)
        self._kept = self.received()
        return not {signal.SIGTERM, signal.SIGINT}.intersection(self._kept)
