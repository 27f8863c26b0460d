"""The door for programs: a lead that was never an HTTP request, taken by the same acceptance.

Invariant: when `push` returns, the lead is on stable storage, as after a 2xx at the door.
"""

import threading
from collections.abc import Callable, Mapping, Sequence

from leadkeep.clock import Clock
from leadkeep.errors import JournalUnavailable, NotFound, UsageError
from leadkeep.journal.base import JournalWriter
from leadkeep.journal.identity import LeadIds
from leadkeep.journal.numbers import LeadNumbers
from leadkeep.journal.records import encode
from leadkeep.models import Record, RecordFlag, RecordKind
from leadkeep.settings.model import Settings
from leadkeep.sources.routes import SourceTable

ACCEPTED = 200
_BREAKS = frozenset("\r\n\0")


def commit_to_first(journals: Sequence[JournalWriter], records: Sequence[bytes]) -> None:
    """Make encoded records durable, as one group, in the first journal that can.

    Raises:
        JournalUnavailable: none could; says why of each.
    """
    failed: list[str] = []
    for journal in journals:
        try:
            journal.commit(records)
        except JournalUnavailable as error:
            failed.append(str(error))
        else:
            return
    raise JournalUnavailable("; ".join(failed))


class Pusher:
    """Takes leads from a program. May be used by several threads.

    Args:
        journals: in order of preference; owned from now on.
        settings: for the sources and the largest body.
        ring: called after each commit.
    """

    def __init__(
        self,
        *,
        journals: Sequence[JournalWriter],
        numbers: LeadNumbers,
        settings: Settings,
        clock: Clock,
        ring: Callable[[], None],
    ) -> None:
        self._journals = tuple(journals)
        self._numbers = numbers
        self._settings = settings
        self._sources = SourceTable.of(settings)
        self._clock = clock
        self._ids = LeadIds(clock)
        self._ring = ring
        self._turn = threading.Lock()

    def push(
        self,
        body: bytes,
        *,
        source: str | None,
        method: str,
        target: str,
        headers: Mapping[str, str],
    ) -> Record:
        """Make one lead durable. Blocks on the disk.

        Args:
            body: exactly as it shall be delivered.
            source: as which source; None: as the target's path says.
            target: path and query, as if it had been posted there.

        Raises:
            JournalUnavailable: no journal could take it; it is not in the queue.
            NotFound: no such source is configured.
            UsageError: the body is too large, or a header or the target has a line break in it.
        """
        if self._numbers.needs_block():
            self._numbers.reserve()
        record = self._record(body, source, method, target, headers)
        encoded = encode(record)
        with self._turn:
            self._commit(encoded)
        self._ring()
        return record

    def close(self) -> None:
        """Seal the journals."""
        for journal in self._journals:
            journal.close()

    def _commit(self, encoded: bytes) -> None:
        try:
            commit_to_first(self._journals, [encoded])
        except JournalUnavailable as error:
            raise JournalUnavailable(
                f"the lead was not taken: {error}",
                hint="It is not in the queue. Mend the disk, then push it again.",
            ) from error

    def _record(
        self, body: bytes, source: str | None, method: str, target: str, headers: Mapping[str, str]
    ) -> Record:
        if len(body) > self._settings.intake.max_body_bytes:
            raise UsageError(
                f"the body has {len(body):,} bytes; "
                f"intake.max_body_bytes allows {self._settings.intake.max_body_bytes:,}"
            )
        lines = [f"{name}: {value}" for name, value in headers.items()]
        if any(_BREAKS & set(text) for text in (*lines, target, method)):
            raise UsageError("a header, the target or the method has a line break or NUL in it")
        raw_target = target.encode("utf-8")
        name = self._source_of(raw_target) if source is None else self._known(source)
        now_us = self._clock.now_us()
        return Record(
            kind=RecordKind.LEAD,
            lead_id=self._ids.next(now_us),
            lead_number=self._numbers.next(),
            received_at_us=now_us,
            flags=RecordFlag.PUSHED if name else RecordFlag.PUSHED | RecordFlag.NO_ROUTE,
            source=name,
            peer="",
            method=method,
            target=raw_target,
            headers="".join(f"{line}\r\n" for line in lines).encode("utf-8"),
            body=body,
            answer_status=ACCEPTED,
        )

    def _source_of(self, target: bytes) -> str:
        return self._sources.match(target.partition(b"?")[0]) or ""

    def _known(self, source: str) -> str:
        if source not in self._settings.sources:
            known = ", ".join(sorted(self._settings.sources)) or "none"
            raise NotFound(f"no source is called {source!r}", hint=f"Configured are: {known}.")
        return source
