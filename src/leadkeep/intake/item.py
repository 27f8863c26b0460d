"""An answer that waits for its turn, and the connection that waits for it."""

from collections import deque
from collections.abc import Callable
from typing import Protocol

from leadkeep.intake.replies import NOTHING_TAKEN, Reply, Taken


class Sender(Protocol):
    """The connection that a request came over, as far as taking and answering are concerned."""

    peer: str
    peer_bytes: bytes
    peer_is_proxy: bool
    flags: int
    """RecordFlags of whatever comes over it."""
    out: list[bytes]
    """Answers to be written by the next `flush`."""
    outstanding: int
    """Requests taken and not answered."""
    held: "deque[Item | Awaited] | None"
    """Answers behind one that is still waited for, which is the first; None: none is."""

    def last_words(self) -> bool:
        """True if the answer being rendered is the last that this connection gets."""

    def flush(self) -> None:
        """Write what is in `out`."""

    def abort(self) -> None:
        """Cut the connection."""


Item = tuple[
    Sender | None,
    Reply,
    Reply,
    int,
    str,
    str,
    Taken,
    Callable[[bool], None] | None,
]
"""What the committer settles: an answer, and what it depends on.

Sender (None: nobody is answered); reply; what is answered instead if the record is not durable
(the same reply: it does not matter); CLOSE, KEEP_OLD and HEAD; what is counted once it is durable
(`lead`, or a kind of record); source; what the answer can say; who hears whether it is durable.

A plain tuple: one is made for each lead, and a class costs five times as much.
"""


class Awaited:
    """An answer whose turn has come before it is known."""

    __slots__ = ("item",)

    item: Item | None
    """The answer; None: not known yet."""


def plain_item(sender: Sender | None, reply: Reply, flags: int = 0, *, kind: str = "") -> Item:
    """An item whose answer says nothing of a lead and does not depend on its record."""
    return (sender, reply, reply, flags, kind, "", NOTHING_TAKEN, None)
