"""Tells people that the store cannot be used, without the store.

One small file keeps when it began and when it was told, so that a worker that starts again and
again does not tell it each time.
"""

import contextlib
from collections.abc import Callable
from pathlib import Path

import msgspec
import structlog

from leadkeep.alerts.incidents import Word
from leadkeep.alerts.letters import Writer, letter
from leadkeep.alerts.mail import MailServer
from leadkeep.errors import AlertsUndelivered, LeadkeepError
from leadkeep.models import Incident, Notice, Problem

_log = structlog.get_logger("leadkeep.alerts")


class _Kept(msgspec.Struct, frozen=True):
    """What the file holds."""

    since_ms: int
    told_at_ms: int
    told: int
    what: str


class LastResort:
    """Mails at once, past the outbox.

    Args:
        file: keeps what was told; its folder must last.
        now_ms: milliseconds since 1970.
        remind_ms: tell it again after so long; 0: never.
    """

    def __init__(
        self,
        file: Path,
        server: MailServer,
        writer: Writer,
        *,
        now_ms: Callable[[], int],
        remind_ms: int,
    ) -> None:
        self._file = file
        self._server = server
        self._writer = writer
        self._now_ms = now_ms
        self._remind_ms = remind_ms

    async def trouble(self, error: LeadkeepError) -> None:
        """The store cannot be used. Never raises."""
        now_ms = self._now_ms()
        before = self._read()
        if before is not None:
            due = self._remind_ms and not 0 <= now_ms - before.told_at_ms < self._remind_ms
            if not due:
                return
        kept = _Kept(
            since_ms=now_ms if before is None else before.since_ms,
            told_at_ms=now_ms,
            told=1 if before is None else before.told + 1,
            what=_described(error),
        )
        word = Word.FIRING if before is None else Word.STILL
        if await self._tell(word, kept, ended_ms=None):
            self._write(kept)

    async def well(self) -> None:
        """The store can be used. Never raises; costs nothing unless there was trouble."""
        before = self._read()
        if before is None:
            return
        now_ms = self._now_ms()
        kept = msgspec.structs.replace(before, told_at_ms=now_ms, told=before.told + 1)
        if await self._tell(Word.RESOLVED, kept, ended_ms=now_ms):
            with contextlib.suppress(OSError):
                self._file.unlink(missing_ok=True)

    async def _tell(self, word: Word, kept: _Kept, *, ended_ms: int | None) -> bool:
        now_ms = self._now_ms()
        reminds = ended_ms is None and self._remind_ms
        notice = Notice(
            word=word,
            incident=Incident(
                incident_id=0,
                version=0,
                problem=_problem(kept),
                fired_at_ms=kept.since_ms,
                seen_at_ms=now_ms,
                told_at_ms=now_ms,
                told=kept.told,
                resolved_at_ms=ended_ms,
            ),
            next_reminder_ms=now_ms + self._remind_ms if reminds else None,
        )
        try:
            await self._server.send([letter(self._writer, notice, now_ms=now_ms)])
        except AlertsUndelivered as error:
            _log.warning("an alert could not be mailed", error=str(error), hint=error.hint)
            return False
        return True

    def _read(self) -> _Kept | None:
        try:
            return msgspec.json.decode(self._file.read_bytes(), type=_Kept)
        except (OSError, msgspec.MsgspecError):
            return None

    def _write(self, kept: _Kept) -> None:
        """Keep it, as well as the disk allows: lost, it is told once more."""
        draft = self._file.with_name(self._file.name + ".new")
        try:
            draft.write_bytes(msgspec.json.encode(kept))
            draft.replace(self._file)
        except OSError as error:
            _log.warning("what was told cannot be kept", error=error.strerror)


def _problem(kept: _Kept) -> Problem:
    return Problem(
        kind="store",
        subject="",
        urgent=True,
        what="the store cannot be used: nothing is delivered",
        safe="Yes: the door goes on taking leads into the journal, and they are delivered once the "
        "store can be used.",
        since_ms=kept.since_ms,
        measured=kept.what,
        threshold="it should be usable",
        command=("status",),
    )


def _described(error: LeadkeepError) -> str:
    return f"{error}. {error.hint}" if error.hint else str(error)
