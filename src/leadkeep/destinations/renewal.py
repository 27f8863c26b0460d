"""Secrets and certificates that stand in files and are replaced while they are in use.

Files are looked at once a second at most, when a lead is sent. Values that cannot be used change
nothing but the log: those before them stay in use.
"""

import dataclasses
from collections.abc import Iterable, Iterator
from pathlib import Path

from leadkeep.clock import Clock
from leadkeep.settings.model import DestinationSettings
from leadkeep.settings.secret import Secret

LOOK_MS = 1_000


class FileWatch:
    """Tells whether some files have changed.

    Args:
        files: which; a missing one is a state like any other.
        clock: says when to look again.
    """

    def __init__(self, files: Iterable[Path], clock: Clock) -> None:
        self._files = tuple(files)
        self._clock = clock
        self._looked_at_ms = clock.boottime_ms()
        self._seen = self._stamps()

    def changed(self) -> bool:
        """True once after each change."""
        now_ms = self._clock.boottime_ms()
        if now_ms - self._looked_at_ms < LOOK_MS:
            return False
        self._looked_at_ms = now_ms
        stamps = self._stamps()
        changed, self._seen = stamps != self._seen, stamps
        return changed

    def _stamps(self) -> list[tuple[int, ...]]:
        """What differs once a file is replaced, also by a link to another (as certbot does)."""
        stamps: list[tuple[int, ...]] = []
        for path in self._files:
            try:
                found = path.stat()
            except OSError:
                stamps.append(())
            else:
                stamps.append((found.st_mtime_ns, found.st_ino, found.st_size))
        return stamps


def secret_files(settings: DestinationSettings) -> list[Path]:
    """The files that a destination's secrets stand in."""
    return [secret.file for secret in _secrets(settings) if isinstance(secret, Secret)]


def tls_files(settings: DestinationSettings) -> list[Path]:
    """The files that its TLS is made from."""
    tls = settings.tls
    return [path for path in (tls.ca_file, tls.certificate, tls.key) if path is not None]


def with_secrets_of_now(settings: DestinationSettings) -> DestinationSettings:
    """The settings with every secret that stands in a file read anew.

    Raises:
        OSError, UnicodeDecodeError: one cannot be read.
    """
    auth, sign = settings.auth, settings.sign
    return dataclasses.replace(
        settings,
        headers={name: _now(value) for name, value in settings.headers.items()},
        auth=dataclasses.replace(auth, basic=_now(auth.basic), bearer=_now(auth.bearer)),
        sign=dataclasses.replace(sign, secrets=tuple(map(_now, sign.secrets))),
    )


def _secrets(settings: DestinationSettings) -> Iterator[str]:
    yield from settings.headers.values()
    yield settings.auth.basic
    yield settings.auth.bearer
    yield from settings.sign.secrets


def _now(secret: str) -> str:
    return Secret.read(secret.file) if isinstance(secret, Secret) else secret
