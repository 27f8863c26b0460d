"""The bytes that a vendor signs, from a template: `{timestamp}.{body}` and the like."""

import re
from collections.abc import Callable, Mapping
from urllib.parse import unquote_to_bytes

import msgspec

from leadkeep.errors import SettingsError
from leadkeep.sources.verification.evidence import Evidence

_PIECE = re.compile(r"\{(\w+)\}")
# What HubSpot's signing decodes, and no more than that.
_DECODED = re.compile(rb"%(?:3a|2f|3f|40|21|24|27|28|29|2a|2c|3b)", re.IGNORECASE)


class Stamp(msgspec.Struct, frozen=True, gc=False):
    """What a vendor sends beside a signature, as it was sent."""

    timestamp: bytes = b""
    message_id: bytes = b""


_Piece = Callable[[Evidence, Stamp, bytes], bytes]

_PIECES: Mapping[str, _Piece] = {
    "body": lambda evidence, _stamp, _base: evidence.body,
    "timestamp": lambda _evidence, stamp, _base: stamp.timestamp,
    "id": lambda _evidence, stamp, _base: stamp.message_id,
    "method": lambda evidence, _stamp, _base: evidence.method.encode("ascii", "replace"),
    "url": lambda evidence, _stamp, base: base + evidence.target,
    "decoded_url": lambda evidence, _stamp, base: _DECODED.sub(
        lambda escaped: unquote_to_bytes(escaped[0]), base + evidence.target
    ),
    "sorted_fields": lambda evidence, _stamp, _base: _sorted_fields(evidence),
}


class SignedMessage:
    """A template, compiled.

    Args:
        template: text with the pieces' names in braces.
        public_url: scheme and host that the vendor posts to, for the pieces that cover it.
        key: the setting, for errors.

    Raises:
        SettingsError: a piece is unknown, none is named, or one needs a `public_url`.
    """

    def __init__(self, template: str, *, public_url: str, key: str) -> None:
        words = _PIECE.split(template)
        self._base = public_url.rstrip("/").encode()
        self._parts: list[bytes | _Piece] = []
        for number, word in enumerate(words):
            if number % 2 == 0:
                self._parts.append(word.encode())
                continue
            if word not in _PIECES:
                known = ", ".join(f"{{{name}}}" for name in _PIECES)
                raise SettingsError(f"{key}: no piece is called {{{word}}}; there are {known}")
            self._parts.append(_PIECES[word])
        self.pieces = frozenset(words[1::2])
        self._is_body = words == ["", "body", ""]
        if not self.pieces & {"body", "url", "decoded_url", "sorted_fields"}:
            raise SettingsError(f"{key}: a signature has to cover the body or the URL")
        if self.pieces & {"url", "decoded_url"} and not public_url:
            raise SettingsError(
                f"{key} covers the URL, which only the vendor and you know",
                hint="Give the scheme and host that the vendor posts to as `verify.public_url` of "
                "the same source: a Host header can be forged.",
            )

    def of(self, evidence: Evidence, stamp: Stamp) -> bytes:
        """The bytes that are signed."""
        if self._is_body:
            return evidence.body
        return b"".join(
            part if isinstance(part, bytes) else part(evidence, stamp, self._base)
            for part in self._parts
        )


def _sorted_fields(evidence: Evidence) -> bytes:
    """Twilio's form: every field's name and value, sorted by name, a repeated value once."""
    return b"".join(name + value for name, value in sorted(set(evidence.form or ())))
