"""Records of what is no lead: probes, rejections, and the door's own trials.

Invariant: however many strangers knock, what is recorded of them in an hour is bounded for each
address and in all; the rest is counted.
"""

import msgspec

from leadkeep.clock import Clock
from leadkeep.intake.limits import NOTICES_IN_ALL, NOTICES_PER_ADDRESS
from leadkeep.intake.quota import Quota
from leadkeep.journal.identity import LeadIds
from leadkeep.journal.records import encode
from leadkeep.models import Record, RecordFlag, RecordKind


class Notices:
    """Makes such records.

    Args:
        header_bytes: target and headers are kept up to this length each.
    """

    def __init__(self, ids: LeadIds, clock: Clock, *, header_bytes: int) -> None:
        self._ids = ids
        self._clock = clock
        self._header_bytes = header_bytes
        self._quota = Quota(each=NOTICES_PER_ADDRESS, total=NOTICES_IN_ALL)

    def of_stranger(
        self,
        kind: RecordKind,
        *,
        peer: str,
        method: str,
        target: bytes,
        headers: bytes,
        status: int,
        detail: str,
        flags: int,
        now: float,
    ) -> bytes:
        """The record of a probe or rejection; empty if there were too many.

        Args:
            now: seconds of a clock that does not jump.
        """
        if not self._quota.take(peer, 1, now):
            return b""
        record = self._blank(kind, detail)
        return encode(
            msgspec.structs.replace(
                record,
                flags=RecordFlag(flags),
                peer=peer,
                method=method,
                target=target[: self._header_bytes],
                headers=headers[: self._header_bytes],
                answer_status=status,
            )
        )

    def of_our_own(self, detail: str) -> bytes:
        """A record that only tries whether a journal works."""
        return encode(self._blank(RecordKind.PROBE, detail))

    def _blank(self, kind: RecordKind, detail: str) -> Record:
        now_us = self._clock.now_us()
        return Record(
            kind=kind,
            lead_id=self._ids.next(now_us),
            lead_number=0,
            received_at_us=now_us,
            flags=RecordFlag.NONE,
            source="",
            peer="",
            method="",
            target=b"",
            headers=b"",
            body=b"",
            answer_status=0,
            detail=detail,
        )
