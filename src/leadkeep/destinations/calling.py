"""What is said between the worker and a process that calls people's code: frames over a socket.

Invariant: a frame is four bytes of length and so many of MessagePack. Standard output and error
belong to the code that is called; nothing of this goes over them.
"""

import msgspec

from leadkeep.destinations.lead import Lead

LENGTH_BYTES = 4


class Start(msgspec.Struct, frozen=True, tag=True):
    """The first frame to a new process."""

    module: str
    function: str
    path: tuple[str, ...]
    """Folders that come before the others in which modules are looked for."""
    memory_max_bytes: int
    reply_max_bytes: int
    parent: int
    """The worker's process id: without it there is nothing to do here."""


class Ready(msgspec.Struct, frozen=True, tag=True):
    """The function is found; leads may come."""


class Broken(msgspec.Struct, frozen=True, tag=True):
    """The function cannot be called; the process ends."""

    words: str
    """What is wrong, completing "the module …"; says no more of an error than its type."""
    detail: str
    """The error's own text."""
    trace: bytes


class Answer(msgspec.Struct, frozen=True, tag=True):
    """What came of one call."""

    confirmed: bool
    error_class: str = ""
    words: str = ""
    """Why not, completing "crm …"; nothing of what the code says itself."""
    body: bytes = b""
    """The reply, or the traceback and what was printed."""
    retry_after_seconds: float | None = None
    last: bool = False
    """The process ends after this: it cannot be trusted with another lead."""


_DOWN: msgspec.msgpack.Decoder[Start | Lead] = msgspec.msgpack.Decoder(Start | Lead)
_UP: msgspec.msgpack.Decoder[Ready | Broken | Answer] = msgspec.msgpack.Decoder(
    Ready | Broken | Answer
)
_ENCODER = msgspec.msgpack.Encoder()


def frame(message: msgspec.Struct) -> bytes:
    """A message as it goes over the socket."""
    packed = _ENCODER.encode(message)
    return len(packed).to_bytes(LENGTH_BYTES, "big") + packed


def from_worker(packed: bytes) -> Start | Lead:
    """What the worker says.

    Raises:
        msgspec.DecodeError: it is no message.
    """
    return _DOWN.decode(packed)


def from_process(packed: bytes) -> Ready | Broken | Answer:
    """What the process says.

    Raises:
        msgspec.DecodeError: it is no message.
    """
    return _UP.decode(packed)
