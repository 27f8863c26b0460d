"""Secret words, user and password, addresses: what a request shows rather than proves."""

import base64
import binascii
import hmac
from collections.abc import Sequence
from ipaddress import ip_address, ip_network
from urllib.parse import unquote_to_bytes

from leadkeep.errors import SettingsError
from leadkeep.settings.verification import TokenSettings
from leadkeep.sources.verification.evidence import Evidence

_PLACES = {
    "path": "at the end of its path",
    "bearer": "behind Bearer in its Authorization header",
    "query": "in the parameter {name} of its URL",
    "header": "in its {name} header",
    "field": "in its field {name}",
}
_NAMED = ("query", "header", "field")


class Token:
    """A secret word at a place of the request.

    Args:
        settings: where.
        secrets: every word that is right.
        key: the settings' section, for errors.

    Raises:
        SettingsError: the place needs a name.
    """

    def __init__(self, settings: TokenSettings, secrets: Sequence[str], *, key: str) -> None:
        if settings.place in _NAMED and not settings.name:
            raise SettingsError(f"{key}.name: which {settings.place} holds the token is not said")
        self._settings = settings
        self._right = [secret.encode() for secret in secrets]
        self._where = _PLACES[settings.place].format(name=settings.name)

    def fault(self, evidence: Evidence) -> str:
        """Why it proves nothing; empty if the word is right."""
        given = self._given(evidence)
        if not given:
            return f"it has no token {self._where}"
        # Every pair is compared, so that the time tells nothing about which was nearest.
        fits = [hmac.compare_digest(one, right) for one in given for right in self._right]
        return "" if any(fits) else f"the token {self._where} is another one"

    def _given(self, evidence: Evidence) -> list[bytes]:
        name = self._settings.name
        match self._settings.place:
            case "path":
                last = unquote_to_bytes(evidence.path.rstrip(b"/").rpartition(b"/")[2])
                return [last] if last else []
            case "query":
                return [value.encode() for key, value in evidence.query if key == name][:5]
            case "header":
                return list(evidence.header(name))[:5]
            case "bearer":
                return [
                    word.strip()
                    for kind, _, word in (
                        value.partition(b" ") for value in evidence.header("authorization")[:5]
                    )
                    if kind.lower() == b"bearer"
                ]
            case _:
                value = evidence.field(name)
                return [] if value is None else [value.encode("utf-8", "replace")]


class Basic:
    """User and password (RFC 7617).

    Args:
        credentials: `user:password`.
    """

    def __init__(self, credentials: str) -> None:
        self._right = credentials.encode()

    def fault(self, evidence: Evidence) -> str:
        """Why it proves nothing; empty if both are right."""
        for value in evidence.header("authorization")[:5]:
            kind, _, word = value.partition(b" ")
            if kind.lower() != b"basic":
                continue
            try:
                given = base64.b64decode(word.strip(), validate=True)
            except (binascii.Error, ValueError):
                return "its user and password are not written as HTTP Basic has it"
            right = hmac.compare_digest(given, self._right)
            return "" if right else "its user or password is another one"
        return "it has no user and password"


class Addresses:
    """Where the vendor posts from.

    Args:
        networks: addresses and networks.
    """

    def __init__(self, networks: Sequence[str]) -> None:
        self._networks = [ip_network(network, strict=False) for network in networks]

    def fault(self, evidence: Evidence) -> str:
        """Why it proves nothing; empty if it came from there."""
        try:
            address = ip_address(evidence.peer.partition("%")[0])
        except ValueError:
            return "the address it came from is not known"
        mapped = getattr(address, "ipv4_mapped", None)
        address = mapped or address
        if any(address in network for network in self._networks):
            return ""
        return "it did not come from an address of this vendor"
