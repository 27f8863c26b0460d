"""Where an installation keeps what must last, and where a new store is made beside it."""

from pathlib import Path

import msgspec

from leadkeep.settings.model import Settings


class Places(msgspec.Struct, frozen=True):
    """The places of one installation."""

    data: Path
    store: Path
    archive: Path
    run: Path
    journals: tuple[Path, ...]

    @classmethod
    def of(cls, settings: Settings) -> "Places":
        """Those that the settings name."""
        return cls(
            data=settings.data,
            store=settings.store_path,
            archive=settings.archive_folder,
            run=settings.run_folder,
            journals=settings.journal_folders,
        )

    @property
    def outcomes(self) -> Path:
        """The log of outcomes."""
        return self.archive / "outcomes"

    @property
    def numbers(self) -> Path:
        """Which lead numbers are reserved."""
        return self.data / "lead-numbers"

    @property
    def new_store(self) -> Path:
        """A store in the making, beside the real one so that it can take its name."""
        return self.store.with_name(self.store.name + ".new")

    @property
    def restoring(self) -> Path:
        """What a restore has brought so far; while this exists it is not finished."""
        return self.data / "restoring"

    def has_history(self) -> bool:
        """Whether something was absorbed here once: then there must be a store."""
        return any(self.archive.glob("segments/*/*.segment.zst")) or any(
            self.outcomes.glob("*.jsonl")
        )
