"""What a backup is made of: every file with its size and SHA-256, and what was counted in it.

`manifest.json` names every other file; `manifest.json.sha256`, in the form that `sha256sum -c`
reads, is for the manifest itself. A folder without a manifest is no backup.
"""

from collections.abc import Iterator
from pathlib import Path

import msgspec

from leadkeep.errors import BackupDamaged, NotFound, RecoveryError
from leadkeep.recovery.files import Digest, Progress, digest, write_file

FORMAT = 1
NAME = "manifest.json"
SUM_NAME = f"{NAME}.sha256"

STORE = "leadkeep.db"
ARCHIVE = "archive"
NUMBERS = "lead-numbers"


class FileEntry(msgspec.Struct, frozen=True):
    """One file of a backup."""

    bytes: int
    sha256: str

    @classmethod
    def of(cls, found: Digest) -> "FileEntry":
        """The entry for a file that holds this."""
        return cls(found.size, found.sha256)


class Counts(msgspec.Struct, frozen=True):
    """What was found in a backup when it was verified."""

    leads: int
    """In the store."""
    deliveries: dict[str, int]
    """By status."""
    segments: int
    records: int
    waiting: int
    """Leads in the journal that the store did not have yet."""


class Manifest(msgspec.Struct, frozen=True):
    """One backup."""

    format: int
    program: str
    """The version of Leadkeep that made it."""
    made_at: str
    """The moment of which the store is; RFC 3339 in UTC."""
    counts: Counts
    files: dict[str, FileEntry]
    """By path in the backup, with `/`."""

    @property
    def bytes(self) -> int:
        """Of all files together."""
        return sum(entry.bytes for entry in self.files.values())


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write a manifest and its checksum, durably but for their names.

    Raises:
        OSError: they cannot be written.
    """
    content = msgspec.json.format(msgspec.json.encode(manifest), indent=1) + b"\n"
    write_file(folder / NAME, content)
    sha256 = digest(folder / NAME).sha256
    write_file(folder / SUM_NAME, f"{sha256}  {NAME}\n".encode())


def read_manifest(folder: Path) -> Manifest:
    """The manifest of a backup.

    Raises:
        NotFound: there is no such folder.
        RecoveryError: the folder is no backup, or one of a later format.
        BackupDamaged: the manifest is not what was written.
    """
    if not folder.is_dir():
        raise NotFound(f"there is no folder {folder}")
    try:
        content = (folder / NAME).read_bytes()
        noted = (folder / SUM_NAME).read_bytes()
        found = digest(folder / NAME).sha256
    except FileNotFoundError as error:
        raise RecoveryError(
            f"{folder} is no backup: there is no {Path(str(error.filename)).name} in it",
            hint="Name a folder that `leadkeep backup` has made.",
        ) from error
    except OSError as error:
        raise RecoveryError(f"{folder} cannot be read: {error.strerror}") from error
    if noted != f"{found}  {NAME}\n".encode():
        raise _damaged(folder, [f"{NAME} is not what its checksum says"])
    try:
        format_ = msgspec.json.decode(content, type=_Format).format
        if format_ > FORMAT:
            raise RecoveryError(
                f"{folder} is a backup of format {format_}, known is {FORMAT}",
                hint="Use the version of Leadkeep that made it, or a later one.",
            )
        return msgspec.json.decode(content, type=Manifest)
    except msgspec.DecodeError as error:
        raise _damaged(folder, [f"{NAME} cannot be read: {error}"]) from error


def check_files(folder: Path, manifest: Manifest, progress: Progress | None = None) -> None:
    """Read every file of a backup and compare it with the manifest.

    Raises:
        BackupDamaged: names each file that is missing or differs.
    """
    wrong = [words for _, words in differing(folder, manifest, progress)]
    if wrong:
        raise _damaged(folder, wrong)


def differing(
    folder: Path, manifest: Manifest, progress: Progress | None = None
) -> Iterator[tuple[str, str]]:
    """Each file of a backup that is missing or differs, and what is wrong with it."""
    done = 0
    for name, entry in manifest.files.items():
        wrong = _wrong(folder / name, entry)
        if wrong:
            yield name, f"{name} {wrong}"
        done += entry.bytes
        if progress is not None:
            progress("checking files", done, manifest.bytes)


def _wrong(path: Path, entry: FileEntry) -> str:
    try:
        found = digest(path)
    except FileNotFoundError:
        return "is missing"
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    if found.size != entry.bytes:
        return f"has {found.size:,} bytes instead of {entry.bytes:,}"
    return "" if found.sha256 == entry.sha256 else "has changed: its SHA-256 differs"


def _damaged(folder: Path, wrong: list[str]) -> BackupDamaged:
    listed = "\n".join(wrong[:20]) + (f"\nand {len(wrong) - 20} more" if len(wrong) > 20 else "")
    return BackupDamaged(
        f"the backup {folder} is damaged: {listed}",
        hint="Use another backup; this one must not be relied on.",
    )


class _Format(msgspec.Struct):
    format: int
