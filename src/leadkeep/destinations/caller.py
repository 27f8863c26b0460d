"""One process that calls people's code, as the worker sees it: started, asked, killed.

Invariant: whatever happens to the process, the one call under way ends with an answer or with
`Ended`, and nothing is left of the process after `close`.
"""

import asyncio
import contextlib
import os
import signal
import socket
import sys
from collections import deque

import msgspec

from leadkeep.destinations.calling import (
    LENGTH_BYTES,
    Answer,
    Broken,
    Ready,
    Start,
    frame,
    from_process,
)
from leadkeep.destinations.lead import Lead

FAREWELL_SECONDS = 2.0
"""A process that is no longer wanted may tidy up for so long."""
LAST_WORDS_SECONDS = 0.5
_Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
_LAST_WORDS_BYTES = 8 * 1024
_FRAME_MAX_BYTES = 4 * 1024**2


class Ended(Exception):
    """The process ended in the middle of a call; `str()` says how.

    Attributes:
        last_words: what it, or what it had started, wrote to standard output and error.
    """

    def __init__(self, how: str, last_words: bytes) -> None:
        super().__init__(how)
        self.last_words = last_words


class Unusable(Exception):
    """The process has started and found nothing to call."""

    def __init__(self, broken: Broken) -> None:
        super().__init__(broken.words)
        self.broken = broken


class Caller:
    """One process. Make it by `start`."""

    def __init__(
        self,
        process: asyncio.subprocess.Process,
        control: _Streams,
        output: _Streams,
    ) -> None:
        self._process = process
        self._reader, self._writer = control
        self._output, self._output_end = output
        self._written: deque[bytes] = deque()
        self._listening = asyncio.create_task(self._listen(), name="hear a Python process")
        self.calls = 0
        """Calls answered."""
        self.worn = False
        """It must not be asked again."""

    @classmethod
    async def start(cls, start: Start) -> "Caller":
        """Start a process and wait until its function is found; kill it if that is cancelled.

        Raises:
            Unusable: the function cannot be imported or called.
            Ended: the process ended before it was ready.
            OSError: no process can be started.
        """
        # Sockets, not the loop's own pipes: what it has forked may hold its ends for ever, and
        # ours must be closed all the same.
        control, its_control = socket.socketpair()
        output, its_output = socket.socketpair()
        with its_control, its_output:
            streams = [await asyncio.open_connection(sock=end) for end in (control, output)]
            try:
                process = await _spawn(its_control.fileno(), its_output.fileno())
            except BaseException:
                for _, writer in streams:
                    writer.close()
                raise
        caller = cls(process, *streams)
        try:
            said = await caller._ask(start)
            if isinstance(said, Broken):
                raise Unusable(said)
            if not isinstance(said, Ready):
                raise Ended("spoke out of turn", b"")
        except BaseException:
            caller.kill()
            await asyncio.shield(caller.close())
            raise
        return caller

    @property
    def alive(self) -> bool:
        """The process is still there."""
        return self._process.returncode is None

    async def call(self, lead: Lead) -> Answer:
        """Have the function called. If this is cancelled, the process must be killed.

        Raises:
            Ended: the process ended before it had answered.
        """
        said = await self._ask(lead)
        if not isinstance(said, Answer):
            raise Ended("spoke out of turn", b"")
        self.calls += 1
        self.worn = said.last
        return said

    def kill(self) -> None:
        """End it at once, with everything that it has started."""
        self.worn = True
        if self.alive:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)

    async def close(self) -> None:
        """Let it end, kill it if it does not, and let go of its pipes."""
        self._writer.close()
        try:
            async with asyncio.timeout(FAREWELL_SECONDS):
                await self._process.wait()
        except TimeoutError:
            self.kill()
            await self._process.wait()
        self._listening.cancel()
        await asyncio.wait([self._listening])
        for end in (self._writer, self._output_end):
            end.close()
            with contextlib.suppress(OSError):
                await end.wait_closed()

    async def _ask(self, message: msgspec.Struct) -> Ready | Broken | Answer:
        answering = asyncio.create_task(self._exchange(frame(message)))
        ending = asyncio.create_task(self._process.wait())
        try:
            # Both: what it has forked may keep the socket open long after it has gone.
            await asyncio.wait({answering, ending}, return_when=asyncio.FIRST_COMPLETED)
            if not answering.done():
                # Its answer may be on its way still: it is sent before it ends.
                await asyncio.wait({answering}, timeout=LAST_WORDS_SECONDS)
            if answering.done() and (said := answering.result()) is not None:
                return said
        finally:
            for task in (answering, ending):
                task.cancel()
            await asyncio.wait({answering, ending})
        raise await self._ended()

    async def _exchange(self, message: bytes) -> Ready | Broken | Answer | None:
        """Send and receive; None: there is nobody any more, or nobody who can be understood."""
        try:
            self._writer.write(message)
            await self._writer.drain()
            length = int.from_bytes(await self._reader.readexactly(LENGTH_BYTES), "big")
            if length <= _FRAME_MAX_BYTES:
                return from_process(await self._reader.readexactly(length))
        except (OSError, asyncio.IncompleteReadError, msgspec.DecodeError):
            pass
        return None

    async def _ended(self) -> Ended:
        self.worn = True
        try:
            async with asyncio.timeout(LAST_WORDS_SECONDS):
                await self._process.wait()
        except TimeoutError:
            self.kill()
            await self._process.wait()
            return Ended("closed its connection to Leadkeep", b"")
        await asyncio.wait({self._listening}, timeout=LAST_WORDS_SECONDS)
        code = self._process.returncode or 0
        how = f"exit code {code}"
        if code < 0:
            how = f"killed by {signal.Signals(-code).name}"
        return Ended(how, b"".join(self._written))

    async def _listen(self) -> None:
        """Take what is written to standard output and error, so that it never has to wait."""
        kept = 0
        with contextlib.suppress(OSError):
            while some := await self._output.read(_LAST_WORDS_BYTES):
                self._written.append(some)
                kept += len(some)
                while kept - len(self._written[0]) >= _LAST_WORDS_BYTES:
                    kept -= len(self._written.popleft())


async def _spawn(control: int, output: int) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-P",
        "-m",
        "leadkeep.destinations.callee",
        str(control),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=output,
        stderr=output,
        pass_fds=(control,),
        start_new_session=True,  # a signal to us is not for it, and one kill takes all
    )
