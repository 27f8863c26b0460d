"""The table of settings as rows: one walk over `model`, from which everything else is made.

A row's key is its path, with `NAME` where a person chooses the word: `destinations.NAME.url`.
"""

import dataclasses
import difflib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import get_args, get_type_hints

from leadkeep.settings.model import Settings

NAME = "NAME"
"""Stands in a row's key for the word that a person chooses."""

NAME_PATTERN = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
"""What sources and destinations may be called."""

ENVIRONMENT_PREFIX = "LEADKEEP_"

FLAGS: Mapping[str, str] = {
    "data": "--data",
    "forward_to": "--forward-to",
    "intake.listen": "--listen",
    "log_level": "--log-level",
    "log_format": "--log-format",
}
"""key → the command-line option that sets it."""


@dataclass(frozen=True)
class Row:
    """One setting."""

    path: tuple[str, ...]
    kind: str
    help: str
    default: object
    minimum: float | None
    maximum: float | None
    choices: tuple[str, ...]
    secret: bool
    example: str

    @property
    def key(self) -> str:
        """`intake.max_body_bytes`."""
        return ".".join(self.path)

    @property
    def variable(self) -> str:
        """`LEADKEEP_INTAKE__MAX_BODY_BYTES`."""
        return variable_of(self.path)


@dataclass(frozen=True)
class Section:
    """A group of rows: `intake`, `destinations.NAME`, `destinations.NAME.retry`."""

    path: tuple[str, ...]
    help: str
    rows: tuple[Row, ...]


def variable_of(path: Iterable[str]) -> str:
    """The environment variable of a key."""
    words = "__".join(path).upper().replace("-", "_")
    return ENVIRONMENT_PREFIX + words


@cache
def sections() -> tuple[Section, ...]:
    """Every section in the order of the model; the first has the path `()`."""
    return tuple(_walk(Settings, ()))


@cache
def rows() -> Mapping[tuple[str, ...], Row]:
    """Every row by its path (with `NAME`)."""
    return {row.path: row for section in sections() for row in section.rows}


@cache
def section_paths() -> frozenset[tuple[str, ...]]:
    """Every path at which the file has a table, the named collections among them."""
    return frozenset(path[:end] for path in rows() for end in range(len(path)))


def pattern_of(path: tuple[str, ...]) -> tuple[str, ...]:
    """`("destinations", "crm", "url")` → `("destinations", "NAME", "url")`."""
    if len(path) > 1 and path[:1] in collections():
        return (path[0], NAME, *path[2:])
    return path


@cache
def collections() -> frozenset[tuple[str, ...]]:
    """Paths whose tables are named by people: `sources`, `destinations`."""
    return frozenset(path[: path.index(NAME)] for path in rows() if NAME in path)


def concrete(named: Iterable[tuple[str, ...]]) -> Iterator[tuple[str, ...]]:
    """Every path of settings in which these names occur, all of one name together.

    Args:
        named: such as `("destinations", "crm")`.
    """
    yield from (path for path in rows() if NAME not in path)
    for collection in ("sources", "destinations"):
        for name in sorted(each for each in named if each[0] == collection):
            yield from (
                (*name, *path[2:]) for path in rows() if NAME in path and path[0] == collection
            )


def closest(word: str, known: Iterable[str]) -> str:
    """` Did you mean …?` if some known word is close, else nothing."""
    close = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f" Did you mean {close[0]}?" if close else ""


def _walk(model: type, path: tuple[str, ...]) -> Iterator[Section]:
    hints = get_type_hints(model)
    own: list[Row] = []
    below: list[tuple[type, tuple[str, ...]]] = []
    for field in dataclasses.fields(model):
        here = (*path, field.name)
        if "kind" in field.metadata:
            own.append(_row(field, here))
        elif dataclasses.is_dataclass(hints[field.name]):
            below.append((hints[field.name], here))
        elif named := _named_model(hints[field.name]):
            below.append((named, (*here, NAME)))
    yield Section(path, (model.__doc__ or "").strip(), tuple(own))
    for deeper, where in below:
        yield from _walk(deeper, where)


def _named_model(hint: object) -> type | None:
    """The dataclass of a `Mapping[str, dataclass]` that people fill with their own names."""
    arguments = get_args(hint)
    if len(arguments) == 2 and isinstance(arguments[1], type):
        model: type = arguments[1]
        if dataclasses.is_dataclass(model):
            return model
    return None


def _row(field: "dataclasses.Field[object]", path: tuple[str, ...]) -> Row:
    default: object = None
    if field.default is not dataclasses.MISSING:
        default = field.default
    elif field.default_factory is not dataclasses.MISSING:
        default = field.default_factory()
    facts = field.metadata
    return Row(
        path=path,
        kind=facts["kind"],
        help=facts["help"],
        default=default,
        minimum=facts["minimum"],
        maximum=facts["maximum"],
        choices=facts["choices"],
        secret=facts["secret"],
        example=facts["example"],
    )
