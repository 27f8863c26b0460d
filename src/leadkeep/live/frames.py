"""What door and worker say to each other: small framed messages, each of a known kind and size.

A frame is its length (4 bytes, big endian) and one MessagePack map. Invariant: whatever bytes come,
`Incoming` holds at most one frame's worth of them and raises `BadFrame` for everything that is no
message; it never allocates what a length merely claims.
"""

from typing import Generic, TypeAlias, TypeVar

import msgspec

ASK_MAX = 1024**2
"""Bytes of a question. A larger ping is not asked about."""
ANSWER_MAX = 3 * 1024**2
"""Bytes of an answer; a destination's recorded reply has at most 1 MiB."""

_LENGTH_BYTES = 4


class LeadAsk(msgspec.Struct, frozen=True, tag="lead"):
    """Deliver this lead now, if it may be, and say what the destination answered."""

    ask: int
    """Number of the question, of the door's choosing; the answer has the same."""
    lead_id: bytes
    """Of a lead that is durable in a journal; 16 bytes."""
    destination: str
    """Whose answer is wanted; empty: the first that the lead goes to."""
    within_ms: int
    """After this the door no longer listens."""


class PingAsk(msgspec.Struct, frozen=True, tag="ping"):
    """Put this ping to a destination, once, and say what it answered."""

    ask: int
    ping_id: bytes
    """Of a ping that is durable in a journal; 16 bytes."""
    source: str
    destination: str
    within_ms: int
    received_at_ms: int
    method: str
    target: bytes
    headers: bytes
    body: bytes


Ask: TypeAlias = LeadAsk | PingAsk


class Answer(msgspec.Struct, frozen=True, tag="answer"):
    """What came of a question."""

    ask: int
    status: int = 0
    """HTTP status to answer; 0: nothing to relay, answer as if nobody had been asked."""
    reason: str = ""
    """Why there is nothing to relay: a word, for the counts."""
    content_type: str = ""
    headers: dict[str, str] = {}
    """Further headers that may be relayed."""
    body: bytes = b""


Message = TypeVar("Message", LeadAsk | PingAsk, Answer)


class BadFrame(Exception):
    """The other side does not speak this language, or too loudly; the line must be cut."""


_encoder: msgspec.msgpack.Encoder = msgspec.msgpack.Encoder()
ASKS: msgspec.msgpack.Decoder[LeadAsk | PingAsk] = msgspec.msgpack.Decoder(LeadAsk | PingAsk)
ANSWERS: msgspec.msgpack.Decoder[Answer] = msgspec.msgpack.Decoder(Answer)


def framed(message: LeadAsk | PingAsk | Answer) -> bytes:
    """A message as it goes over the line."""
    packed = _encoder.encode(message)
    return len(packed).to_bytes(_LENGTH_BYTES, "big") + packed


class Incoming(Generic[Message]):
    """Bytes from the other side on their way into messages.

    Args:
        decoder: of the one kind of message that may come.
        longest: bytes of one message at most.
    """

    def __init__(self, decoder: msgspec.msgpack.Decoder[Message], *, longest: int) -> None:
        self._decoder: msgspec.msgpack.Decoder[Message] = decoder
        self._longest = longest
        self._bytes = bytearray()

    def take(self, data: bytes) -> list[Message]:
        """The messages that are whole now, in order.

        Raises:
            BadFrame: too long, or not such a message.
        """
        self._bytes += data
        found: list[Message] = []
        at = 0
        while len(self._bytes) - at >= _LENGTH_BYTES:
            begin = at + _LENGTH_BYTES
            length = int.from_bytes(self._bytes[at:begin], "big")
            if length > self._longest:
                raise BadFrame(f"a message of {length} bytes")
            if len(self._bytes) - begin < length:
                break
            at = begin + length
            try:
                found.append(self._decoder.decode(bytes(self._bytes[begin:at])))
            except msgspec.MsgspecError as error:
                raise BadFrame("a message that cannot be read") from error
        del self._bytes[:at]
        return found
