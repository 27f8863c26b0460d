"""Signatures: found in the request, made again over the same bytes, compared in constant time."""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

import msgspec

from leadkeep.errors import SettingsError
from leadkeep.settings.verification import SignatureSettings
from leadkeep.sources.verification.evidence import Evidence
from leadkeep.sources.verification.message import SignedMessage, Stamp

_SIGNATURES_MAX = 20
_LONGEST = 1_000
_NO_STAMP = Stamp()

_Fits = Callable[[bytes, bytes], bool]
"""Takes a message and a signature."""


class Proof(msgspec.Struct, frozen=True, gc=False):
    """What a signature that fits has proved: by this, a request that comes again is known."""

    signed: bytes
    """What is signed, but for the time of signing: a vendor that repeats a request signs anew."""
    signature: bytes
    """As vendors write it into the header: hex in small letters, or Base64 without its padding."""


class Found(msgspec.Struct, frozen=True, gc=False):
    """What the request says of its signature."""

    signatures: tuple[bytes, ...]
    stamp: Stamp


class Signature:
    """One way of signing.

    Args:
        settings: which.
        secrets: every one that may have been used: while it is changed there are two.
        public_url: scheme and host that the vendor posts to.
        key: the settings' section, for errors.

    Raises:
        SettingsError: it cannot be checked with what is given.
    """

    def __init__(
        self, settings: SignatureSettings, secrets: Sequence[str], *, public_url: str, key: str
    ) -> None:
        self._settings = settings
        self._message = SignedMessage(settings.signed, public_url=public_url, key=f"{key}.signed")
        if not settings.header:
            raise SettingsError(f"{key}.header: in which header the signature is sent is not said")
        self._prefix = settings.prefix.lower().encode()
        self._fitting = [_fitting(secret, settings, key) for secret in secrets]
        pieces = self._message.pieces
        # Asked of every lead, and the same for all.
        self._is_hex = settings.encoding == "hex"
        self._signs_time = "timestamp" in pieces
        self._signs_id = "id" in pieces
        self._needs_time = self._signs_time or bool(
            settings.max_age_seconds or settings.max_ahead_seconds
        )
        self._signs_fields = "sorted_fields" in pieces and "body" not in pieces
        self._may_miss_body = self._signs_fields or bool(settings.body_hash_parameter)

    @property
    def covers(self) -> frozenset[str]:
        """The pieces of the request that are signed."""
        return self._message.pieces

    def fault(self, evidence: Evidence) -> str:
        """Why the request's signature proves nothing; empty if it proves who sent it.

        Never raises, whatever the request is. Says nothing of its contents.
        """
        proved = self.prove(evidence)
        return proved if isinstance(proved, str) else ""

    def prove(self, evidence: Evidence) -> Proof | str:
        """What the request's signature proves, or why it proves nothing."""
        found = self._find(evidence)
        if isinstance(found, str):
            return found
        settings = self._settings
        if self._needs_time and (fault := self._fault_of_time(evidence, found.stamp)):
            return fault
        if self._signs_id and not found.stamp.message_id:
            return f"it has no {settings.id_header or 'id'} header, which is signed as well"
        if self._may_miss_body and (fault := self._fault_of_body(evidence)):
            return fault
        message = self._message.of(evidence, found.stamp)
        for signature in found.signatures:
            for fits in self._fitting:
                if fits(message, signature):
                    return self._proof(evidence, found.stamp, message, signature)
        return "its signature does not fit what was sent and the secret"

    def _proof(self, evidence: Evidence, stamp: Stamp, message: bytes, signature: bytes) -> Proof:
        if self._is_hex:
            written = signature.hex().encode()
        else:
            written = base64.b64encode(signature).rstrip(b"=")
        if self._signs_time:
            message = self._message.of(evidence, Stamp(message_id=stamp.message_id))
        return Proof(message, written)

    def _find(self, evidence: Evidence) -> Found | str:
        settings = self._settings
        given = evidence.header(settings.header)
        if not given:
            return f"it has no {settings.header} header"
        written: list[bytes] = []
        timestamp = b""
        for value in given[:_SIGNATURES_MAX]:
            if settings.form == "plain":
                prefix = self._prefix
                if value[: len(prefix)].lower() == prefix:
                    written.append(value[len(prefix) :])
            elif settings.form == "pairs":
                pairs = [part.strip().partition(b"=") for part in value.split(b",", 2 * _LONGEST)]
                written += [word for name, _, word in pairs if name == settings.key.encode()]
                stamps = [
                    word for name, _, word in pairs if name == settings.timestamp_key.encode()
                ]
                timestamp = timestamp or (stamps[0] if stamps else b"")
            else:
                versions = [part.partition(b",") for part in value.split(b" ", _SIGNATURES_MAX)]
                written += [word for name, _, word in versions if name == settings.key.encode()]
        signatures = [
            decoded
            for word in written[:_SIGNATURES_MAX]
            if (decoded := _decoded(word, settings.encoding, exactly=True)) is not None
        ]
        if not signatures:
            return f"its {settings.header} header is not written as a signature of this vendor"
        if settings.timestamp_header:
            timestamp = _first(evidence.header(settings.timestamp_header))
        elif settings.timestamp_field:
            timestamp = (evidence.field(settings.timestamp_field) or "").encode("utf-8", "replace")
        message_id = _first(evidence.header(settings.id_header)) if settings.id_header else b""
        has_stamp = timestamp or message_id
        return Found(tuple(signatures), Stamp(timestamp, message_id) if has_stamp else _NO_STAMP)

    def _fault_of_time(self, evidence: Evidence, stamp: Stamp) -> str:
        settings = self._settings
        if not stamp.timestamp:
            return "it does not say when it was signed"
        signed_at = _seconds(stamp.timestamp, settings.timestamp_unit)
        if signed_at is None:
            return "when it was signed is not written as a time"
        age = evidence.received_at_us / 1_000_000 - signed_at
        if settings.max_age_seconds and age > settings.max_age_seconds:
            return (
                f"it was signed {age:.0f} s before it came, and {settings.max_age_seconds:g} s "
                "are allowed: it is replayed, or a clock is wrong"
            )
        if settings.max_ahead_seconds and -age > settings.max_ahead_seconds:
            return (
                f"it was signed {-age:.0f} s after it came, and {settings.max_ahead_seconds:g} s "
                "are allowed: a clock is wrong"
            )
        return ""

    def _fault_of_body(self, evidence: Evidence) -> str:
        """Why the signature does not cover the body, where it is not signed byte for byte."""
        name = self._settings.body_hash_parameter
        given = [value for key, value in evidence.query if key == name] if name else []
        if not given:
            if self._signs_fields and evidence.body and evidence.form is None:
                return "its body is no form whose fields are signed"
            return ""
        right = hashlib.sha256(evidence.body).hexdigest().encode()
        if hmac.compare_digest(given[0].encode("utf-8", "replace").lower(), right):
            return ""
        return f"its body is not the one that {name} in its URL was made of"


def _fitting(secret: str, settings: SignatureSettings, key: str) -> _Fits:
    """What tells whether a signature was made with this secret.

    Raises:
        SettingsError: the secret is not written as the settings say.
    """
    raw: bytes | None = secret.encode()
    if settings.key_form != "text":
        bare = secret.removeprefix("whsec_").removeprefix("whpk_")
        raw = _decoded(bare.encode(), settings.key_form)
    if not raw:
        raise SettingsError(
            f"{key}: the secret is not written in {settings.key_form}",
            hint="Copy it again from the vendor's page, whole and without spaces.",
        )
    if settings.algorithm == "ed25519":
        return _fitting_public_key(raw, key)
    # The key's part of the work is done once; a copy goes on from there, at a third of the price.
    keyed = hmac.new(raw, digestmod=settings.algorithm.removeprefix("hmac-"))

    def fits(message: bytes, signature: bytes) -> bool:
        made = keyed.copy()
        made.update(message)
        return hmac.compare_digest(made.digest(), signature)

    return fits


def _fitting_public_key(raw: bytes, key: str) -> _Fits:
    # Late: few vendors sign so, and the library is large.
    from cryptography.exceptions import InvalidSignature  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric.ed25519 import (  # noqa: PLC0415
        Ed25519PublicKey,
    )

    try:
        public = Ed25519PublicKey.from_public_bytes(raw)
    except ValueError as error:
        raise SettingsError(
            f"{key}: an ed25519 public key has 32 bytes, and this has {len(raw)}",
            hint="`key_form` says how it is written: hex or base64.",
        ) from error

    def fits(message: bytes, signature: bytes) -> bool:
        try:
            public.verify(signature, message)
        except InvalidSignature:
            return False
        return True

    return fits


def _decoded(word: bytes, encoding: str, *, exactly: bool = False) -> bytes | None:
    """The bytes that a text stands for; None if it is not written so.

    Args:
        exactly: Base64 leaves bits over; they must be none. Written with others, a signature would
            not be known when it comes again.
    """
    word = word.strip()
    if len(word) > _LONGEST:
        return None
    try:
        if encoding == "hex":
            return binascii.unhexlify(word)
        # Padding is left out by some.
        bare = word.rstrip(b"=")
        decoded = base64.b64decode(bare + b"=" * (-len(bare) % 4), validate=True)
    except (binascii.Error, ValueError):
        return None
    return decoded if not exactly or base64.b64encode(decoded).rstrip(b"=") == bare else None


def _first(values: Sequence[bytes]) -> bytes:
    return values[0] if values else b""


def _seconds(text: bytes, unit: str) -> float | None:
    """A time in seconds since 1970; None if it is not written as one."""
    try:
        if unit == "iso":
            moment = datetime.fromisoformat(text.decode("ascii"))
            return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
        if not text.isdigit() or len(text) > 20:
            return None
        return int(text) / (1000 if unit == "ms" else 1)
    except (ValueError, OverflowError, UnicodeDecodeError):
        return None
