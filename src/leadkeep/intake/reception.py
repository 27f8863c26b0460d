"""What becomes of a request that has arrived: a lead, a probe, a question about our health.

Invariant: every request gets exactly one answer, in its connection's order, because an answer that
has others before it goes through the committer's one queue; and a 2xx for a lead is rendered only
when that queue says that its record is durable.
"""

import asyncio
import threading
import time
from collections.abc import Sequence
from functools import partial

import structlog

from leadkeep.clock import Clock
from leadkeep.errors import JournalError
from leadkeep.intake.addresses import TrustedProxies, header_values
from leadkeep.intake.committer import Committer
from leadkeep.intake.health import Readiness
from leadkeep.intake.item import Item, Sender, plain_item
from leadkeep.intake.limits import Limits
from leadkeep.intake.live import LiveDesk, Waiting
from leadkeep.intake.live_routes import LiveRoute, LiveRoutes
from leadkeep.intake.metrics import Counts
from leadkeep.intake.notices import Notices
from leadkeep.intake.quota import Quota
from leadkeep.intake.replies import CLOSE, NOTHING_TAKEN, Payload, Reply, date_line
from leadkeep.intake.reply_table import (
    ALIVE,
    BUSY,
    OPTIONS,
    OVER_QUOTA,
    PROBE,
    UNAVAILABLE,
    ReplyTable,
)
from leadkeep.intake.ringer import Ringer
from leadkeep.intake.routes import Route, Routes
from leadkeep.journal.base import JournalWriter
from leadkeep.journal.doorbell import Doorbell
from leadkeep.journal.identity import LeadIds
from leadkeep.journal.numbers import LeadNumbers
from leadkeep.journal.records import encode, encode_lead
from leadkeep.live.frames import Ask, LeadAsk, PingAsk
from leadkeep.models import Record, RecordFlag, RecordKind
from leadkeep.settings.model import Settings
from leadkeep.sources.routes import SourceTable

_LOOKERS = frozenset({b"GET", b"HEAD", b"OPTIONS"})
_QUIET_SECONDS = 60.0
_AGAIN_SECONDS = 5.0

log = structlog.get_logger("leadkeep.intake")


class Reception:
    """Turns requests into records and answers; one for each door. Lives in the loop."""

    def __init__(
        self,
        *,
        settings: Settings,
        limits: Limits,
        replies: ReplyTable,
        journals: Sequence[JournalWriter],
        numbers: LeadNumbers,
        sources: SourceTable,
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
        self._next_number = numbers.next
        self._now_us = clock.now_us
        self._now = loop.time
        self._numbers = numbers
        self._is_reserving = False
        live = LiveRoutes.of(settings)
        self._routes = Routes(sources, replies, live)
        self.live = LiveDesk(settings.run_folder, self._settle, counts)
        """Vendors that wait for a destination's own answer."""
        self._unrouted = Quota(
            each=settings.intake.unrouted_max_bytes_per_address,
            total=settings.intake.unrouted_max_bytes,
        )
        self._warned_at = float("-inf")
        self._notices = Notices(ids, clock, header_bytes=limits.header_bytes)
        self._ringer = Ringer(doorbell, loop) if doorbell is not None else None
        self._date_line = date_line(clock.now_us() / 1_000_000)
        self._readiness = Readiness(loop.time, self._try_commit)
        self.committer: Committer[Item] = Committer(
            journals,
            deadline_seconds=settings.journal.deadline_ms / 1000,
            batch_max_bytes=limits.batch_bytes,
            settle=self._settle,
            proof=lambda: self._notices.of_our_own("journal trial"),
            counts=counts,
        )

    # ------------------------------------------------------------ requests

    def take(  # noqa: PLR0917 - called once per lead: positional is fastest
        self, sender: Sender, method: bytes, target: bytes, headers: bytes, body: bytes, flags: int
    ) -> None:
        """Take one whole request; its answer reaches the sender in its turn.

        Args:
            flags: CLOSE, KEEP_OLD, HEAD of the answer.
        """
        path, _, query = target.partition(b"?")
        if not body and method in _LOOKERS:
            if method != b"OPTIONS" and self._tell_health(sender, path, flags):
                return
            if not query:
                self._take_probe(sender, method, target, headers, flags)
                return
        peer = sender.peer_bytes
        if sender.peer_is_proxy:
            peer = self.proxies.sender(sender.peer, headers).encode()
        route = self._routes.find(path)
        if not route.source and not self._within_quota(peer, target, headers, body):
            self.answer(sender, OVER_QUOTA, flags, reason="quota")
            return
        committer = self.committer
        if committer.waiting_bytes > self.limits.waiting_bytes:
            self.answer(sender, BUSY, flags, reason="busy")
            return
        source, source_bytes, route_flags, reply, status, live = route
        if live is not None:
            self._take_live(sender, route, live, peer, method, target, headers, body, flags)
            return
        now_us = self._now_us()
        lead_id = self._next_id(now_us)
        number = self._next_number()
        record = encode_lead(
            lead_id,
            number,
            now_us,
            route_flags | sender.flags,
            source_bytes,
            peer,
            method,
            target,
            headers,
            body,
            status,
        )
        payload = _payload(headers, target, body) if reply.needs_payload else None
        sender.outstanding += 1
        taken = (lead_id, number, now_us, payload)
        committer.submit((sender, reply, UNAVAILABLE, flags, "lead", source, taken, None), record)

    def _take_live(  # noqa: PLR0917 - as `take`
        self,
        sender: Sender,
        route: Route,
        live: LiveRoute,
        peer: bytes,
        method: bytes,
        target: bytes,
        headers: bytes,
        body: bytes,
        flags: int,
    ) -> None:
        """Take a request whose answer is asked of the worker once it is durable."""
        now_us = self._now_us()
        record = Record(
            kind=RecordKind.PING if live.is_ping else RecordKind.LEAD,
            lead_id=self._next_id(now_us),
            lead_number=0 if live.is_ping else self._next_number(),
            received_at_us=now_us,
            flags=RecordFlag(route.flags | sender.flags),
            source=route.source,
            peer=peer.decode("utf-8", "replace"),
            method=method.decode("ascii", "replace"),
            target=target,
            headers=headers,
            body=body,
            answer_status=route.status,
        )
        payload = _payload(headers, target, body) if route.reply.needs_payload else None
        taken = (record.lead_id, record.lead_number, now_us, payload)
        waiting = Waiting(
            self.live,
            sender,
            route=live,
            reply=route.reply,
            flags=flags,
            taken=taken,
            question=(
                partial(_of_ping, record) if live.is_ping else partial(_of_lead, record.lead_id)
            ),
        )
        sender.outstanding += 1
        kind = "ping" if live.is_ping else "lead"
        item = (None, route.reply, UNAVAILABLE, flags, kind, route.source, taken, waiting.hear)
        self.committer.submit(item, encode(record))

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

    def reject(
        self,
        sender: Sender,
        reply: Reply,
        reason: str,
        *,
        method: str,
        target: bytes,
        headers: bytes,
        answers: bool,
    ) -> None:
        """Refuse a request that did not arrive whole, and record that it came.

        Args:
            reason: in a few words, for the counts and the record.
            answers: False: the sender is gone and hears nothing.
        """
        record = self._notices.of_stranger(
            RecordKind.REJECTION,
            peer=self._peer(sender, headers),
            method=method,
            target=target,
            headers=headers,
            status=reply.status,
            detail=reason,
            flags=sender.flags,
            now=self._now(),
        )
        if record:
            self.committer.submit(plain_item(None, reply, kind="rejection"), record)
        else:
            self.counts.uncounted_notices += 1
        if answers:
            self.answer(sender, reply, CLOSE, reason=reason)
        else:
            self.counts.refused[reason] += 1

    # ------------------------------------------------------------ probes and health

    def _tell_health(self, sender: Sender, path: bytes, flags: int) -> bool:
        """Answer a question about our health; False: it was none."""
        if path == b"/livez":
            self.answer(sender, ALIVE, flags)
        elif path == b"/readyz":
            self._readiness.ask()
            # Behind the trial, if one has just begun.
            sender.outstanding += 1
            self.committer.submit(plain_item(sender, self._readiness, flags), b"")
        else:
            return False
        return True

    def _try_commit(self) -> None:
        self.committer.submit(
            (None, PROBE, PROBE, 0, "readiness", "", NOTHING_TAKEN, self._readiness.learn),
            self._notices.of_our_own("readiness"),
        )

    def _take_probe(
        self, sender: Sender, method: bytes, target: bytes, headers: bytes, flags: int
    ) -> None:
        reply = OPTIONS if method == b"OPTIONS" else PROBE
        record = self._notices.of_stranger(
            RecordKind.PROBE,
            peer=self._peer(sender, headers),
            method=method.decode("ascii"),
            target=target,
            headers=headers,
            status=reply.status,
            detail="",
            flags=sender.flags,
            now=self._now(),
        )
        if not record:
            self.counts.uncounted_notices += 1
            self.answer(sender, reply, flags)
            return
        sender.outstanding += 1
        self.committer.submit(
            (sender, reply, UNAVAILABLE, flags, "probe", "", NOTHING_TAKEN, None), record
        )

    # ------------------------------------------------------------ who sends, and how much

    def _peer(self, sender: Sender, headers: bytes) -> str:
        return self.proxies.sender(sender.peer, headers) if sender.peer_is_proxy else sender.peer

    def _within_quota(self, peer: bytes, target: bytes, headers: bytes, body: bytes) -> bool:
        now = self._now()
        amount = len(target) + len(headers) + len(body)
        if self._unrouted.take(peer.decode("latin-1"), amount, now):
            return True
        if now - self._warned_at >= _QUIET_SECONDS:
            self._warned_at = now
            log.warning(
                "requests for paths that no source claims are refused: too many bytes this hour",
                refused=self.counts.refused["quota"] + 1,
                settings="intake.unrouted_max_bytes, intake.unrouted_max_bytes_per_address",
            )
        return False

    # ------------------------------------------------------------ answers

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

    # ------------------------------------------------------------ housekeeping

    def on_tick(self) -> None:
        """Once per tick: the date, and lead numbers ahead of use."""
        self.tick += 1
        self._date_line = date_line(self._now_us() / 1_000_000)
        if self._numbers.needs_block() and not self._is_reserving:
            self._is_reserving = True
            # Not in the loop's executor: a hung disk would keep the process from ending.
            threading.Thread(target=self._reserve, name="lead numbers", daemon=True).start()

    def _reserve(self) -> None:
        try:
            self._numbers.reserve()
        except JournalError as error:
            log.warning("no lead numbers could be reserved", error=str(error))
            time.sleep(_AGAIN_SECONDS)
        finally:
            self._is_reserving = False

    def on_closing(self) -> None:
        """The last ring of the bell, which a throttle may have held back."""
        if self._ringer is not None:
            self._ringer.ring_now()


def _of_lead(lead_id: bytes, number: int, live: LiveRoute) -> Ask:
    """The worker reads a lead from the journal, as it does every other."""
    return LeadAsk(number, lead_id, live.destination, live.timeout_ms)


def _of_ping(record: Record, number: int, live: LiveRoute) -> Ask:
    """A ping is put to its destination without waiting until it is absorbed."""
    return PingAsk(
        ask=number,
        ping_id=record.lead_id,
        source=record.source,
        destination=live.destination,
        within_ms=live.timeout_ms,
        received_at_ms=record.received_at_us // 1_000,
        method=record.method,
        target=record.target,
        headers=record.headers,
        body=record.body,
    )


def _payload(headers: bytes, target: bytes, body: bytes) -> Payload:
    content_type = header_values(headers, b"content-type")
    return Payload(content_type[0].decode("latin-1") if content_type else "", target, body)
