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
        self._passing = False
        self._process: asyncio.subprocess.Process | None = None
        self._early: list[int] = []
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
    def passed_on(self) -> Iterator["Signals"]:
        """While the block runs, signals are for the command that is started in it."""
        self._passing = True
        try:
            yield self
        finally:
            self._passing, self._process = False, None

    def are_for(self, process: asyncio.subprocess.Process) -> None:
        """The command has started; what came meanwhile is for it too."""
        self._process = process
        for number in self._early:
            self._pass(process, number)
        self._early.clear()

    def _arrived(self, number: int) -> None:
        if not self._passing:
            self.stopped_by = number
            if self._task is not None:
                self._task.cancel()
        elif self._process is None:
            self._early.append(number)
        else:
            self._pass(self._process, number)

    @staticmethod
    def _pass(process: asyncio.subprocess.Process, number: int) -> None:
        if not _terminal_tells_all(number):
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(number)


async def run_passing(
    command: Sequence[str], signals: Signals, *, stdout: IO[str] | None = None
) -> int:
    """Run a command to its end; returns its exit code as a shell tells it.

    Args:
        stdout: where its output goes; None: where ours does.
    """
    with signals.passed_on():
        try:
            process = await asyncio.create_subprocess_exec(*command, stdout=stdout)
        except FileNotFoundError:
            say(f"error: there is no command {command[0]}")
            return NOT_FOUND
        except OSError as error:
            say(f"error: {command[0]} cannot be run: {error.strerror}")
            return NOT_ALLOWED
        signals.are_for(process)
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
