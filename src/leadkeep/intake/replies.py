"""What the door answers: templates compiled once, so that rendering is one formatting of bytes.

Invariant: whatever a payload contains, it cannot leave the place in the answer that a template
gives it: `{{name}}` is escaped for the content type, and headers take no placeholders at all.
"""

import html
import json
import re
import time
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import NamedTuple, Protocol
from urllib.parse import quote_plus

from leadkeep.errors import SettingsError
from leadkeep.journal.identity import text as lead_id_text
from leadkeep.settings.model import ReplySettings

CLOSE = 1
"""The answer is the connection's last."""
KEEP_OLD = 2
"""An HTTP/1.0 sender asked to keep the connection."""
HEAD = 4
"""The method was HEAD: headers only."""

FIELDS = ("lead_id", "lead_number", "received_at", "name")
"""What a template may name, in the order of the values below."""

DEFAULT_BODY = (
    '{"success": true, "message": "Lead queued for processing", "lead_id": "{{lead_id}}", '
    '"lead_number": "{{lead_number}}", "timestamp": "{{received_at}}"}'
)

_CONNECTION = (
    b"",
    b"Connection: close\r\n",
    b"Connection: keep-alive\r\n",
    b"Connection: close\r\n",
)
_PLACEHOLDER = re.compile(r"\{\{\s*([^{}]*?)\s*\}\}")
_RESERVED = frozenset(
    {"connection", "content-length", "content-type", "date", "transfer-encoding", "keep-alive"}
)
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_LEAST_NUMBER = 10**12
_NO_BODY = frozenset({204, 205})
_NAME_SOURCE_MAX = 64 * 1024


class Payload(NamedTuple):
    """What `{{name}}` is read from."""

    content_type: str
    target: bytes
    body: bytes


Taken = tuple[bytes, int, int, Payload | None]
"""What an answer can say about a lead: its id, its number (0: none, and empty in the answer), when
it was received (microseconds since 1970), and the payload for replies that need it. A plain tuple,
because one is made for each lead."""

NOTHING_TAKEN: Taken = (bytes(16), 0, 0, None)
"""For answers to what is no lead."""


class Reply(Protocol):
    """Something that can be answered."""

    @property
    def status(self) -> int:
        """The HTTP status; the journal records it beforehand."""

    @property
    def needs_payload(self) -> bool:
        """True if the answer is made from the payload."""

    def render(self, date_line: bytes, flags: int, taken: Taken) -> bytes:
        """The whole HTTP response.

        Args:
            date_line: `Date: …\\r\\n`.
            flags: CLOSE, KEEP_OLD, HEAD.
        """


class FixedReply:
    """An answer that says the same to everybody."""

    needs_payload = False

    def __init__(
        self,
        status: int,
        body: bytes,
        *,
        content_type: str = "application/json",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.status = status
        self._status_line = _status_line(status)
        self._head = _header_lines(content_type, headers or {}) + _length_line(status, len(body))
        self._body = b"" if status in _NO_BODY else body

    def render(self, date_line: bytes, flags: int, taken: Taken) -> bytes:
        """The whole HTTP response."""
        body = b"" if flags & HEAD else self._body
        return b"".join(
            (self._status_line, date_line, _CONNECTION[flags & 3], self._head, b"\r\n", body)
        )


class ReplyTemplate:
    """An answer with the lead's id, number, time or name in it.

    Args:
        settings: status, headers, content type and body; the body is `DEFAULT_BODY` if not set.
        key: the settings' key, for errors.

    Raises:
        SettingsError: unknown placeholder, or a header that cannot be sent.
    """

    def __init__(self, settings: ReplySettings, *, key: str) -> None:
        self.status = settings.status
        _check_headers(settings, key)
        body = DEFAULT_BODY if settings.body is None else settings.body
        if settings.status in _NO_BODY:
            body = ""
        literals, self._fields = _split(body, f"{key}.body")
        self.needs_payload = "name" in self._fields
        self._escape_name = _escape_for(settings.content_type)
        self._literals = literals
        self._status_line = _status_line(settings.status)
        self._head = _header_lines(settings.content_type, settings.headers)
        self._rest, self._pick = self._compile()
        self._date_line = self._start = b""

    def render(self, date_line: bytes, flags: int, taken: Taken) -> bytes:
        """The whole HTTP response."""
        lead_id, lead_number, received_at_us, _ = taken
        if lead_number >= _LEAST_NUMBER and not flags & HEAD and not self.needs_payload:
            values = (
                lead_id_text(lead_id),
                lead_number,
                _time_text(received_at_us),
            )
            rest = self._rest % (self._pick(values) if self._pick is not None else values)
            if flags == 0 and date_line is self._date_line:
                return self._start + rest.encode()
            self._date_line, self._start = date_line, self._status_line + date_line
            return self._start + _CONNECTION[flags] + rest.encode()
        return self._render_any(date_line, flags, taken)

    def _render_any(self, date_line: bytes, flags: int, taken: Taken) -> bytes:
        """The same for answers whose length is not known beforehand."""
        lead_id, lead_number, received_at_us, payload = taken
        name = self._escape_name(_name_in(payload)) if self.needs_payload else ""
        values = {
            "lead_id": lead_id_text(lead_id).encode(),
            "lead_number": b"%d" % lead_number if lead_number else b"",
            "received_at": _time_text(received_at_us).encode(),
            "name": name.encode("utf-8", "replace"),
        }
        pieces = [self._literals[0]]
        for field, literal in zip(self._fields, self._literals[1:], strict=True):
            pieces += (values[field], literal)
        body = b"".join(pieces)
        head = (
            self._status_line,
            date_line,
            _CONNECTION[flags & 3],
            self._head,
            _length_line(self.status, len(body)),
            b"\r\n",
        )
        return b"".join(head if flags & HEAD else (*head, body))

    def _compile(self) -> tuple[str, Callable[[tuple[str, int, str]], tuple[object, ...]] | None]:
        """Everything after the connection line as one format, and which values it takes.

        The second is None if it takes all of them in their order.
        """
        widths = {"lead_id": 36, "lead_number": 13, "received_at": 24, "name": 0}
        length = sum(map(len, self._literals)) + sum(widths[field] for field in self._fields)
        head = self._head + _length_line(self.status, length) + b"\r\n"
        literals = [piece.decode().replace("%", "%%") for piece in self._literals]
        rest = head.decode().replace("%", "%%") + "%s".join(literals)
        order = [FIELDS.index(field) for field in self._fields if field != "name"]
        if order == [0, 1, 2]:
            return rest, None
        return rest, lambda values: tuple(values[index] for index in order)


def date_line(now_seconds: float) -> bytes:
    """The `Date` header line (RFC 9110, 6.6.1) of a wall-clock time in seconds since 1970."""
    # Not strftime's %a and %b, which follow the locale.
    at = time.gmtime(now_seconds)
    day = "MonTueWedThuFriSatSun"[3 * at.tm_wday :][:3]
    month = "JanFebMarAprMayJunJulAugSepOctNovDec"[3 * (at.tm_mon - 1) :][:3]
    clock = f"{at.tm_hour:02d}:{at.tm_min:02d}:{at.tm_sec:02d}"
    return f"Date: {day}, {at.tm_mday:02d} {month} {at.tm_year:04d} {clock} GMT\r\n".encode()


class _TimeText:
    """RFC 3339 with milliseconds in UTC; a millisecond's text is made once."""

    def __init__(self) -> None:
        self._second = self._millisecond = -1
        self._upto_second = self._text = ""

    def __call__(self, instant_us: int) -> str:
        millisecond = instant_us // 1_000
        if millisecond != self._millisecond:
            second, rest = divmod(millisecond, 1_000)
            if second != self._second:
                self._upto_second = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))
                self._second = second
            self._text = f"{self._upto_second}.{rest:03d}Z"
            self._millisecond = millisecond
        return self._text


_time_text = _TimeText()


def _status_line(status: int) -> bytes:
    try:
        phrase = HTTPStatus(status).phrase
    except ValueError:
        phrase = "OK"
    return f"HTTP/1.1 {status} {phrase}\r\n".encode()


def _header_lines(content_type: str, headers: Mapping[str, str]) -> bytes:
    lines = {"Content-Type": content_type, **headers} if content_type else dict(headers)
    return "".join(f"{name}: {value}\r\n" for name, value in lines.items()).encode("latin-1")


def _length_line(status: int, length: int) -> bytes:
    # RFC 9110, 8.6: none with 204; 205 says that it is empty.
    return b"" if status == 204 else b"Content-Length: %d\r\n" % (0 if status == 205 else length)


def _split(body: str, key: str) -> tuple[list[bytes], list[str]]:
    """The text around the placeholders, and their names."""
    parts = _PLACEHOLDER.split(body)
    fields = parts[1::2]
    for field in fields:
        if field not in FIELDS:
            allowed = ", ".join(f"{{{{{name}}}}}" for name in FIELDS)
            raise SettingsError(
                f"{key}: unknown placeholder {{{{{field}}}}}; allowed are {allowed}",
                hint="Correct the placeholder, then run `leadkeep check`.",
            )
    return [part.encode() for part in parts[::2]], fields


def _check_headers(settings: ReplySettings, key: str) -> None:
    named = {"Content-Type": settings.content_type, **settings.headers}
    for name, value in named.items():
        wrong = ""
        if not _TOKEN.fullmatch(name):
            wrong = "is not a header's name"
        elif name.lower() in _RESERVED and name != "Content-Type":
            wrong = "is set by Leadkeep itself"
        elif _CONTROL.search(value) or not value.isascii():
            wrong = "has a value that a header cannot carry"
        if wrong:
            raise SettingsError(
                f"{key}.headers: `{name}` {wrong}", hint="Correct or remove that header."
            )


def _escape_for(content_type: str) -> "_Escape":
    kind = content_type.lower()
    if "json" in kind:
        return lambda text: json.dumps(text)[1:-1]
    if "xml" in kind or "html" in kind:
        return lambda text: html.escape(_CONTROL.sub(" ", text))
    if "urlencoded" in kind:
        return lambda text: quote_plus(text, errors="replace")
    return lambda text: _CONTROL.sub(" ", text)


class _Escape(Protocol):
    def __call__(self, text: str, /) -> str: ...


def _name_in(payload: Payload | None) -> str:
    """The lead's name as far as it can be read; reading must never cost the lead its answer."""
    if payload is None or len(payload.body) > _NAME_SOURCE_MAX:
        return ""
    try:
        # Late: only these answers look into a payload, and the door starts without it.
        from leadkeep.sources.contact import read_contact  # noqa: PLC0415

        return read_contact(payload.content_type, payload.target, payload.body).name
    except Exception:  # The lead is durable; whatever its payload does to a reader, it is answered.
        return ""
