"""All that one source's requests have to show, put together from its settings."""

from collections.abc import Callable, Mapping, Sequence

from leadkeep.errors import SettingsError
from leadkeep.settings.model import Settings
from leadkeep.settings.source import SourceSettings
from leadkeep.sources.verification.evidence import Evidence
from leadkeep.sources.verification.signature import Proof, Signature
from leadkeep.sources.verification.words import Addresses, Basic, Token

NOT_PROVED = "not proved to be from"
"""How the reason begins for which such a lead is held."""

Check = Callable[[Evidence], str]
"""Says why a request proves nothing; empty if it does."""


class Verifier:
    """What a source's requests must show. Immutable; used from any thread.

    Args:
        name: the source's.
        settings: the source's.

    Raises:
        SettingsError: something is configured that cannot be checked.
    """

    def __init__(self, name: str, settings: SourceSettings) -> None:
        verify, key = settings.verify, f"sources.{name}"
        secrets = tuple(filter(None, settings.secrets))
        self._checks: list[Check] = []
        self._signature: Signature | None = None
        if verify.addresses:
            self._checks.append(Addresses(verify.addresses).fault)
        if verify.basic:
            self._checks.append(Basic(verify.basic).fault)
        if verify.token.place != "none":
            _need(secrets, key, "the token")
            self._checks.append(Token(verify.token, secrets, key=f"{key}.verify.token").fault)
        if verify.signature.algorithm != "none":
            _need(secrets, key, "the signature")
            self._signature = Signature(
                verify.signature,
                secrets,
                public_url=verify.public_url,
                key=f"{key}.verify.signature",
            )
        self.rejects = verify.on_failure == "reject"

    def __bool__(self) -> bool:
        """True if there is anything to show."""
        return bool(self._checks or self._signature)

    def fault(self, evidence: Evidence) -> str:
        """Why the request does not prove to be the vendor's, in words; empty if it does."""
        proved = self.prove(evidence)
        return proved if isinstance(proved, str) else ""

    def prove(self, evidence: Evidence) -> Proof | str | None:
        """What its signature proves, or why the request proves nothing, in words.

        None: nothing speaks against it, and nothing is signed.
        """
        for check in self._checks:
            if fault := check(evidence):
                return fault
        return None if self._signature is None else self._signature.prove(evidence)


def verifiers_of(settings: Settings) -> Mapping[str, Verifier]:
    """Source → what its requests must show, of those that must show something.

    Raises:
        SettingsError: something is configured that cannot be checked.
    """
    made = {name: Verifier(name, source) for name, source in settings.sources.items()}
    return {name: verifier for name, verifier in made.items() if verifier}


def _need(secrets: Sequence[str], key: str, what: str) -> None:
    if not secrets:
        raise SettingsError(
            f"{key}.secrets: {what} of this source is checked with a secret, and there is none",
            hint='Give it as secrets = { env = "NAME" }, or take the check away.',
        )
