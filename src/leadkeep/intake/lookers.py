"""What comes to the door and is no lead: probes, vendors' questions, requests that are not whole.

Answered always, and recorded as far as strangers may fill the journal.
"""

from typing import Any

from leadkeep.intake.answering import Answering
from leadkeep.intake.health import Readiness
from leadkeep.intake.item import Sender, plain_item
from leadkeep.intake.replies import CLOSE, NOTHING_TAKEN, FixedReply, Reply
from leadkeep.intake.reply_table import ALIVE, OPTIONS, PROBE, UNAVAILABLE
from leadkeep.models import RecordKind
from leadkeep.sources.handshakes import Answer


class Lookers(Answering):
    """Answers those who only look."""

    def __init__(self, **door: Any) -> None:
        super().__init__(**door)
        self._readiness = Readiness(self._now, self._try_commit)

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
        self._take_notice(RecordKind.PROBE, sender, reply, method, target, headers, flags)

    def _take_handshake(  # noqa: PLR0917 - as `take`, whose arguments it hands on
        self,
        sender: Sender,
        answer: Answer,
        method: bytes,
        target: bytes,
        headers: bytes,
        flags: int,
    ) -> None:
        """Answer a vendor's question whether the URL is ours."""
        reply = FixedReply(answer.status, answer.body, content_type=answer.content_type)
        self._take_notice(
            RecordKind.HANDSHAKE, sender, reply, method, target, headers, flags, answer.detail
        )

    def _take_notice(  # noqa: PLR0917 - as `take`, whose arguments it hands on
        self,
        kind: RecordKind,
        sender: Sender,
        reply: Reply,
        method: bytes,
        target: bytes,
        headers: bytes,
        flags: int,
        detail: str = "",
    ) -> None:
        """Answer a request that is no lead, once the record of it is durable."""
        record = self._notices.of_stranger(
            kind,
            peer=self._peer(sender, headers),
            method=method.decode("ascii"),
            target=target,
            headers=headers,
            status=reply.status,
            detail=detail,
            flags=sender.flags,
            now=self._now(),
        )
        if not record:
            self.counts.uncounted_notices += 1
            self.answer(sender, reply, flags)
            return
        sender.outstanding += 1
        self.committer.submit(
            (sender, reply, UNAVAILABLE, flags, kind.name.lower(), "", NOTHING_TAKEN, None), record
        )
