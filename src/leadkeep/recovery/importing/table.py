"""A table that another system keeps its leads in: what is asked of it, and how it is asked.

Statements are made here and not in .sql files, since the names in them are those of somebody else's
table. Invariant: every such name is quoted, every value is bound, and nothing is ever written.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from leadkeep.errors import QueueUnreadable
from leadkeep.models.importing import ERROR_LONGEST, NAME_LONGEST

REQUIRED = ("id", "payload", "source", "status", "created_at")
OPTIONAL = ("attempts", "error_message", "processed_at", "lead_name", "phone")
COLUMNS = (*REQUIRED, *OPTIONAL)
PAGE_ROWS = 500
CONNECT_SECONDS = 10.0
ANSWER_SECONDS = 300.0
"""A single answer that takes longer is not waited for."""


class Head(NamedTuple):
    """A row without its payload, as the database gives it; in the order of `COLUMNS`."""

    id: Any
    payload_bytes: int | None
    """None: it has no payload."""
    source: str | None
    status: str | None
    created_at: Any
    attempts: Any
    error_message: str | None
    processed_at: Any
    lead_name: str | None
    phone: str | None


class QueueTable(Protocol):
    """Somebody else's table, only read; one call at a time."""

    @property
    def queue(self) -> str:
        """Which table of which database, without secrets: the same each time it is opened."""

    @property
    def missing(self) -> Sequence[str]:
        """Optional columns that it does not have."""

    async def size(self) -> tuple[int, int]:
        """How many rows it has, and how many different ids. Counts them."""

    async def heads(self, after: Any) -> list[Head]:
        """The rows with the lowest ids above `after` (None: of all), `PAGE_ROWS` at most."""

    async def payloads(self, ids: Sequence[Any]) -> list[bytes | None]:
        """The payloads of these rows, in their order; None: there is none any more."""

    async def close(self) -> None:
        """Let go of it."""


class Wording(NamedTuple):
    """How one kind of database writes what differs."""

    quote: str
    text: str
    """`{}` as text."""
    size: str
    """How many bytes `{}` has as text or as what it is."""
    start: str
    """The first `{1}` characters of the text `{0}`."""

    def name(self, name: str) -> str:
        """A quoted name; dots part schema and table."""
        return self.quote + name.replace(self.quote, self.quote * 2) + self.quote

    def heads(self, table: str, columns: Mapping[str, str]) -> str:
        """What every statement about heads begins with.

        Args:
            table: quoted.
            columns: ours → theirs; an optional one that is not there is left out.
        """
        asked = {
            "payload": self.size,
            "source": self._text(NAME_LONGEST),
            "status": self._text(NAME_LONGEST),
            "error_message": self._text(ERROR_LONGEST),
            "lead_name": self._text(NAME_LONGEST),
            "phone": self._text(NAME_LONGEST),
        }
        found = [
            asked.get(ours, "{}").format(self.name(columns[ours])) if ours in columns else "NULL"
            for ours in COLUMNS
        ]
        return f"SELECT {', '.join(found)} FROM {table}"  # noqa: S608 - names are quoted

    def _text(self, longest: int) -> str:
        return self.start.format(self.text, longest)


def columns_of(
    there: Sequence[str], renamed: Mapping[str, str], *, queue: str
) -> tuple[dict[str, str], tuple[str, ...]]:
    """Our column → theirs, and the optional ones that are not there.

    Args:
        there: the table's columns.
        renamed: what a person said that some are called.

    Raises:
        QueueUnreadable: a column is missing that must be there.
    """
    spelled = {name.lower(): name for name in there}
    found, missing = {}, []
    for ours in COLUMNS:
        theirs = renamed.get(ours, ours)
        if theirs in there or theirs.lower() in spelled:
            found[ours] = theirs if theirs in there else spelled[theirs.lower()]
        else:
            missing.append(ours)
    wanted = [ours for ours in missing if ours in REQUIRED or ours in renamed]
    if wanted:
        names = ", ".join(repr(renamed.get(ours, ours)) for ours in wanted)
        raise QueueUnreadable(
            f"{queue} has no column {names}; it has {', '.join(there)}",
            hint=f"If it is called otherwise there, add --column {wanted[0]}=ITS_NAME.",
        )
    return found, tuple(missing)


def no_table(queue: str, table: str) -> QueueUnreadable:
    """There is no such table."""
    return QueueUnreadable(
        f"there is no table {table!r} in {queue}",
        hint="Name it with --table, or with its schema as --table SCHEMA.NAME.",
    )


def not_allowed(queue: str, table: str) -> QueueUnreadable:
    """The user may not read it."""
    return QueueUnreadable(
        f"this user may not read {table!r} in {queue}",
        hint=f"Allow it there: GRANT SELECT ON {table} TO its user. Nothing else is needed.",
    )
