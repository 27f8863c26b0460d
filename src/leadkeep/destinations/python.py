"""A destination that is a Python function, called in processes of its own.

At least once, as every destination: the function is given the idempotency key. Whatever it does
(raise, hang, exit, crash, leak) costs its own attempt and nothing else.
"""

import asyncio
import os
from pathlib import Path

from leadkeep.clock import Clock
from leadkeep.destinations.base import Reply
from leadkeep.destinations.caller import Caller, Ended, Unusable
from leadkeep.destinations.calling import Answer, Start
from leadkeep.destinations.lead import Lead
from leadkeep.errors import SettingsError
from leadkeep.models import Claim
from leadkeep.settings.model import DestinationSettings
from leadkeep.settings.targets import python_names

START_SECONDS = 60.0
"""A process must have imported the function in this time; the attempt's own begins after it."""
_JSON = b"Content-Type: application/json\r\n"
_TEXT = b"Content-Type: text/plain; charset=utf-8\r\n"


class PythonDestination:
    """Calls a function for each lead. See `destinations.base.Destination`.

    Args:
        name: its name in the settings.
        settings: url, options and limits.
        clock: not needed; every kind of destination is made alike.

    Raises:
        SettingsError: the url does not name a function.
    """

    def __init__(self, name: str, settings: DestinationSettings, *, clock: Clock) -> None:
        names = python_names(settings.url)
        if names is None:
            raise SettingsError(
                f"destinations.{name}.url = {settings.url}: names no function",
                hint="Write it like python:package.module:function.",
            )
        self._name = name
        self._where = ":".join(names)
        self._timeout_seconds = settings.timeout_seconds
        self._calls_per_process = settings.python.calls_per_process
        folders = settings.python.path or (Path.cwd(),)
        self._start = Start(
            module=names[0],
            function=names[1],
            path=tuple(str(folder.absolute()) for folder in folders),
            memory_max_bytes=settings.python.memory_max_bytes,
            reply_max_bytes=settings.reply_max_bytes,
            parent=os.getpid(),
        )
        self._turns = asyncio.Semaphore(settings.python.processes)
        self._idle: list[Caller] = []
        self._leaving: set[asyncio.Task[None]] = set()

    @property
    def name(self) -> str:
        return self._name

    async def attempt(self, claim: Claim) -> Reply:
        """Have the function called within the timeout; never raises but CancelledError."""
        async with self._turns:
            try:
                caller = await self._caller()
            except (TimeoutError, Unusable, Ended, OSError) as error:
                return self._not_started(error)
            try:
                async with asyncio.timeout(self._timeout_seconds):
                    answer = await caller.call(_lead(claim))
            except TimeoutError:
                caller.kill()
                words = f"{self._name} did not return within {self._timeout_seconds:g} s"
                return Reply(confirmed=False, error_class="timeout", error_message=words)
            except Ended as ended:
                words = f"the process that called {self._name} ended before it returned ({ended})"
                return _failed("crashed", words, ended.last_words)
            except BaseException:
                caller.kill()
                raise
            finally:
                self._put_back(caller)
        return self._answered(answer)

    async def examine(self) -> None:
        """Try to import the function, in a process of its own.

        Raises:
            SettingsError: it cannot be imported, or is no function.
        """
        key = f"destinations.{self._name}.url = python:{self._where}"
        try:
            async with asyncio.timeout(START_SECONDS):
                caller = await Caller.start(self._start)
        except Unusable as error:
            told = f": {error.broken.detail}" if error.broken.detail else ""
            raise SettingsError(
                f"{key}: {self._start.module} {error.broken.words}{told}",
                hint="Modules are looked for in " + ", ".join(self._start.path) + " first; "
                f"destinations.{self._name}.python.path names other folders.",
            ) from error
        except (TimeoutError, Ended, OSError) as error:
            how = f"not imported within {START_SECONDS:g} s"
            if not isinstance(error, TimeoutError):
                how = f"its process ended while importing it ({error})"
            raise SettingsError(
                f"{key}: {how}", hint="Importing it must have no effect."
            ) from error
        await caller.close()

    async def close(self) -> None:
        """End all processes."""
        idle, self._idle = self._idle, []
        await asyncio.gather(*(caller.close() for caller in idle), *self._leaving)

    async def _caller(self) -> Caller:
        """A process that has nothing to do, or a new one."""
        while self._idle:
            caller = self._idle.pop()
            if caller.alive:
                return caller
            self._let_go(caller)
        async with asyncio.timeout(START_SECONDS):
            return await Caller.start(self._start)

    def _put_back(self, caller: Caller) -> None:
        if caller.worn or caller.calls >= self._calls_per_process:
            self._let_go(caller)
        else:
            self._idle.append(caller)

    def _let_go(self, caller: Caller) -> None:
        leaving = asyncio.create_task(caller.close(), name=f"end a process of {self._name}")
        self._leaving.add(leaving)
        leaving.add_done_callback(self._leaving.discard)

    def _not_started(self, error: Exception) -> Reply:
        if isinstance(error, Unusable):
            broken = error.broken
            words = f"{self._start.module} {broken.words}"
            return _failed("import", f"{self._name} cannot be called: {words}", broken.trace)
        if isinstance(error, TimeoutError):
            words = f"{self._name} was not imported within {START_SECONDS:g} s"
            return _failed("import", words, b"")
        if isinstance(error, Ended):
            words = f"the process for {self._name} ended while importing it ({error})"
            return _failed("import", words, error.last_words)
        words = f"no process can be started for {self._name} ({type(error).__name__})"
        return _failed("internal", words, b"")

    def _answered(self, answer: Answer) -> Reply:
        if answer.confirmed:
            return Reply(confirmed=True, headers=_JSON if answer.body else b"", body=answer.body)
        return Reply(
            confirmed=False,
            error_class=answer.error_class,
            error_message=f"{self._name} {answer.words.replace('NAME', self._name)}",
            headers=_TEXT if answer.body else b"",
            body=answer.body,
            retry_after_seconds=answer.retry_after_seconds,
        )


def _failed(error_class: str, words: str, body: bytes) -> Reply:
    return Reply(
        confirmed=False,
        error_class=error_class,
        error_message=words,
        headers=_TEXT if body else b"",
        body=body,
    )


def _lead(claim: Claim) -> Lead:
    return Lead(
        lead_id=claim.lead_id,
        lead_number=claim.lead_number,
        source=claim.source,
        received_at_ms=claim.received_at_ms,
        attempt=claim.attempt,
        method=claim.method,
        target=claim.target,
        header_lines=claim.headers,
        body=claim.body,
        part=claim.part,
        parts=claim.parts,
    )
