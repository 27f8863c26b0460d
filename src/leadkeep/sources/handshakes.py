"""Questions by which a vendor makes sure that a URL is ours, and their answers. Pure.

Invariant: only what carries everything that the settings name is a question; all else is a lead,
for several vendors send leads as a GET with a query.
"""

import hashlib
import hmac
import json
from collections.abc import Mapping
from urllib.parse import parse_qsl

import msgspec

from leadkeep.errors import SettingsError
from leadkeep.settings.model import Settings
from leadkeep.settings.source import SourceSettings

CHALLENGE_CHARS = 2_000
BODY_BYTES = 8 * 1024
"""A larger body is a lead, unread: questions are short."""
_PARAMETERS = 50

_read = msgspec.json.Decoder(type=dict[str, object]).decode


class Answer(msgspec.Struct, frozen=True):
    """What a question is answered."""

    status: int
    content_type: str
    body: bytes
    detail: str
    """For the record: how it went, without the words that were exchanged."""


class Handshake:
    """One source's question.

    Args:
        name: the source's.
        settings: the source's.

    Raises:
        SettingsError: the answer needs a secret that is not there.
    """

    def __init__(self, name: str, settings: SourceSettings) -> None:
        asked = settings.handshake
        self._parameter, self._field = asked.parameter, asked.field
        self._when = asked.when
        self._token_name, self._token = asked.token_name, asked.token.encode()
        self._is_json, self._proof_name = asked.answer == "json", asked.proof_name
        self._secret = next(iter(settings.secrets), "").encode()
        key = f"sources.{name}"
        if self._token_name and not self._token:
            raise SettingsError(
                f"{key}.handshake.token: the vendor is asked for it, and it is not set",
                hint="Choose a word, set it here and type it into the vendor's page.",
            )
        if self._proof_name and not self._secret:
            raise SettingsError(f"{key}.secrets: the handshake is answered with a secret")

    def answer(self, method: bytes, target: bytes, body: bytes) -> Answer | None:
        """The answer, if this is the question; None: it is a lead.

        Never raises, whatever the request is.
        """
        if self._parameter and method == b"GET" and not body:
            return self._answer(self._parameter, _parameters(target))
        if self._field and method == b"POST" and 0 < len(body) <= BODY_BYTES:
            return self._answer(self._field, _fields(body))
        return None

    def _answer(self, name: str, said: Mapping[str, str]) -> Answer | None:
        challenge = said.get(name, "")
        if not challenge or any(said.get(key) != value for key, value in self._when.items()):
            return None
        if len(challenge) > CHALLENGE_CHARS or not challenge.isprintable():
            return None
        if self._token_name:
            given = said.get(self._token_name, "").encode("utf-8", "replace")
            if not hmac.compare_digest(given, self._token):
                # Not silence: whoever sets the vendor's page up has to see that the word is wrong.
                wrong = b"the verify token is another one"
                return Answer(403, "text/plain; charset=utf-8", wrong, "the token is another one")
        if not self._is_json:
            return Answer(200, "text/plain; charset=utf-8", challenge.encode(), "answered")
        told = {name: challenge}
        if self._proof_name:
            proof = hmac.new(self._secret, challenge.encode(), hashlib.sha256)
            told[self._proof_name] = proof.hexdigest()
        return Answer(200, "application/json", json.dumps(told).encode(), "answered")


def handshakes_of(settings: Settings) -> Mapping[str, Handshake]:
    """Source → its question, of those that have one.

    Raises:
        SettingsError: a question cannot be answered with what is set.
    """
    return {
        name: Handshake(name, source)
        for name, source in settings.sources.items()
        if source.handshake.parameter or source.handshake.field
    }


def _parameters(target: bytes) -> Mapping[str, str]:
    query = target.partition(b"?")[2]
    try:
        return dict(parse_qsl(query.decode("utf-8", "replace"), max_num_fields=_PARAMETERS))
    except ValueError:
        return {}


def _fields(body: bytes) -> Mapping[str, str]:
    try:
        tree = _read(body)
    except (msgspec.DecodeError, ValueError, RecursionError):
        return {}
    return {key: value for key, value in tree.items() if isinstance(value, str)}
