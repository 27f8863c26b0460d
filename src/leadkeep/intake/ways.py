"""What a source's vendor expects of the door beyond a reply: its question, and being refused.

Proof is looked at after the request is durable and before it is answered. Only once so much that
proved nothing was kept from one address in an hour that its quota is used up, proof is looked at
first, and what has none is refused without being kept.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from leadkeep.intake.quota import Quota
from leadkeep.intake.replies import FixedReply, Reply, Taken
from leadkeep.settings.model import Settings
from leadkeep.sources.handshakes import Handshake, handshakes_of
from leadkeep.sources.verification.evidence import Evidence
from leadkeep.sources.verification.verifier import Verifier, verifiers_of

UNPROVED = FixedReply(
    401, b'{"success": false, "message": "The request does not prove who sent it"}'
)


class Ways(NamedTuple):
    """One vendor's."""

    handshake: Handshake | None
    gate: Verifier | None
    """Refuses, with 401, what does not prove to be the vendor's."""
    asker: Verifier | None
    """Tells whose pings are put to a destination: nobody is asked to bid for anybody's."""


def ways_of(settings: Settings) -> Mapping[str, Ways]:
    """Source → its vendor's ways, of those that have any.

    Raises:
        SettingsError: a question or a proof cannot be worked with what is set.
    """
    handshakes = handshakes_of(settings)
    verifiers = verifiers_of(settings)
    found = {}
    for name, source in settings.sources.items():
        verifier = verifiers.get(name)
        ways = Ways(
            handshakes.get(name),
            verifier if verifier is not None and verifier.rejects else None,
            verifier if source.ping_paths else None,
        )
        if any(ways):
            found[name] = ways
    return found


class Judge:
    """Gives each request of such a source the reply that judges it.

    Args:
        kept_each: bytes per hour kept of what proves nothing, from one address.
        kept_in_all: the same from all.
        clock: seconds that do not jump.
    """

    def __init__(self, *, kept_each: int, kept_in_all: int, clock: Callable[[], float]) -> None:
        self._quota = Quota(each=kept_each, total=kept_in_all)
        self._clock = clock

    def reply(self, reply: Reply, gate: Verifier, evidence: Evidence) -> Reply | None:
        """What to answer once the request is durable; None: refuse it, and keep nothing of it."""
        room = self._quota.has_room(evidence.peer, len(evidence), self._clock())
        if not room and gate.fault(evidence):
            return None
        return _Judged(reply, gate, evidence, self._book)

    def _book(self, evidence: Evidence) -> None:
        self._quota.take(evidence.peer, len(evidence), self._clock())


class _Judged:
    """A reply that is one of two, made once the request is durable."""

    def __init__(
        self, reply: Reply, gate: Verifier, evidence: Evidence, book: Callable[[Evidence], None]
    ) -> None:
        self.status = reply.status
        self.needs_payload = reply.needs_payload
        self._reply = reply
        self._gate = gate
        self._evidence = evidence
        self._book = book

    def render(self, date_line: bytes, flags: int, taken: Taken) -> bytes:
        """The whole HTTP response."""
        if not self._gate.fault(self._evidence):
            return self._reply.render(date_line, flags, taken)
        self._book(self._evidence)
        self.status = UNPROVED.status
        return UNPROVED.render(date_line, flags, taken)
