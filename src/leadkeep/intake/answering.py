"""How answers leave the door: in their connection's order, a batch of them in one write each.

Invariant: every request gets exactly one answer, in its connection's order, because an answer that
has others before it goes through the committer's one queue; and a 2xx for a lead is rendered only
when that queue says that its record is durable.
"""

import asyncio
from collections.abc import Sequence

import structlog

from leadkeep.clock import Clock
from leadkeep.intake.addresses import TrustedProxies
from leadkeep.intake.committer import Committer
from leadkeep.intake.item import Item, Sender, plain_item
from leadkeep.intake.limits import Limits
from leadkeep.intake.metrics import Counts
from leadkeep.intake.notices import Notices
from leadkeep.intake.replies import CLOSE, Reply, date_line
from leadkeep.intake.ringer import Ringer
from leadkeep.journal.base import JournalWriter
from leadkeep.journal.doorbell import Doorbell
from leadkeep.journal.identity import LeadIds
from leadkeep.settings.model import Settings

log = structlog.get_logger("leadkeep.intake")


class Answering:
    """The committer and the connections that wait for it. Lives in the loop."""

    def __init__(
        self,
        *,
        settings: Settings,
        limits: Limits,
        journals: Sequence[JournalWriter],
        clock: Clock,
        doorbell: Doorbell | None,
        counts: Counts,
    ) -> None:
        loop = asyncio.get_running_loop()
        self.limits = limits
        self.counts = counts
        self.proxies = TrustedProxies(settings.intake.trusted_proxies)
        self.draining = False
        """True: answers say that the connection closes."""
        self.tick = 0
        """Counts `limits.tick_seconds`; the clock of all deadlines of connections."""
        self.partial_bytes = 0
        """Bytes of unfinished bodies, all connections together."""
        ids = LeadIds(clock)
        self._next_id = ids.next
        self._now_us = clock.now_us
        self._now = loop.time
        self._notices = Notices(ids, clock, header_bytes=limits.header_bytes)
        self._ringer = Ringer(doorbell, loop) if doorbell is not None else None
        self._date_line = date_line(clock.now_us() / 1_000_000)
        self.committer: Committer[Item] = Committer(
            journals,
            deadline_seconds=settings.journal.deadline_ms / 1000,
            batch_max_bytes=limits.batch_bytes,
            settle=self._settle,
            proof=lambda: self._notices.of_our_own("journal trial"),
            counts=counts,
        )

    def answer(self, sender: Sender, reply: Reply, flags: int, *, reason: str = "") -> None:
        """Answer without a record, after what is still outstanding.

        Args:
            reason: why the request did not become a lead, for the counts.
        """
        if reason:
            self.counts.refused[reason] += 1
        item = plain_item(sender, reply, flags)
        sender.outstanding += 1
        if sender.outstanding == 1:
            self._settle((item,), True)
        else:
            self.committer.submit(item, b"")

    def _settle(  # noqa: PLR0912 - the loop is hot: a call for each item would cost more
        self, items: Sequence[Item], durable: bool
    ) -> None:
        """Write the answers of a batch together: one write for each connection."""
        touched: list[Sender] = []
        counts = self.counts
        date = self._date_line
        draining = self.draining
        is_recorded = False
        for sender, reply, otherwise, flags, kind, source, taken, told in items:
            if durable:
                if kind == "lead":
                    counts.leads[source] += 1
                    is_recorded = True
                elif kind:
                    counts.records[kind] += 1
                    is_recorded = True
            elif otherwise is not reply:
                counts.refused["unavailable"] += 1
                reply = otherwise  # noqa: PLW2901 - the loop is hot; a second name tells no more
            if sender is None:
                if told is not None:
                    told(durable)
                continue
            if sender.held is not None:
                sender.held.append((sender, reply, reply, flags, "", "", taken, None))
                continue
            if (flags or draining) and sender.last_words():
                flags |= CLOSE  # noqa: PLW2901 - as above
            if not sender.out:
                touched.append(sender)
            sender.outstanding -= 1
            try:
                sender.out.append(reply.render(date, flags, taken))
            except Exception:  # The others must get their answers; this one's lead is safe.
                log.exception("an answer could not be made; its connection is cut")
                sender.abort()
                continue
            counts.answers[reply.status] += 1
        for sender in touched:
            sender.flush()
        if is_recorded and self._ringer is not None:
            self._ringer.ring()

    def on_tick(self) -> None:
        """Once per tick: the date."""
        self.tick += 1
        self._date_line = date_line(self._now_us() / 1_000_000)

    def on_closing(self) -> None:
        """The last ring of the bell, which a throttle may have held back."""
        if self._ringer is not None:
            self._ringer.ring_now()

    def _peer(self, sender: Sender, headers: bytes) -> str:
        return self.proxies.sender(sender.peer, headers) if sender.peer_is_proxy else sender.peer
