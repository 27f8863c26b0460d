"""Settings of how a destination is reached: TLS, credentials, signatures, processes for Python."""

from dataclasses import dataclass
from pathlib import Path

from leadkeep.settings.row import setting


@dataclass(frozen=True, kw_only=True)
class TlsSettings:
    """TLS towards an https URL: 1.2 or later, and certificates are always verified."""

    ca_file: Path | None = setting(
        None,
        "PEM file of certificates to trust instead of the system's; reloaded when it changes.",
        kind="optional_path",
        example='"/etc/leadkeep/internal-ca.pem"',
    )
    certificate: Path | None = setting(
        None,
        "PEM file with the client certificate chain to show; reloaded when it changes.",
        kind="optional_path",
        example='"/etc/leadkeep/client.pem"',
    )
    key: Path | None = setting(
        None,
        "PEM file with the client certificate's private key; reloaded when it changes.",
        kind="optional_path",
        example='"/etc/leadkeep/client-key.pem"',
    )
    server_name: str = setting(
        "",
        "Name that the destination's certificate must have, if it is not the URL's host.",
        kind="text",
        example='"app.example"',
    )


@dataclass(frozen=True, kw_only=True)
class AuthSettings:
    """Credentials sent with each delivery as `Authorization`; one of them, or none."""

    basic: str = setting(
        "",
        "User and password for HTTP Basic, as `user:password`.",
        kind="secret",
        secret=True,
        example='""',
    )
    bearer: str = setting(
        "",
        "Token sent as `Bearer`.",
        kind="secret",
        secret=True,
        example='{ env = "CRM_TOKEN" }',
    )


@dataclass(frozen=True, kw_only=True)
class SignSettings:
    """A signature with each delivery, in the form of Standard Webhooks."""

    secrets: tuple[str, ...] = setting(
        (),
        "Keys, each of 24 to 64 bytes in base64 with `whsec_` before it; every one signs.",
        kind="secrets",
        secret=True,
        example='["whsec_bGVhZGtlZXAgZXhhbXBsZSBvbmx5IGtleQ=="]',
    )
    headers: str = setting(
        "leadkeep",
        "`leadkeep`: Leadkeep-Signature; `standard`: webhook-id, webhook-timestamp, "
        "webhook-signature.",
        kind="choice",
        choices=("leadkeep", "standard"),
    )


@dataclass(frozen=True, kw_only=True)
class PythonSettings:
    """The processes of a destination with a `python:` URL."""

    path: tuple[Path, ...] = setting(
        (),
        "Folders where its modules are looked for first. Empty: the working directory.",
        kind="paths",
        example='["/srv/crm"]',
    )
    processes: int = setting(
        4, "Processes at most; each makes one call at a time.", kind="count", minimum=1, maximum=256
    )
    calls_per_process: int = setting(
        1_000, "After so many calls a process is replaced by a new one.", kind="count", minimum=1
    )
    memory_max_bytes: int = setting(
        1024**3,
        "Memory that each process may use; more is a MemoryError in it.",
        kind="size",
        minimum=64 * 1024**2,
    )
