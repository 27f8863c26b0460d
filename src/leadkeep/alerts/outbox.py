"""Sends what waits to be told, until a mail server has it.

At least once: a notice is claimed for a while, sent, and then noted as sent; a sender that dies in
between leaves it to another, which sends the same mail with the same Message-ID.
"""

import asyncio
from collections import deque
from collections.abc import Sequence

import structlog

from leadkeep.alerts import metrics
from leadkeep.alerts.letters import Writer, digest, letter
from leadkeep.alerts.mail import MailServer
from leadkeep.clock import Clock
from leadkeep.errors import AlertsUndelivered
from leadkeep.models import QueuedNotice
from leadkeep.store.base import Store

LEASE_MS = 180_000
FIRST_PAUSE_MS = 30_000
LONGEST_PAUSE_MS = 3_600_000
_HOUR_MS = 3_600_000
_AT_ONCE = 200
_SINGLY = 3
"""More than so many at once come together in one mail."""

_log = structlog.get_logger("leadkeep.alerts")


class Outbox:
    """Claims, sends, notes.

    Args:
        server: takes the mails.
        writer: what all mails have in common.
        mails_per_hour: more wait, and then come together.
    """

    def __init__(
        self,
        store: Store,
        server: MailServer,
        writer: Writer,
        *,
        clock: Clock,
        mails_per_hour: int,
    ) -> None:
        self._store = store
        self._server = server
        self._writer = writer
        self._clock = clock
        self._mails_per_hour = mails_per_hour
        self._sent_at_ms: deque[int] = deque()

    async def send_due(self) -> int:
        """Send what is due, once; returns how many mails were handed over.

        A mail server that does not take them is said and tried again later, not raised.

        Raises:
            StoreError: the store could not be used.
        """
        waiting = await self._store.outbox()
        metrics.WAITING.set(waiting.waiting)
        room = self._room()
        if not waiting.waiting or not room:
            return 0
        due = await self._store.claim_notices(
            limit=_AT_ONCE, lease_ms=LEASE_MS, longest_wait_ms=2 * LONGEST_PAUSE_MS
        )
        if not due:
            return 0
        # The last mail that fits into this hour holds whatever there is.
        mails = [due] if len(due) > min(_SINGLY, room) else [[queued] for queued in due]
        sent = 0
        for notices in mails:
            sent += await self._send(notices)
        return sent

    async def _send(self, notices: Sequence[QueuedNotice]) -> bool:
        now_ms = self._clock.now_us() // 1_000
        told = [queued.notice for queued in notices]
        numbers = [queued.notice_id for queued in notices]
        if len(told) == 1:
            message = letter(self._writer, told[0], now_ms=now_ms)
        else:
            message = digest(self._writer, told, now_ms=now_ms, number=numbers[0])
        try:
            await self._server.send([message])
        except AlertsUndelivered as error:
            metrics.MAILS.labels("unsent").inc()
            pause_ms = _pause_ms(min(queued.attempts for queued in notices))
            _log.warning(
                "an alert could not be mailed; it is tried again",
                error=str(error),
                hint=error.hint,
                notices=len(notices),
                again_in_seconds=pause_ms // 1_000,
            )
            await self._store.notices_unsent(
                numbers, error=str(error), next_try_at_ms=now_ms + pause_ms
            )
            return False
        metrics.MAILS.labels("sent").inc()
        self._sent_at_ms.append(self._clock.boottime_ms())
        # Whatever ends this process now: it is sent, and should be noted.
        await asyncio.shield(self._store.notices_sent(numbers))
        return True

    def _room(self) -> int:
        """How many mails may still go within this hour."""
        since_ms = self._clock.boottime_ms() - _HOUR_MS
        while self._sent_at_ms and self._sent_at_ms[0] <= since_ms:
            self._sent_at_ms.popleft()
        return self._mails_per_hour - len(self._sent_at_ms)


def _pause_ms(attempts: int) -> int:
    return min(FIRST_PAUSE_MS << min(attempts, 10), LONGEST_PAUSE_MS)
