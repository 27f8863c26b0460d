"""The table of settings: every one with its default, unit, bounds and a sentence of help.

This is the single source: the loader, `leadkeep check`, `config show`, `--help`, the reference page
and the example file are all made from these fields. Standard library only: the supervisor reads it.

A field's key in `leadkeep.toml` is its path here (`intake.max_body_bytes`); its environment
variable is that key in capitals with `LEADKEEP_` before it and `__` for each dot
(`LEADKEEP_INTAKE__MAX_BODY_BYTES`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple


class Address(NamedTuple):
    """Where to listen or connect: host and TCP port (port 0: any free one)."""

    host: str
    port: int

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


def setting(
    default: Any,
    help_text: str,
    *,
    kind: str,
    minimum: float | None = None,
    maximum: float | None = None,
    choices: tuple[str, ...] = (),
    secret: bool = False,
    example: str = "",
) -> Any:
    """One row of the table.

    Args:
        default: the value when nobody sets it; a dict or list is copied for each instance.
        help_text: one sentence for people.
        kind: which parser in `settings.kinds` reads it.
        minimum: the smallest value allowed.
        maximum: the largest value allowed.
        choices: the words allowed.
        secret: never shown by `config show` or in errors.
        example: a value as written in TOML, for the example file, where the default is none.
    """
    metadata = {
        "help": help_text,
        "kind": kind,
        "minimum": minimum,
        "maximum": maximum,
        "choices": choices,
        "secret": secret,
        "example": example,
    }
    if isinstance(default, (list, dict)):
        return field(default_factory=default.copy, metadata=metadata)
    return field(default=default, metadata=metadata)


@dataclass(frozen=True, kw_only=True)
class IntakeSettings:
    """The door: where vendors' requests come in."""

    listen: tuple[Address, ...] = setting(
        (Address("127.0.0.1", 8080),), "Where vendors post to.", kind="addresses"
    )
    admin_listen: Address | None = setting(
        Address("127.0.0.1", 9180),
        "Metrics and details of the door; keep it on loopback. `off` for none.",
        kind="optional_address",
    )
    tls_certificate: Path | None = setting(
        None,
        "PEM file with the certificate chain; reloaded when it changes.",
        kind="optional_path",
        example='"/etc/leadkeep/certificate.pem"',
    )
    tls_key: Path | None = setting(
        None,
        "PEM file with the private key; reloaded when it changes.",
        kind="optional_path",
        example='"/etc/leadkeep/key.pem"',
    )
    max_body_bytes: int = setting(
        10 * 1024**2,
        "A larger body is answered 413 and recorded as a rejection.",
        kind="size",
        minimum=1024,
        maximum=256 * 1024**2,
    )
    max_header_bytes: int = setting(
        64 * 1024,
        "Request line and headers together; more is answered 431 and recorded.",
        kind="size",
        minimum=1024,
        maximum=1024**2,
    )
    max_connections: int = setting(
        10_000, "Connections open at once; one more is answered 503.", kind="count", minimum=1
    )
    header_timeout_seconds: float = setting(
        15.0, "A request's headers must be complete in this time.", kind="seconds", minimum=0.1
    )
    body_timeout_seconds: float = setting(
        60.0, "A request's body must be complete in this time.", kind="seconds", minimum=0.1
    )
    idle_timeout_seconds: float = setting(
        75.0, "A kept-alive connection without a request is closed.", kind="seconds", minimum=0.1
    )
    lame_duck_seconds: float = setting(
        1.0,
        "On stopping, idle connections are kept this long for a request already on its way.",
        kind="seconds",
        minimum=0.5,
        maximum=60,
    )
    drain_seconds: float = setting(
        10.0,
        "On stopping, requests under way may finish for this long after the lame-duck time.",
        kind="seconds",
        minimum=0,
        maximum=600,
    )
    unrouted_max_bytes: int = setting(
        256 * 1024**2,
        "Bytes per hour accepted for paths that no source claims; beyond: 503.",
        kind="size",
        minimum=0,
    )
    unrouted_max_bytes_per_address: int = setting(
        16 * 1024**2,
        "The same for one sender's address.",
        kind="size",
        minimum=0,
    )
    trusted_proxies: tuple[str, ...] = setting(
        (),
        "Addresses or networks whose X-Forwarded-For is believed.",
        kind="networks",
        example='["127.0.0.1", "10.0.0.0/8"]',
    )


@dataclass(frozen=True, kw_only=True)
class JournalSettings:
    """The journal: where a lead becomes durable before its vendor is answered."""

    folders: tuple[Path, ...] = setting(
        (),
        "Journal folders in order of preference; best on different disks. Empty: DATA/journal.",
        kind="paths",
        example='["data/journal", "/mnt/other-disk/leadkeep-journal"]',
    )
    deadline_ms: int = setting(
        750,
        "A journal that has not committed in this time is passed over for the next.",
        kind="milliseconds",
        minimum=10,
        maximum=60_000,
    )
    segment_bytes: int = setting(
        32 * 1024**2,
        "Size of a journal file; must exceed the largest body by 1 MiB.",
        kind="size",
        minimum=2 * 1024**2,
        maximum=1024**3,
    )
    batch_max_bytes: int = setting(
        8 * 1024**2, "At most this much goes into one commit.", kind="size", minimum=64 * 1024
    )
    archive_days: int = setting(
        30,
        "How long every request is kept, compressed, after it was absorbed.",
        kind="days",
        minimum=1,
    )
    archive_max_bytes: int = setting(
        20 * 1024**3,
        "The oldest archived segments go first beyond this; never one with an undelivered lead.",
        kind="size",
        minimum=1024**2,
    )


@dataclass(frozen=True, kw_only=True)
class StoreSettings:
    """The queue: leads, deliveries and attempts."""

    path: Path | None = setting(
        None,
        "The SQLite file. Not set: DATA/leadkeep.db.",
        kind="optional_path",
        example='"data/leadkeep.db"',
    )
    busy_timeout_ms: int = setting(
        5_000, "How long a write waits for another process's.", kind="milliseconds", minimum=0
    )


@dataclass(frozen=True, kw_only=True)
class WorkerSettings:
    """The worker: it absorbs and delivers."""

    admin_listen: Address | None = setting(
        Address("127.0.0.1", 9181),
        "Metrics and details of the worker; keep it on loopback. `off` for none.",
        kind="optional_address",
    )
    lease_seconds: float = setting(
        90.0,
        "A claimed lead whose worker is not heard of for this long is claimed again.",
        kind="seconds",
        minimum=1,
    )
    drain_seconds: float = setting(
        25.0, "On stopping, deliveries under way may finish for this long.", kind="seconds"
    )
    ballast_bytes: int = setting(
        128 * 1024**2,
        "A file on each disk it writes to, removed when the disk is nearly full. The door leaves "
        "twice as much free. 0: none.",
        kind="size",
        minimum=0,
        maximum=64 * 1024**3,
    )
    default_region: str = setting(
        "US", "Country of phone numbers without a country code; empty: leave as sent.", kind="text"
    )


@dataclass(frozen=True, kw_only=True)
class ReplySettings:
    """What a vendor is answered once its lead is durable."""

    status: int = setting(200, "Its HTTP status.", kind="count", minimum=200, maximum=299)
    content_type: str = setting("application/json", "Its Content-Type.", kind="text")
    headers: Mapping[str, str] = setting(
        {}, "Further headers.", kind="texts", example='{ X-Accepted-By = "leadkeep" }'
    )
    body: str | None = setting(
        None,
        "Body, with {{lead_id}}, {{lead_number}}, {{received_at}} and {{name}}. Not set: built in.",
        kind="optional_text",
        example='\'{"success": true, "lead_id": "{{lead_number}}"}\'',
    )


@dataclass(frozen=True, kw_only=True)
class SourceSettings:
    """A source: one vendor, or one kind of lead."""

    paths: tuple[str, ...] = setting(
        (),
        "Paths it posts to; a trailing `*` takes all below, `*` alone every path.",
        kind="url_paths",
        example='["/webhook.php", "/webhook/auto*"]',
    )
    destinations: tuple[str, ...] = setting(
        (),
        "Where its leads go, by name. Empty: to every destination.",
        kind="texts_list",
        example='["NAME"]',
    )
    reply: ReplySettings = field(default_factory=ReplySettings)


@dataclass(frozen=True, kw_only=True)
class RetrySettings:
    """When a delivery that failed is tried again; each wait is drawn at random up to its length."""

    first_seconds: float = setting(
        5.0, "Longest wait before the second try.", kind="seconds", minimum=0
    )
    longest_seconds: float = setting(
        900.0, "Longest wait between two tries.", kind="seconds", minimum=0.1
    )
    factor: float = setting(
        2.0, "Each wait is longer by this.", kind="ratio", minimum=1, maximum=10
    )
    age_seconds: float = setting(
        7 * 86_400.0,
        "After trying for this long a lead is marked failed and waits for a person.",
        kind="seconds",
        minimum=0,
    )


@dataclass(frozen=True, kw_only=True)
class DestinationSettings:
    """A destination: an application that receives leads."""

    url: str = setting(
        "",
        "Where to post to. Every destination needs it.",
        kind="url",
        example='"https://app.example/webhook"',
    )
    forward_path: str = setting(
        "replace",
        "`replace`: post to url as it is; `append`: add the vendor's path to it.",
        kind="choice",
        choices=("replace", "append"),
    )
    forward_query: bool = setting(True, "Add the vendor's query to the url's.", kind="yes_no")
    timeout_seconds: float = setting(
        30.0,
        "The whole attempt, from connecting to the reply's last byte.",
        kind="seconds",
        minimum=0.1,
        maximum=600,
    )
    concurrency: int = setting(
        16, "Deliveries under way at once.", kind="count", minimum=1, maximum=1_000
    )
    reply_max_bytes: int = setting(
        16 * 1024, "This much of the reply is recorded.", kind="size", minimum=0, maximum=1024**2
    )
    headers: Mapping[str, str] = setting(
        {},
        "Headers added to each delivery.",
        kind="texts",
        secret=True,
        example='{ Authorization = { env = "CRM_AUTHORIZATION" } }',
    )
    retry: RetrySettings = field(default_factory=RetrySettings)


class Origin(NamedTuple):
    """Where a value came from: `default`, `file`, `environment` or `flag`, and which."""

    kind: str
    detail: str

    def __str__(self) -> str:
        return f"{self.kind} {self.detail}".strip()


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Everything, validated."""

    data: Path = setting(Path("data"), "Folder for everything that must last.", kind="path")
    forward_to: str | None = setting(
        None,
        "Deliver every lead to this URL: a destination `default` and a source for every path.",
        kind="optional_url",
        example='"http://127.0.0.1:8000/webhook.php"',
    )
    log_level: str = setting(
        "info", "How much is logged.", kind="choice", choices=("debug", "info", "warning", "error")
    )
    log_format: str = setting(
        "auto",
        "`auto`: readable on a terminal, JSON otherwise.",
        kind="choice",
        choices=("auto", "text", "json"),
    )
    intake: IntakeSettings = field(default_factory=IntakeSettings)
    journal: JournalSettings = field(default_factory=JournalSettings)
    store: StoreSettings = field(default_factory=StoreSettings)
    worker: WorkerSettings = field(default_factory=WorkerSettings)
    sources: Mapping[str, SourceSettings] = field(default_factory=dict)
    destinations: Mapping[str, DestinationSettings] = field(default_factory=dict)
    origins: Mapping[str, Origin] = field(default_factory=dict, repr=False)
    config_file: Path | None = field(default=None, repr=False)
    """The file that was read; None: there was none."""
    config_text: str | None = field(default=None, repr=False)
    """That file's text as it was validated: the supervisor hands it on to its children."""

    @property
    def journal_folders(self) -> tuple[Path, ...]:
        """The journal folders in order; DATA/journal if none is named."""
        return self.journal.folders or (self.data / "journal",)

    @property
    def archive_folder(self) -> Path:
        """Where absorbed segments and the log of outcomes are kept."""
        return self.data / "archive"

    @property
    def run_folder(self) -> Path:
        """Locks, doorbell and process files: nothing in it must last."""
        return self.data / "run"

    @property
    def store_path(self) -> Path:
        """The SQLite file."""
        return self.store.path or self.data / "leadkeep.db"
