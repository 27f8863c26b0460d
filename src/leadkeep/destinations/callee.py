"""The process that calls people's code, one lead at a time: `python -m … SOCKET`.

Whatever the code does ends with this process at the worst: it is limited in memory, the first to
go when the machine has none left, and dies with the worker. It prints into a buffer that is kept
with a failed attempt, since what it prints may be personal.
"""

import asyncio
import contextlib
import ctypes
import importlib
import inspect
import io
import json
import os
import resource
import signal
import socket
import sys
import traceback
from collections.abc import Awaitable, Callable
from pathlib import Path

from leadkeep.destinations.calling import (
    LENGTH_BYTES,
    Answer,
    Broken,
    Ready,
    Start,
    frame,
    from_worker,
)
from leadkeep.destinations.lead import Lead, Refused, RetryLater

PRINTED_MAX_CHARS = 16 * 1024
_PR_SET_PDEATHSIG = 1
_FIRST_TO_GO = "1000"


class Printed(io.TextIOBase):
    """Takes what is printed and keeps the end of it."""

    def __init__(self) -> None:
        self._kept = ""

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        self._kept = (self._kept + text)[-PRINTED_MAX_CHARS:]
        return len(text)

    def take(self) -> str:
        """What was printed since it was last asked for."""
        kept, self._kept = self._kept, ""
        return kept


def main() -> None:
    """Import the function, then call it for every lead that comes, until nobody asks any more."""
    control = socket.socket(fileno=int(sys.argv[1]))
    # A program that the code starts must not keep the socket open after us.
    control.set_inheritable(False)
    start = _receive(control)
    if not isinstance(start, Start):
        return
    _bind_to_worker(start)
    sys.argv = [start.module]
    sys.path[:0] = start.path
    printed = Printed()
    sys.stdout = sys.stderr = printed
    found = _function(start)
    if isinstance(found, Broken):
        control.sendall(frame(found))
        return
    control.sendall(frame(Ready()))
    with asyncio.Runner() as runner:
        while isinstance(lead := _receive(control), Lead):
            answer = _call(found, lead, runner, printed, start.reply_max_bytes)
            control.sendall(frame(answer))
            if answer.last:
                return


def _bind_to_worker(start: Start) -> None:
    """Set what shall hold whatever the code does."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != start.parent:
        sys.exit()  # it died before we asked to be told
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(_FIRST_TO_GO, "ascii")
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    limit = start.memory_max_bytes
    if hard != resource.RLIM_INFINITY:
        limit = min(limit, hard)
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))


def _receive(control: socket.socket) -> Start | Lead | None:
    """The next message; None once the worker has closed its end."""
    length = _exactly(control, LENGTH_BYTES)
    packed = _exactly(control, int.from_bytes(length, "big")) if length else None
    return from_worker(packed) if packed else None


def _exactly(control: socket.socket, count: int) -> bytes | None:
    data = bytearray()
    while len(data) < count:
        some = control.recv(min(count - len(data), 1024**2))
        if not some:
            return None
        data += some
    return bytes(data)


def _function(start: Start) -> Callable[[Lead], object] | Broken:
    try:
        found: object = importlib.import_module(start.module)
    except BaseException as error:
        return _broken(f"cannot be imported ({type(error).__name__})", error, start)
    for name in start.function.split("."):
        try:
            found = getattr(found, name)
        except BaseException as error:
            return _broken(f"has no `{start.function}`", error, start)
    if not callable(found):
        words = f"has a `{start.function}` that cannot be called (type {type(found).__name__})"
        return Broken(words, "", b"")
    return found


def _broken(words: str, error: BaseException, start: Start) -> Broken:
    trace = _trace(error, "", start.reply_max_bytes)
    return Broken(words, "".join(traceback.format_exception_only(error)).strip(), trace)


def _call(
    function: Callable[[Lead], object],
    lead: Lead,
    runner: asyncio.Runner,
    printed: Printed,
    limit: int,
) -> Answer:
    printed.take()
    try:
        result = function(lead)
        if inspect.isawaitable(result):
            result = runner.run(_awaited(result))
    except BaseException as error:
        return _raised(error, _trace(error, printed.take(), limit))
    return _returned(result, limit)


async def _awaited(result: Awaitable[object]) -> object:
    return await result


def _returned(result: object, limit: int) -> Answer:
    if result is None or result is True:
        return Answer(True)
    if isinstance(result, dict):
        return Answer(True, body=_json(result)[:limit])
    if result is False:
        return Answer(False, "returned_false", "returned False")
    return Answer(
        False,
        "bad_return",
        f"returned a value of type {type(result).__name__}; None, True or a dict confirms",
    )


def _json(result: dict[object, object]) -> bytes:
    """A dict as recorded. The lead is taken whatever the dict looks like."""
    try:
        return json.dumps(result, default=repr, skipkeys=True).encode()
    except (ValueError, RecursionError):
        return json.dumps({"reply": "a dict that contains itself"}).encode()


def _raised(error: BaseException, trace: bytes) -> Answer:
    match error:
        case RetryLater():
            return Answer(
                False,
                "retry_later",
                "asked to be tried again later",
                trace,
                retry_after_seconds=max(error.seconds, 0.0),
            )
        case Refused():
            return Answer(False, "refused", "refused the lead", trace)
        case MemoryError():
            words = "used more memory than destinations.NAME.python.memory_max_bytes allows"
            return Answer(False, "memory", words, trace, last=True)
        case SystemExit():
            return Answer(False, "exited", "called sys.exit()", trace, last=True)
        case _:
            return Answer(False, "raised", f"raised {type(error).__name__}", trace)


def _trace(error: BaseException, printed: str, limit: int) -> bytes:
    """The traceback from the code's own first line, and what was printed; the end of it counts."""
    below = error.__traceback__.tb_next if error.__traceback__ else None
    while below and below.tb_frame.f_globals.get("__name__", "").startswith("importlib"):
        below = below.tb_next
    text = "".join(traceback.format_exception(type(error), error, below))
    if printed:
        text = f"Printed:\n{printed.rstrip()}\n\n{text}"
    return text.encode("utf-8", "backslashreplace")[-limit:] if limit else b""


if __name__ == "__main__":
    main()
