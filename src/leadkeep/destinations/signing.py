"""Signatures in the form of Standard Webhooks: HMAC-SHA256 over `id.timestamp.body`.

https://github.com/standard-webhooks/standard-webhooks, `v1`. Over exactly the body that is sent.
"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Sequence

from leadkeep.errors import SettingsError
from leadkeep.settings.model import DestinationSettings

_PREFIX = "whsec_"
_SHORTEST, _LONGEST = 24, 64

STANDARD_HEADERS = frozenset({b"webhook-id", b"webhook-timestamp", b"webhook-signature"})


class Signer:
    """Signs with every one of a destination's keys, so that one can be replaced without a gap.

    Args:
        name: the destination's name, for errors.
        secrets: `whsec_` and base64 each.
        standard: also in the standard's own headers; else in `Leadkeep-Signature`.

    Raises:
        SettingsError: one of the keys cannot be used.
    """

    def __init__(self, name: str, secrets: Sequence[str], *, standard: bool) -> None:
        self.standard = standard
        self._keys = [_key(name, secret) for secret in secrets]

    def lines(self, message_id: str, timestamp: int, body: bytes) -> bytes:
        """The header lines for one request.

        Args:
            message_id: the lead's id, or the key of a part.
            timestamp: seconds since 1970, now.
            body: exactly what is sent.
        """
        signed = f"{message_id}.{timestamp}.".encode() + body
        signature = b" ".join(
            b"v1," + base64.b64encode(hmac.digest(key, signed, hashlib.sha256))
            for key in self._keys
        )
        if not self.standard:
            return b"Leadkeep-Signature: " + signature + b"\r\n"
        return (
            f"webhook-id: {message_id}\r\nwebhook-timestamp: {timestamp}\r\n".encode()
            + b"webhook-signature: "
            + signature
            + b"\r\n"
        )


def signer_of(name: str, settings: DestinationSettings) -> Signer | None:
    """The signer that a destination's settings mean; None: nothing is signed.

    Raises:
        SettingsError: a key cannot be used, or a configured header is the signature's.
    """
    sign = settings.sign
    if not sign.secrets:
        return None
    signer = Signer(name, sign.secrets, standard=sign.headers == "standard")
    for header in settings.headers:
        if signer.standard and header.lower().encode() in STANDARD_HEADERS:
            raise SettingsError(
                f"destinations.{name}.headers.{header} cannot be configured",
                hint=f"destinations.{name}.sign sets it.",
            )
    return signer


def _key(name: str, secret: str) -> bytes:
    try:
        key = base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not _SHORTEST <= len(key) <= _LONGEST:
        raise SettingsError(
            f"destinations.{name}.sign.secrets: one is not {_SHORTEST} to {_LONGEST} bytes in "
            "base64",
            hint='Make one: echo "whsec_$(openssl rand -base64 32)"',
        )
    return key
