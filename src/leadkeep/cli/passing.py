"""A command that is run for somebody else: its output, its signals and its code pass through."""

import asyncio
import contextlib
import os
import signal
from collections.abc import Iterator, Sequence
from typing import IO

from leadkeep.cli.render import say

NOT_FOUND = 127
NOT_ALLOWED = 126
_PASSED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)


class Signals:
    """What the system tells this process: passed on while a command runs, else a wish to stop.

    Use it as a context, on the running loop, from the task that shall be stopped.
    """

    def __init__(self) -> None:
        self.stopped_by: int | None = None
        """The signal by which the task was told to stop."""
        self._process: asyncio.subprocess.Process | None = None
        self._task: asyncio.Task[object] | None = None

    def __enter__(self) -> "Signals":
        loop = asyncio.get_running_loop()
        self._task = asyncio.current_task()
        for number in _PASSED:
            loop.add_signal_handler(number, self._arrived, number)
        return self

    def __exit__(self, *exception: object) -> None:
        loop = asyncio.get_running_loop()
        for number in _PASSED:
            loop.remove_signal_handler(number)

    @contextlib.contextmanager
    def passed_to(self, process: asyncio.subprocess.Process) -> Iterator[None]:
        """While the block runs, signals are the process's."""
        self._process = process
        try:
            yield
        finally:
            self._process = None

    def _arrived(self, number: int) -> None:
        if self._process is None:
            self.stopped_by = number
            if self._task is not None:
                self._task.cancel()
        elif not _terminal_tells_all(number):
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(number)


async def run_passing(
    command: Sequence[str], signals: Signals, *, stdout: IO[str] | None = None
) -> int:
    """Run a command to its end; returns its exit code as a shell tells it.

    Args:
        stdout: where its output goes; None: where ours does.
    """
    try:
        process = await asyncio.create_subprocess_exec(*command, stdout=stdout)
    except FileNotFoundError:
        say(f"error: there is no command {command[0]}")
        return NOT_FOUND
    except OSError as error:
        say(f"error: {command[0]} cannot be run: {error.strerror}")
        return NOT_ALLOWED
    with signals.passed_to(process):
        code = await process.wait()
    return code if code >= 0 else 128 - code


def _terminal_tells_all(number: int) -> bool:
    """A key pressed at the terminal reaches every process of the group, the command too."""
    if number not in (signal.SIGINT, signal.SIGQUIT):
        return False
    try:
        terminal = os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        return os.tcgetpgrp(terminal) == os.getpgrp()
    except OSError:
        return False
    finally:
        os.close(terminal)
