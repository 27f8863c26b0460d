"""HTTP statuses as settings name them: one, or all from one to another."""

from collections.abc import Sequence
from typing import NamedTuple


class StatusRange(NamedTuple):
    """HTTP statuses from `first` to `last`, both included."""

    first: int
    last: int

    def __str__(self) -> str:
        return str(self.first) if self.first == self.last else f"{self.first}-{self.last}"


def covers(ranges: Sequence[StatusRange], status: int) -> bool:
    """True if one of the ranges has this status."""
    return any(first <= status <= last for first, last in ranges)
