"""What of a destination's reply may go on to a vendor that waits. Pure.

Only a success, and only whole: a vendor must never read a reply that was cut off as if it were one.
Of the headers only those that say what the body is; the rest is between Leadkeep and the
destination.
"""

import re

from leadkeep.destinations.exchange import REPLY_HEADERS_MAX_BYTES
from leadkeep.live.frames import Answer

FAILED = "failed"
TRUNCATED = "truncated"
STATUS = "status"

_PASSED_ON = ("content-language", "content-encoding")
_VALUE_MAX = 1024
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_NO_BODY = frozenset({204, 205})


def relayed(
    ask: int, *, status: int | None, headers: bytes, body: bytes, reply_max_bytes: int
) -> Answer:
    """The answer that a confirmed reply becomes.

    Args:
        ask: number of the question.
        headers: `Name: value` lines.
        body: its first `reply_max_bytes`.
    """
    if status is None or not 200 <= status <= 299 or status == 206:
        # Confirmed, by rules of the destination's own, with what a vendor would not understand.
        return Answer(ask, reason=STATUS)
    named = _named(headers)
    if len(headers) >= REPLY_HEADERS_MAX_BYTES or (
        status not in _NO_BODY and _may_be_cut(named, body, reply_max_bytes)
    ):
        return Answer(ask, reason=TRUNCATED)
    return Answer(
        ask,
        status=status,
        content_type=named.get("content-type", ""),
        headers={name.title(): named[name] for name in _PASSED_ON if name in named},
        body=body,
    )


def _may_be_cut(headers: dict[str, str], body: bytes, reply_max_bytes: int) -> bool:
    """A reply that fills what is recorded of one is whole only if its length says so."""
    return len(body) >= reply_max_bytes and headers.get("content-length") != str(len(body))


def _named(lines: bytes) -> dict[str, str]:
    """Headers by name in small letters; the first of several, and none that cannot be sent."""
    found: dict[str, str] = {}
    for line in lines.decode("latin-1").split("\r\n"):
        name, colon, value = line.partition(":")
        value = value.strip()
        if colon and len(value) <= _VALUE_MAX and not _CONTROL.search(value):
            found.setdefault(name.strip().lower(), value)
    return found
