"""What a Python callable is given, and how it says no: `from leadkeep import Lead, …`.

Imported by people's code and in their processes: msgspec and the standard library alone.
"""

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl

import msgspec

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FORM = "application/x-www-form-urlencoded"


class Lead(msgspec.Struct, frozen=True, tag=True):
    """One lead on its way to your function, exactly as its vendor sent it."""

    lead_id: str
    """The same in every attempt."""
    lead_number: int
    """The 13-digit number that the vendor was told."""
    source: str
    received_at_ms: int
    attempt: int
    """Number of this try, from 1."""
    method: str
    target: bytes
    """Path and query, byte for byte."""
    header_lines: bytes
    """`Name: value\\r\\n` lines, byte for byte."""
    body: bytes
    part: int = 0
    """Which lead of a request that holds several, from 1; 0: the request as it came."""
    parts: int = 0
    """How many it holds, if this is one of them."""

    @property
    def idempotency_key(self) -> str:
        """The same in every attempt: keep it with what you store, and a lead counts once."""
        return f"{self.lead_id}-{self.part}" if self.part else self.lead_id

    @property
    def received_at(self) -> datetime:
        """When it came, in UTC."""
        return _EPOCH + timedelta(milliseconds=self.received_at_ms)

    @property
    def path(self) -> str:
        """The path as sent, nothing decoded."""
        return self.target.partition(b"?")[0].decode("latin-1")

    @property
    def query(self) -> str:
        """What follows the `?` as sent, nothing decoded."""
        return self.target.partition(b"?")[2].decode("latin-1")

    @property
    def headers(self) -> tuple[tuple[str, str], ...]:
        """Names and values in the order sent; a byte over 127 is the character of its number."""
        pairs = (line.partition(b":") for line in self.header_lines.split(b"\r\n") if line)
        return tuple(
            (name.decode("latin-1"), value.strip(b" \t").decode("latin-1"))
            for name, _, value in pairs
        )

    def header(self, name: str, default: str = "") -> str:
        """The first header of this name, in upper or lower case."""
        wanted = name.lower()
        return next((value for given, value in self.headers if given.lower() == wanted), default)

    def payload(self) -> Any:
        """The body read as JSON, else as a form; a lead without a body: its query as a form.

        A form is a dict of texts; a field that occurs more than once is a list of them. None: it is
        neither. The bytes are in `body`.
        """
        if not self.body:
            return _form(self.query)
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            pass
        if self.header("Content-Type").partition(";")[0].strip().lower() == _FORM:
            return _form(self.body.decode("latin-1"))
        return None


class RetryLater(Exception):
    """Raise it to have the lead tried again, not sooner than in so many seconds.

    Args:
        seconds: at least this long from now; the retry policy caps it.
        reason: why, for the lead's page.
    """

    def __init__(self, seconds: float, reason: str = "") -> None:
        super().__init__(reason)
        self.seconds = float(seconds)


class Refused(Exception):
    """Raise it when the lead itself is at fault: it is tried again, but later and with an alert.

    Args:
        reason: why, for the lead's page.
    """

    def __init__(self, reason: str = "") -> None:
        super().__init__(reason)


def _form(text: str) -> dict[str, str | list[str]]:
    fields: dict[str, str | list[str]] = {}
    for name, value in parse_qsl(text, keep_blank_values=True, max_num_fields=None):
        known = fields.get(name)
        if known is None:
            fields[name] = value
        elif isinstance(known, list):
            known.append(value)
        else:
            fields[name] = [known, value]
    return fields
