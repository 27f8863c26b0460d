"""What becomes of a request that has arrived: a lead, a ping, or somebody who only looks.

How it is answered is in `answering`, what is no lead in `lookers`; here is what is taken.
"""

import threading
import time
from collections.abc import Mapping, Sequence
from functools import partial

import structlog

from leadkeep.clock import Clock
from leadkeep.errors import JournalError
from leadkeep.intake.addresses import header_values
from leadkeep.intake.item import Item, Sender
from leadkeep.intake.limits import Limits
from leadkeep.intake.live import LiveDesk, Waiting
from leadkeep.intake.live_routes import NOBODY, LiveRoute, LiveRoutes
from leadkeep.intake.lookers import Lookers
from leadkeep.intake.metrics import Counts
from leadkeep.intake.quota import Quota
from leadkeep.intake.replies import (
    Payload,
)
from leadkeep.intake.reply_table import (
    BUSY,
    OVER_QUOTA,
    UNAVAILABLE,
    ReplyTable,
)
from leadkeep.intake.routes import Route, Routes
from leadkeep.intake.ways import UNPROVED, Judge, Ways
from leadkeep.journal.base import JournalWriter
from leadkeep.journal.doorbell import Doorbell
from leadkeep.journal.numbers import LeadNumbers
from leadkeep.journal.records import encode, encode_lead
from leadkeep.live.frames import Ask, LeadAsk, PingAsk
from leadkeep.models import Record, RecordFlag, RecordKind
from leadkeep.settings.model import Settings
from leadkeep.sources.routes import SourceTable
from leadkeep.sources.verification.evidence import Evidence

_LOOKERS = frozenset({b"GET", b"HEAD", b"OPTIONS"})
_QUIET_SECONDS = 60.0
_AGAIN_SECONDS = 5.0

log = structlog.get_logger("leadkeep.intake")


class Reception(Lookers):
    """Turns requests into records and answers; one for each door. Lives in the loop."""

    def __init__(
        self,
        *,
        settings: Settings,
        limits: Limits,
        replies: ReplyTable,
        ways: Mapping[str, Ways],
        journals: Sequence[JournalWriter],
        numbers: LeadNumbers,
        sources: SourceTable,
        clock: Clock,
        doorbell: Doorbell | None,
        counts: Counts,
    ) -> None:
        super().__init__(
            settings=settings,
            limits=limits,
            journals=journals,
            clock=clock,
            doorbell=doorbell,
            counts=counts,
        )
        self._next_number = numbers.next
        self._numbers = numbers
        self._is_reserving = False
        self._routes = Routes(sources, replies, LiveRoutes.of(settings), ways)
        self.live = LiveDesk(settings.run_folder, self._settle, counts)
        """Vendors that wait for a destination's own answer."""
        each = settings.intake.unrouted_max_bytes_per_address
        total = settings.intake.unrouted_max_bytes
        self._unrouted = Quota(each=each, total=total)
        self._judge = Judge(kept_each=each, kept_in_all=total, clock=self._now)
        self._warned_at = float("-inf")

    def take(  # noqa: PLR0911, PLR0917 - called once per lead: flat and positional is fastest
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
        ways = route.ways
        if ways is not None and ways.handshake is not None:
            asked = ways.handshake.answer(method, target, body)
            if asked is not None:
                self._take_handshake(sender, asked, method, target, headers, flags)
                return
        if not route.source and not self._within_quota(peer, target, headers, body):
            self.answer(sender, OVER_QUOTA, flags, reason="quota")
            return
        committer = self.committer
        if committer.waiting_bytes > self.limits.waiting_bytes:
            self.answer(sender, BUSY, flags, reason="busy")
            return
        now_us = self._now_us()
        if ways is not None:
            judged = self._judged(route, ways, now_us, peer, method, target, headers, body)
            if judged is None:
                self.answer(sender, UNPROVED, flags, reason="unproved")
                return
            route = judged
        source, source_bytes, route_flags, reply, status, live, _ = route
        if live is not None:
            self._take_live(sender, route, live, now_us, peer, method, target, headers, body, flags)
            return
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

    def _judged(  # noqa: PLR0917 - as `take`, whose arguments it hands on
        self,
        route: Route,
        ways: Ways,
        now_us: int,
        peer: bytes,
        method: bytes,
        target: bytes,
        headers: bytes,
        body: bytes,
    ) -> Route | None:
        """The route of a request that may have to prove its vendor; None: refuse it, keep nothing.

        A ping that proves nothing is put to nobody.
        """
        live = route.live
        is_ping = live is not None and live.is_ping
        verifier = ways.asker if is_ping else ways.gate
        if verifier is None:
            return route
        evidence = Evidence(
            method=method.decode("latin-1"),
            target=target,
            headers=headers,
            body=body,
            received_at_us=now_us,
            peer=peer.decode("latin-1"),
        )
        if live is not None and live.is_ping:
            asked = not verifier.fault(evidence)
            return route if asked else route._replace(live=live._replace(destination=NOBODY))
        reply = self._judge.reply(route.reply, verifier, evidence)
        return None if reply is None else route._replace(reply=reply)

    def _take_live(  # noqa: PLR0917 - as `take`
        self,
        sender: Sender,
        route: Route,
        live: LiveRoute,
        now_us: int,
        peer: bytes,
        method: bytes,
        target: bytes,
        headers: bytes,
        body: bytes,
        flags: int,
    ) -> None:
        """Take a request whose answer is asked of the worker once it is durable."""
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
        item: Item = (
            None,
            route.reply,
            UNAVAILABLE,
            flags,
            kind,
            route.source,
            taken,
            waiting.hear,
        )
        if live.destination == NOBODY:
            item = (sender, route.reply, UNAVAILABLE, flags, kind, route.source, taken, None)
        self.committer.submit(item, encode(record))

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

    def on_tick(self) -> None:
        """Once per tick: the date, and lead numbers ahead of use."""
        super().on_tick()
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
