"""What templates may do with a value: filters and tests, each cheap in what it is given.

Jinja's own where they are; rewritten where they could make much out of little, turn nonsense into
something plausible, or change what they write.
"""

import json
import re
from collections.abc import Callable, Iterable, Mapping
from html import escape
from typing import Any
from urllib.parse import quote_plus

from jinja2.filters import FILTERS as JINJA_FILTERS
from jinja2.runtime import Undefined
from jinja2.tests import TESTS as JINJA_TESTS

TEXT_CHARS = 1024**2
"""No filter makes a longer text."""

_NO_DIGITS = re.compile(r"[^0-9]+")


class NoSuchValue(ValueError):
    """A filter has no result for this value."""


def _tojson(value: object) -> str:
    """JSON, with every character as it is."""
    if isinstance(value, Undefined):
        return str(value)  # says what is missing
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def _join(values: Iterable[object], between: str = "") -> str:
    texts = [str(value) for value in values]
    if sum(map(len, texts)) + len(between) * len(texts) > TEXT_CHARS:
        raise NoSuchValue
    return between.join(texts)


def _replace(text: object, old: str, new: str) -> str:
    whole = str(text)
    if not old or len(whole) + whole.count(old) * len(new) > TEXT_CHARS:
        raise NoSuchValue
    return whole.replace(old, new)


def _int(value: object) -> int:
    """A whole number, or nothing: never 0 for what is none."""
    if isinstance(value, str) and len(value) > 40:
        raise NoSuchValue
    return int(value) if isinstance(value, (str, int, float)) else _none()


def _float(value: object) -> float:
    if isinstance(value, str) and len(value) > 400:
        raise NoSuchValue
    return float(value) if isinstance(value, (str, int, float)) else _none()


def _none() -> int:
    raise NoSuchValue


def _round(value: float, digits: int = 0) -> float:
    if not 0 <= digits <= 15:
        raise NoSuchValue
    return round(value, digits) if digits else round(value)


def _digits(value: object) -> str:
    """The digits of a text: `(614) 555-0142` → `6145550142`."""
    return _NO_DIGITS.sub("", str(value))


def _urlencode(value: object) -> str:
    """As a form has it."""
    return quote_plus(str(value))


def _escape(value: object) -> str:
    """As XML and HTML have it."""
    return escape(str(value))


def _sum(values: Iterable[float]) -> float:
    return sum(values)


def _items(table: Mapping[str, object]) -> list[tuple[str, object]]:
    return list(table.items())


_FROM_JINJA = (
    *("abs", "capitalize", "default", "d", "dictsort", "first", "last", "length", "count", "list"),
    *("lower", "map", "max", "min", "reject", "rejectattr", "reverse", "select", "selectattr"),
    *("sort", "string", "title", "trim", "unique", "upper"),
)
_JINJAS_FILTERS: dict[str, Any] = dict(JINJA_FILTERS)
_JINJAS_TESTS: dict[str, Any] = dict(JINJA_TESTS)

FILTERS: dict[str, Callable[..., Any]] = {
    **{name: _JINJAS_FILTERS[name] for name in _FROM_JINJA},
    "digits": _digits,
    "e": _escape,
    "escape": _escape,
    "float": _float,
    "int": _int,
    "items": _items,
    "join": _join,
    "replace": _replace,
    "round": _round,
    "sum": _sum,
    "tojson": _tojson,
    "urlencode": _urlencode,
}
"""Every filter, by name."""

_TESTS = (
    *("boolean", "defined", "divisibleby", "even", "false", "float", "in", "integer", "lower"),
    *("mapping", "none", "number", "odd", "sequence", "string", "true", "undefined", "upper"),
)

TESTS: dict[str, Callable[..., Any]] = {name: _JINJAS_TESTS[name] for name in _TESTS}
"""Every test, by name."""
