"""Numbered migrations, whatever the engine: files, what has run, and what is left to do."""

import hashlib
import re
from collections.abc import Iterable, Sequence
from importlib.resources import files

import msgspec

from leadkeep.errors import StoreUnsafe

_USABLE = re.compile(r"^-- Usable by programs since migration (\d+)\.$", re.MULTILINE)
_FILE_NAME = re.compile(r"(\d{4})_(\w+)\.sql")


class Migration(msgspec.Struct, frozen=True):
    """One step of the schema."""

    number: int
    name: str
    sql: str

    @property
    def usable_since(self) -> int:
        """The number of the last migration that a program must know to use what this one made.

        Its own, unless its file says `-- Usable by programs since migration N.`
        """
        said = _USABLE.search(self.sql)
        return int(said[1]) if said else self.number

    @property
    def checksum(self) -> str:
        """Tells a migration that was changed after it had run."""
        return hashlib.sha256(self.sql.encode()).hexdigest()


class MigrationStatus(msgspec.Struct, frozen=True):
    """One migration and whether it has run."""

    number: int
    name: str
    applied: bool


def migrations_of(engine: str) -> tuple[Migration, ...]:
    """Every migration that this program knows for an engine, in order."""
    folder = files("leadkeep.store") / "sql" / engine / "migrations"
    found = []
    for entry in folder.iterdir():
        if match := _FILE_NAME.fullmatch(entry.name):
            found.append(Migration(int(match[1]), match[2], entry.read_text("utf-8")))
    return tuple(sorted(found, key=lambda migration: migration.number))


def left_to_do(
    known: Sequence[Migration], applied: Iterable[tuple[int, str, str]]
) -> list[Migration]:
    """The migrations that have not run, given number, name and checksum of those that have.

    Raises:
        StoreUnsafe: the schema is newer than this program, or was made by another.
    """
    done = {number: (name, checksum) for number, name, checksum in applied}
    checksums = {migration.number: migration.checksum for migration in known}
    for number, (name, checksum) in done.items():
        if number not in checksums:
            raise StoreUnsafe(
                f"the store's schema is newer than this program (migration {number}, {name})",
                hint="run the newer program, or restore a backup from before the upgrade",
            )
        if checksums[number] != checksum:
            raise StoreUnsafe(
                f"migration {number}, {name}, is not the one that was run on this store",
                hint="run the program that made this store",
            )
    return [migration for migration in known if migration.number not in done]
