"""The table of settings: every one with its default, unit, bounds and a sentence of help.

Here is its root; each section stands in the module named after it.

This is the single source: the loader, `leadkeep check`, `config show`, `--help`, the reference page
and the example file are all made from these fields. Standard library only: the supervisor reads it.

A field's key in `leadkeep.toml` is its path here (`intake.max_body_bytes`); its environment
variable is that key in capitals with `LEADKEEP_` before it and `__` for each dot
(`LEADKEEP_INTAKE__MAX_BODY_BYTES`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple
from urllib.parse import parse_qs, urlsplit

from leadkeep.settings.alerts import AlertSettings
from leadkeep.settings.destination import DestinationSettings
from leadkeep.settings.installation import (
    IntakeSettings,
    JournalSettings,
    StoreSettings,
    WorkerSettings,
)
from leadkeep.settings.outbound import AuthSettings, PythonSettings, SignSettings, TlsSettings
from leadkeep.settings.replies import ReplySettings
from leadkeep.settings.retry import RetrySettings
from leadkeep.settings.row import Address, setting
from leadkeep.settings.source import SourceSettings
from leadkeep.settings.steering import BreakerSettings, RateSettings

__all__ = [
    "Address",
    "AlertSettings",
    "AuthSettings",
    "BreakerSettings",
    "DestinationSettings",
    "IntakeSettings",
    "JournalSettings",
    "Origin",
    "PythonSettings",
    "RateSettings",
    "ReplySettings",
    "RetrySettings",
    "Settings",
    "SignSettings",
    "SourceSettings",
    "StoreSettings",
    "TlsSettings",
    "WorkerSettings",
    "setting",
]


class Origin(NamedTuple):
    """Where a value came from: `default`, `file`, `environment` or `flag`, and which."""

    kind: str
    detail: str

    def __str__(self) -> str:
        return f"{self.kind} {self.detail}".strip()


IN_STORE = "store"
"""The journal that is the store itself, on PostgreSQL."""


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
    journals: tuple[Path | str, ...] = setting(
        (),
        "Where leads become durable, in order of preference: `store`, which is PostgreSQL, and "
        "folders. Empty: those of `journal.folders`.",
        kind="journals",
        example='["store", "disk:data/journal", "disk:/mnt/other-disk/leadkeep-journal"]',
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
    alerts: AlertSettings = field(default_factory=AlertSettings)
    sources: Mapping[str, SourceSettings] = field(default_factory=dict)
    destinations: Mapping[str, DestinationSettings] = field(default_factory=dict)
    origins: Mapping[str, Origin] = field(default_factory=dict, repr=False)
    config_file: Path | None = field(default=None, repr=False)
    """The file that was read; None: there was none."""
    config_text: str | None = field(default=None, repr=False)
    """That file's text as it was validated: the supervisor hands it on to its children."""

    @property
    def journal_folders(self) -> tuple[Path, ...]:
        """The journal folders in order; DATA/journal if no journal is named."""
        if self.journals:
            return tuple(one for one in self.journals if isinstance(one, Path))
        return self.journal.folders or (self.data / "journal",)

    @property
    def journal_places(self) -> tuple[Path | str, ...]:
        """Every journal in order: folders, and `store` for the one in PostgreSQL."""
        return self.journals or self.journal_folders

    @property
    def archive_folder(self) -> Path:
        """Where absorbed segments and the log of outcomes are kept."""
        return self.data / "archive"

    @property
    def run_folder(self) -> Path:
        """Locks, doorbell and process files: nothing in it must last."""
        return self.data / "run"

    @property
    def store_name(self) -> str:
        """The store, for people: the SQLite file, or the database without its password."""
        if self.store.url is None:
            return str(self.store_path)
        parts = urlsplit(self.store.url)
        where = parts.netloc.rpartition("@")[2] or "".join(parse_qs(parts.query).get("host", ()))
        return f"postgresql://{where}{parts.path}"

    @property
    def store_path(self) -> Path:
        """The SQLite file."""
        return self.store.path or self.data / "leadkeep.db"
