"""TLS at the door: a certificate that can be replaced while the door is open.

Invariant: a new pair of files is used only after it has been loaded whole elsewhere; a broken one
changes nothing but the log.
"""

import ssl
from pathlib import Path

import structlog

from leadkeep.errors import SettingsError

log = structlog.get_logger("leadkeep.intake")

_Stamp = tuple[tuple[int, int, int], ...]


class ServerTLS:
    """The door's TLS context and the files it comes from.

    Args:
        certificate: PEM file with the chain.
        key: PEM file with the private key.

    Raises:
        SettingsError: the pair cannot be used.
    """

    def __init__(self, certificate: Path, key: Path) -> None:
        self._certificate = certificate
        self._key = key
        self._seen = self._stamp()
        try:
            self.context = self._load()
        except (OSError, ssl.SSLError) as error:
            raise SettingsError(
                f"intake.tls_certificate = {certificate} with intake.tls_key = {key}: {error}",
                hint="Both must be PEM files, and the key must belong to the certificate.",
            ) from error

    def reload_if_changed(self) -> bool:
        """Use the files if they are others than before; True if a new pair is in use.

        Handshakes from now on see the new pair; open connections go on.
        """
        stamp = self._stamp()
        if stamp == self._seen:
            return False
        self._seen = stamp
        try:
            self._load()
            self.context.load_cert_chain(self._certificate, self._key)
        except (OSError, ssl.SSLError) as error:
            log.error(
                "the new TLS certificate cannot be used; the old one stays in use",
                certificate=str(self._certificate),
                key=str(self._key),
                error=str(error),
            )
            return False
        log.info("the TLS certificate has been replaced", certificate=str(self._certificate))
        return True

    def _load(self) -> ssl.SSLContext:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.set_alpn_protocols(["http/1.1"])
        context.load_cert_chain(self._certificate, self._key)
        return context

    def _stamp(self) -> _Stamp:
        """What changes when a file is replaced, also by a link to another (as certbot does)."""
        stamps = []
        for path in (self._certificate, self._key):
            try:
                stat = path.stat()
            except OSError:
                stamps.append((0, 0, 0))
            else:
                stamps.append((stat.st_mtime_ns, stat.st_ino, stat.st_size))
        return tuple(stamps)
