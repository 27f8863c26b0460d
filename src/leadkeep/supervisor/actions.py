"""What the roster may ask the supervisor to do."""

from collections.abc import Mapping
from dataclasses import dataclass, field

FieldValue = str | int | float


@dataclass(frozen=True)
class Start:
    """Start a child."""

    number: int
    role: str
    generation: int


@dataclass(frozen=True)
class Terminate:
    """Ask a child to drain and leave (SIGTERM)."""

    number: int


@dataclass(frozen=True)
class Kill:
    """End a child that does not leave (SIGKILL)."""

    number: int


@dataclass(frozen=True)
class Say:
    """Tell people."""

    level: str
    event: str
    fields: Mapping[str, FieldValue] = field(default_factory=dict)


@dataclass(frozen=True)
class Adopt:
    """This generation of settings is in force; what only older ones used may go."""

    generation: int


@dataclass(frozen=True)
class Abandon:
    """This generation never came into force; what only it used may go."""

    generation: int


@dataclass(frozen=True)
class Finish:
    """Everyone is gone: the supervisor may leave."""


Action = Start | Terminate | Kill | Say | Adopt | Abandon | Finish
