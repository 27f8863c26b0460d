"""Settings of the installation's own parts: door, journal, store, worker."""

from dataclasses import dataclass
from pathlib import Path

from leadkeep.settings.row import Address, setting


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
    url: str | None = setting(
        None,
        "A PostgreSQL database instead of the SQLite file at `path`, for several nodes.",
        kind="optional_database",
        secret=True,
        example='"postgresql://leadkeep@db.example/leadkeep"',
    )
    listen_url: str | None = setting(
        None,
        "The same database without a pooler in between, to hear at once of other nodes' leads. Not "
        "set: `url`, unless `prepared_statements` are off.",
        kind="optional_database",
        secret=True,
        example='"postgresql://leadkeep@db.example:5432/leadkeep"',
    )
    prepared_statements: bool = setting(
        True,
        "Prepare PostgreSQL's statements once for each connection; off for PgBouncer that pools "
        "transactions.",
        kind="yes_no",
    )
    connect_timeout_ms: int = setting(
        5_000,
        "How long PostgreSQL may take to take a connection.",
        kind="milliseconds",
        minimum=100,
    )
    statement_timeout_ms: int = setting(
        15_000,
        "How long PostgreSQL may take for one statement that writes; then it is tried again.",
        kind="milliseconds",
        minimum=1_000,
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
