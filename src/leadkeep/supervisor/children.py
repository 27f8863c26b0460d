"""The child processes by number: started, signalled, noticed when ready and when gone."""

import os
import selectors
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import NamedTuple

from leadkeep.supervisor.generation import Generation


class _Process(NamedTuple):
    popen: "subprocess.Popen[bytes]"
    since: str


class Children:
    """All children of one supervisor.

    Args:
        command: how `leadkeep` is started.
        config_args: the same options for each.
        environ: variables, to which each generation adds its own.
        selector: the supervisor's loop; `data` of what is registered is called without arguments.
        on_ready: called with a child's number when it says that it serves.
    """

    def __init__(
        self,
        command: Sequence[str],
        config_args: Sequence[str],
        environ: Mapping[str, str],
        selector: selectors.BaseSelector,
        on_ready: Callable[[int], None],
    ) -> None:
        self._command = tuple(command)
        self._config_args = tuple(config_args)
        self._environ = environ
        self._selector = selector
        self._on_ready = on_ready
        self._processes: dict[int, _Process] = {}
        self._ready_pipes: dict[int, int] = {}
        # Children hold the read end; nobody but this process ever holds the write end, so that its
        # end tells them of our death however it comes.
        self._parent_read, self._parent_write = os.pipe()

    def start(self, number: int, role: str, generation: Generation) -> int:
        """Start a child; returns its process id.

        Raises:
            OSError: it could not be started.
        """
        ready_read, ready_write = os.pipe()
        handover = generation.handover(role, ready=ready_write, parent=self._parent_read)
        try:
            popen = subprocess.Popen(  # noqa: S603 # our own program
                [*self._command, role, "--handover", handover.to_json(), *self._config_args],
                stdin=subprocess.DEVNULL,
                pass_fds=handover.descriptors(),
                env=generation.environment(self._environ),
                # Ctrl-C on a terminal reaches the supervisor alone, who then keeps the order; and
                # when the supervisor dies, no job control of the kernel's disturbs the draining.
                start_new_session=True,
            )
        except OSError:
            os.close(ready_read)
            raise
        finally:
            os.close(ready_write)
        since = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        self._processes[number] = _Process(popen, since)
        self._ready_pipes[number] = ready_read
        self._selector.register(ready_read, selectors.EVENT_READ, partial(self._heard, number))
        return popen.pid

    def send(self, number: int, what: signal.Signals) -> None:
        """Send a signal; nothing happens if the child is gone."""
        process = self._processes.get(number)
        if process:
            process.popen.send_signal(what)

    def gone(self) -> list[tuple[int, str]]:
        """The children that ended since the last call, and how, in words."""
        ended = [
            (number, code)
            for number, process in self._processes.items()
            if (code := process.popen.poll()) is not None
        ]
        for number, _ in ended:
            del self._processes[number]
            self._close_ready(number)
        return [(number, _in_words(code)) for number, code in ended]

    def pid(self, number: int) -> int | None:
        """Its process id; None if it does not run."""
        process = self._processes.get(number)
        return process.popen.pid if process else None

    def since(self, number: int) -> str | None:
        """When it was started, RFC 3339; None if it does not run."""
        process = self._processes.get(number)
        return process.since if process else None

    def close(self) -> None:
        """Let go of all pipes."""
        for number in list(self._ready_pipes):
            self._close_ready(number)
        os.close(self._parent_write)
        os.close(self._parent_read)

    def _heard(self, number: int) -> None:
        said = os.read(self._ready_pipes[number], 1)
        self._close_ready(number)
        if said:
            self._on_ready(number)

    def _close_ready(self, number: int) -> None:
        descriptor = self._ready_pipes.pop(number, None)
        if descriptor is not None:
            self._selector.unregister(descriptor)
            os.close(descriptor)


def _in_words(code: int) -> str:
    """How a process ended."""
    if code >= 0:
        return f"exit code {code}"
    try:
        return f"killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"killed by signal {-code}"
