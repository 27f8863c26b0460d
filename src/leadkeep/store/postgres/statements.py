"""PostgreSQL's statements, with parameters by number.

A statement that unnests its parameters takes many rows at once, each parameter an array.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from enum import Flag
from typing import Any, NamedTuple

from leadkeep.store.engine.session import Parameters, Value
from leadkeep.store.statements import load_statements

_NAMED = re.compile(r"(?<![:\w]):([a-z_]\w*)")
_MANY = re.compile(r"\bunnest\(\s*(?::\w+|\$1)::\w+\[\]")
_NUL, _SHOWN_NUL = "\x00", "\u2400"


class Statement(NamedTuple):
    """One statement as the driver takes it."""

    sql: str
    names: tuple[str, ...]
    """Of its parameters, in order; empty: it has none, or they come in order."""
    takes_many: bool

    def arguments(self, parameters: Parameters | None) -> Sequence[Any]:
        """One set of parameters in order."""
        if self.takes_many:
            return self.columns([parameters or ()])
        return [kept(value) for value in self._in_order(parameters)]

    def columns(self, rows: Iterable[Parameters]) -> list[list[Any]]:
        """Many sets of parameters, turned into one array for each."""
        ordered = [self._in_order(row) for row in rows]
        return [[kept(value) for value in column] for column in zip(*ordered, strict=True)]

    def _in_order(self, parameters: Parameters | None) -> Sequence[Value]:
        if isinstance(parameters, Mapping):
            return [parameters[name] for name in self.names]
        return parameters or ()


def kept(value: Value) -> Any:
    """A value as PostgreSQL can keep it: in a text it has no room for NUL; bytes keep theirs."""
    if isinstance(value, str) and _NUL in value:
        return value.replace(_NUL, _SHOWN_NUL)
    # The driver takes a set of flags for a list.
    return int(value) if isinstance(value, Flag) else value


def compiled(sql: str) -> Statement:
    """A statement with its named parameters numbered in the order of their first use."""
    names: dict[str, int] = {}

    def number(match: re.Match[str]) -> str:
        return f"${names.setdefault(match[1], len(names) + 1)}"

    numbered = _NAMED.sub(number, sql).rstrip(";")
    return Statement(numbered, tuple(names), _MANY.search(sql) is not None)


SQL = {
    name: compiled(sql)
    for name, sql in load_statements(
        "postgres",
        [
            *("absorb", "deliver", "operate", "look", "keep", "recover", "examine", "count"),
            *("likeness", "steer", "deploy", "redirect", "live", "order", "parts", "alert"),
            *("lost_bytes", "import"),
        ],
    ).items()
}
"""Every statement, by name."""
