"""TLS towards a destination: whom we trust, and who we are.

Certificates are always verified and TLS is 1.2 at least; there is no setting that says otherwise.
"""

import ssl

from leadkeep.errors import SettingsError
from leadkeep.settings.model import TlsSettings


def client_tls(name: str, settings: TlsSettings) -> ssl.SSLContext:
    """A context from the files as they are now.

    Args:
        name: the destination's name, for errors.
        settings: its `tls`.

    Raises:
        SettingsError: a file cannot be read or used.
    """
    key = f"destinations.{name}.tls"
    try:
        # With a file of its own, the system's authorities are not trusted beside it.
        context = ssl.create_default_context(ssl.Purpose.SERVER_AUTH, cafile=settings.ca_file)
    except (OSError, ssl.SSLError) as error:
        raise SettingsError(
            f"{key}.ca_file = {settings.ca_file}: {_reason(error)}",
            hint="It must be a PEM file with one or more certificates.",
        ) from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    if settings.certificate is not None:
        try:
            # A passphrase would be asked for on the terminal; an empty one fails instead.
            context.load_cert_chain(settings.certificate, settings.key, password="")
        except (OSError, ssl.SSLError) as error:
            raise SettingsError(
                f"{key}.certificate = {settings.certificate} with {key}.key = {settings.key}: "
                f"{_reason(error)}",
                hint="Both must be PEM files, the key without a passphrase and of the certificate.",
            ) from error
    return context


def _reason(error: OSError) -> str:
    if isinstance(error, ssl.SSLError):
        return str(error.reason or "not PEM").replace("_", " ").lower()
    return (error.strerror or type(error).__name__).lower()
