"""A transaction as the verbs see it: named statements in, rows out, whatever the engine.

What a transaction does stands once, in `store.transactions`; each engine has its own statements,
with the same names, parameters and columns, and runs them here. Invariant: everything that one
session does becomes durable together, or not at all.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from enum import StrEnum
from typing import Any, Protocol, TypeVar

T = TypeVar("T")

Value = None | int | float | str | bytes
"""What a store keeps."""

Bindings = dict[str, Value]
"""Values for a statement's named parameters."""

Row = tuple[Any, ...]
"""A row; its types are those of the statement's columns."""

Parameters = Mapping[str, Value] | Sequence[Value]
"""By name, or in the order of the statement's columns."""


class Gate(StrEnum):
    """What only one transaction at a time may go through, over all nodes."""

    ABSORBING = "absorbing"
    COPIES = "copies"
    DESTINATION = "destination"
    """Who claims goes through together, who holds or steers goes alone."""


class Session(Protocol):
    """One transaction on one connection."""

    def rows(self, statement: str, parameters: Parameters | None = None) -> list[Row]:
        """All rows of a statement."""

    def each_row(self, statement: str, parameters: Parameters | None = None) -> Iterator[Row]:
        """Rows as they are read; who stops early leaves the rest unread."""

    def row(self, statement: str, parameters: Parameters | None = None) -> Row | None:
        """The first row; None if there is none."""

    def value(self, statement: str, parameters: Parameters | None = None) -> Any:
        """The first value of the first row; None if there is no row."""

    def change(self, statement: str, parameters: Parameters | None = None) -> int:
        """Run a statement that changes rows; returns how many."""

    def each(self, statement: str, parameters: Iterable[Parameters]) -> list[Row]:
        """Run a statement for each of these; returns all the rows that come of it."""

    def insert(self, statement: str, values: Sequence[Value]) -> None:
        """Insert many rows, their values one row after the other."""

    def pass_gate(self, gate: Gate, name: str = "", *, together: bool = False) -> None:
        """Wait until nobody else is in there; ours until the transaction ends.

        Args:
            name: which of several.
            together: with others who say so too.
        """

    def keep_still(self, statement: str, parameters: Parameters) -> None:
        """Let nobody else change these rows until the transaction ends."""


Work = Callable[[Session], T]


class Writer(Protocol):
    """Runs write transactions."""

    async def transact(self, work: Work[T]) -> T:
        """Run `work` in one write transaction; everything it did, or nothing.

        Raises:
            StoreUnavailable: nothing was changed.
        """

    async def close(self) -> None:
        """Finish what is queued, then let go of the database."""


class Readers(Protocol):
    """Look at the database without being in a writer's way."""

    async def look(self, work: Work[T]) -> T:
        """Run `work` on one moment's view of the database."""

    async def close(self) -> None:
        """Finish what is queued, then let go of the database."""
