"""From a stored lead to the bytes of the request that delivers it.

Pure, and exact: what is not changed on purpose goes out as it came in. The sender's headers keep
their order, case, number and bytes; the target's path and query are never decoded. What is changed
is listed in docs/reference/delivery.md and nowhere else.
"""

import re
from base64 import b64encode
from urllib.parse import unquote_to_bytes, urlsplit

from yarl import URL

from leadkeep.clock import Clock, SystemClock, rfc3339
from leadkeep.destinations.authorization import authorization_line
from leadkeep.destinations.signing import STANDARD_HEADERS, signer_of
from leadkeep.errors import SettingsError
from leadkeep.models import Claim
from leadkeep.settings.model import DestinationSettings

# RFC 9110 §7.6.1 and what belongs to one connection only. Host and Content-Length are ours.
_NOT_FORWARDED = frozenset(
    {
        b"connection",
        b"content-length",
        b"expect",
        b"host",
        b"http2-settings",
        b"keep-alive",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    }
)
_OURS = b"leadkeep-"
_PROXY = b"proxy-"
_IDEMPOTENCY_KEY = b"idempotency-key"
_TOKEN = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_UNSENDABLE_IN_VALUE = re.compile(rb"[\x00\r\n]")
_LINE_END_IN_TEXT = re.compile(r"[\x00\r\n]")
_UNSENDABLE_IN_TARGET = re.compile(rb"[\x00-\x20\x7f]")
_DOT_SEGMENT = re.compile(rb"(?:^|[/\\])(?:\.|%2e){1,2}(?:[/\\;]|$)", re.IGNORECASE)
_METHODS_WITH_LENGTH = frozenset({"POST", "PUT", "PATCH"})


class Unsendable(Exception):
    """This lead cannot be put into a request for this destination; `str()` says why in words."""


class RequestForm:
    """Everything about a destination's requests that is the same for every lead.

    Args:
        name: the destination's name, for errors.
        settings: its settings.
        clock: tells when a request is made.

    Raises:
        SettingsError: the url, a configured header or a secret cannot be used.
    """

    def __init__(
        self, name: str, settings: DestinationSettings, *, clock: Clock | None = None
    ) -> None:
        self._name = name
        self._clock = clock or SystemClock()
        self._signer = signer_of(name, settings)
        self._append = settings.forward_path == "append"
        self._forward_query = settings.forward_query
        parts = _split(name, settings.url)
        self.origin = _origin(name, settings.url)
        self._path = parts.path.encode("ascii")
        self._query = parts.query.encode("ascii")
        self._replaced: set[bytes] = set()
        host = (self.origin.host_port_subcomponent or "").encode("ascii")
        configured = b""
        credentials = _credentials(parts.netloc)
        if credentials:
            configured += b"Authorization: Basic " + b64encode(credentials) + b"\r\n"
            self._replaced.add(b"authorization")
        if authorization := authorization_line(name, settings.auth):
            configured += authorization
            self._replaced.add(b"authorization")
        if self._signer is not None and self._signer.standard:
            self._replaced |= STANDARD_HEADERS
        for header, value in settings.headers.items():
            line_name, line_value = _configured_header(name, header, value)
            if line_name.lower() == b"host":
                host = line_value
                continue
            self._replaced.add(line_name.lower())
            configured += line_name + b": " + line_value + b"\r\n"
        self._configured = configured
        self._host_line = b" HTTP/1.1\r\nHost: " + host + b"\r\n"
        fixed_target = self._path or b"/"
        self._fixed_target = fixed_target + (b"?" + self._query if self._query else b"")

    def head(self, claim: Claim) -> bytes:
        """Request line and headers, up to and with the empty line; `claim.body` follows.

        It is signed for this body and this moment: make it anew for each attempt.

        Raises:
            Unsendable: method or target cannot be sent.
        """
        method = claim.method.encode("ascii", "replace")  # `?` is in no method
        if _TOKEN.fullmatch(method) is None:
            raise Unsendable("its method is not a word that HTTP knows")
        kept, length_given = self._kept_headers(claim.headers)
        body_bytes = len(claim.body)
        now_s = self._clock.now_us() // 1_000_000
        if body_bytes or length_given or claim.method in _METHODS_WITH_LENGTH:
            kept.append(b"Content-Length: %d" % body_bytes)
        return b"".join(
            (
                method,
                b" ",
                self._target(claim.target),
                self._host_line,
                b"\r\n".join(kept),
                b"\r\n" if kept else b"",
                self._configured,
                _own_headers(claim, now_s),
                self._signature(claim, now_s),
                b"\r\n",
            )
        )

    def _signature(self, claim: Claim, now_s: int) -> bytes:
        if self._signer is None:
            return b""
        # The id that is signed is the one that its receiver has: of its own header, or the lead's.
        message_id = claim.idempotency_key if self._signer.standard else claim.lead_id
        return self._signer.lines(message_id, now_s, claim.body)

    def health_head(self) -> bytes:
        """A GET of the url as it is, with nothing of any lead.

        Not the configured headers: they may hold what only the place for leads shall get.
        """
        return b"".join(
            (
                b"GET ",
                self._fixed_target,
                self._host_line,
                b"Accept: */*\r\nUser-Agent: leadkeep\r\n",
                b"\r\n",
            )
        )

    def _target(self, target: bytes) -> bytes:
        """The request target: the configured url with the sender's path and query as configured."""
        path, mark, query = target.partition(b"?")
        if self._append:
            result = self._appended(path)
            if self._query:
                result += b"?" + self._query
        else:
            result = self._fixed_target
        if self._forward_query and mark:
            if not self._query:
                result += b"?" + query
            elif query:
                result += b"&" + query
        if _UNSENDABLE_IN_TARGET.search(result):
            raise Unsendable("its path or query contains a space or control character")
        return result

    def _appended(self, path: bytes) -> bytes:
        if not path.startswith(b"/"):
            # Absolute form (RFC 9112 §3.2.2) or `*`: what is after the authority counts.
            _, _, rest = path.partition(b"://")
            slash = rest.find(b"/")
            path = rest[slash:] if slash >= 0 else b""
        if _DOT_SEGMENT.search(path):
            # Whoever may post here could otherwise reach any address of the application.
            raise Unsendable("its path contains `.` or `..`, which is not appended to the url")
        return (self._path.removesuffix(b"/") if path else self._path) + path or b"/"

    def _kept_headers(self, headers: bytes) -> tuple[list[bytes], bool]:
        """The sender's header lines that go on, and whether the sender gave a body length."""
        lines = headers.split(b"\r\n")
        dropped: frozenset[bytes] | set[bytes] = _NOT_FORWARDED
        if b"onnection:" in headers or self._replaced:
            dropped = dropped | self._replaced | _named_by_connection(lines)
        kept: list[bytes] = []
        length_given = False
        for line in lines:
            name = line[: line.find(b":")].lower()
            if name in dropped:
                length_given = length_given or name in (b"content-length", b"transfer-encoding")
                continue
            if name == _IDEMPOTENCY_KEY:
                line = b"Leadkeep-Original-" + line  # noqa: PLW2901  sent on under another name
            elif name.startswith((_OURS, _PROXY)):
                continue
            if _TOKEN.fullmatch(name) is None or _UNSENDABLE_IN_VALUE.search(line):
                continue
            kept.append(line)
        return kept, length_given


def _own_headers(claim: Claim, now_s: int) -> bytes:
    # A program that pushes a lead names its source as it likes.
    source = _LINE_END_IN_TEXT.sub(" ", claim.source)
    if claim.is_ping:
        return (
            f"Idempotency-Key: {claim.lead_id}\r\n"
            f"Leadkeep-Ping-Id: {claim.lead_id}\r\n"
            f"Leadkeep-Source: {source}\r\n"
            f"Leadkeep-Received-At: {rfc3339(claim.received_at_ms * 1000)}\r\n"
        ).encode("utf-8", "replace")
    part = f"Leadkeep-Part: {claim.part}/{claim.parts}\r\n" if claim.part else ""
    order = f"Leadkeep-Out-Of-Order: {claim.out_of_order}\r\n" if claim.out_of_order else ""
    return (
        f"Idempotency-Key: {claim.idempotency_key}\r\n"
        f"Leadkeep-Lead-Id: {claim.lead_id}\r\n"
        f"Leadkeep-Lead-Number: {claim.lead_number}\r\n"
        f"Leadkeep-Attempt: {claim.attempt}\r\n"
        f"Leadkeep-Source: {source}\r\n"
        f"Leadkeep-Received-At: {rfc3339(claim.received_at_ms * 1000)}\r\n"
        f"Leadkeep-Timestamp: {now_s}\r\n"
        f"{part}{order}"
    ).encode("utf-8", "replace")


def _named_by_connection(lines: list[bytes]) -> set[bytes]:
    """Headers that a `Connection` header declares to belong to that connection only."""
    named: set[bytes] = set()
    for line in lines:
        name, _, value = line.partition(b":")
        if name.lower() == b"connection":
            named.update(option.strip().lower() for option in value.split(b","))
    return named


class _Parts:
    __slots__ = ("netloc", "path", "query")

    def __init__(self, netloc: str, path: str, query: str) -> None:
        self.netloc = netloc
        self.path = path
        self.query = query


def _split(name: str, url: str) -> _Parts:
    """Cut a configured url without decoding anything of it."""
    hint = "Write it like https://app.example.com/webhook, percent-encoded, without spaces."
    if not url:
        raise SettingsError(f"destinations.{name}.url is empty", hint=hint)
    try:
        parts = urlsplit(url)
        _ = parts.port  # raises if it is no number
    except ValueError as error:
        raise SettingsError(f"destinations.{name}.url is not a URL: {error}", hint=hint) from error
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise SettingsError(
            f"destinations.{name}.url needs http:// or https:// and a host", hint=hint
        )
    rest = url.partition("://")[2]
    if re.search(r"[\x00-\x20\x7f]", url) or not rest[len(parts.netloc) :].isascii():
        raise SettingsError(
            f"destinations.{name}.url contains a character that must be percent-encoded", hint=hint
        )
    return _Parts(parts.netloc, parts.path, parts.query)


def _origin(name: str, url: str) -> URL:
    """Scheme, host and port alone: what is connected to, and all that is said in errors."""
    parts = urlsplit(url)
    try:
        return URL.build(scheme=parts.scheme, host=parts.hostname or "", port=parts.port, path="/")
    except (ValueError, UnicodeError) as error:
        raise SettingsError(f"destinations.{name}.url has an impossible host: {error}") from error


def _credentials(netloc: str) -> bytes:
    """`user:password` of a url, decoded; empty if it has none."""
    userinfo, at, _ = netloc.rpartition("@")
    if not at:
        return b""
    user, _, password = userinfo.partition(":")
    return unquote_to_bytes(user) + b":" + unquote_to_bytes(password)


def _configured_header(destination: str, name: str, value: str) -> tuple[bytes, bytes]:
    raw_name, raw_value = name.encode("utf-8"), value.encode("utf-8")
    key = f"destinations.{destination}.headers.{name}"
    if _TOKEN.fullmatch(raw_name) is None:
        raise SettingsError(f"{key} is not a header name")
    if re.search(rb"[\x00-\x08\x0a-\x1f\x7f]", raw_value):
        raise SettingsError(f"{key} has a value with control characters")
    lowered = raw_name.lower()
    reserved = (_NOT_FORWARDED - {b"host"}) | {_IDEMPOTENCY_KEY}
    if lowered in reserved or lowered.startswith((_OURS, _PROXY)):
        raise SettingsError(
            f"{key} cannot be configured", hint="Leadkeep sets it, or it belongs to one connection."
        )
    return raw_name, raw_value.strip()
