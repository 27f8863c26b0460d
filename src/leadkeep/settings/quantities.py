"""Kinds of settings that are numbers with a unit: sizes, times, counts, ratios."""

import re

from leadkeep.settings.allowed import Kind, NotAllowed, bounds, toml_text, within
from leadkeep.settings.table import Row

_SIZES = {
    "": 1,
    "b": 1,
    "kb": 1000,
    "mb": 1000**2,
    "gb": 1000**3,
    "kib": 1024,
    "mib": 1024**2,
    "gib": 1024**3,
}
_TIMES = {"ms": 0.001, "": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}
_LARGEST = 10**18
_QUANTITY = re.compile(r"\s*([0-9][0-9_]{0,19}(?:\.[0-9]+)?)\s*([a-z]*)\s*", re.IGNORECASE)


def _quantity(raw: object, units: dict[str, float], plain: float, what: str) -> float:
    """A number, or a number and a unit, in the smallest unit of the table.

    Args:
        units: unit → how many base units it is.
        plain: what a number without unit counts.
    """
    if isinstance(raw, (int, float)) and not isinstance(raw, bool):
        if not -_LARGEST <= raw <= _LARGEST:  # not a number is not within, either
            raise NotAllowed(what)
        return raw * plain
    found = _QUANTITY.fullmatch(raw) if isinstance(raw, str) else None
    if not found:
        raise NotAllowed(what)
    number, unit = found[1].replace("_", ""), found[2].lower()
    if unit and unit not in units:
        raise NotAllowed(what)
    # Whole numbers stay integers, so that large sizes are exact.
    return (float(number) if "." in number else int(number)) * (units[unit] if unit else plain)


def _whole(number: float, what: str) -> int:
    if number != int(number):
        raise NotAllowed(what)
    return int(number)


def size_text(value: float) -> str:
    """`10 MiB`."""
    for unit, factor in (("GiB", 1024**3), ("MiB", 1024**2), ("KiB", 1024)):
        if value and value % factor == 0:
            return f"{int(value // factor)} {unit}"
    return f"{int(value)} B"


def _size_allowed(row: Row) -> str:
    return 'a size such as "10 MiB"' + bounds(row, size_text)


def _parse_size(raw: object, row: Row) -> int:
    what = _size_allowed(row)
    value = _whole(_quantity(raw, dict(_SIZES), 1, what), what)
    within(value, row, what)
    return value


def seconds_text(value: float) -> str:
    """`15s`, `2m`, `7d`, `0.5s`."""
    for unit, factor in (("d", 86_400), ("h", 3600), ("m", 60)):
        if value and value % factor == 0:
            return f"{int(value // factor)}{unit}"
    return f"{int(value) if value == int(value) else repr(value)}s"


def _seconds_allowed(row: Row) -> str:
    return 'a time such as 15, "15s", "2m" or "7d"' + bounds(row, seconds_text)


def _parse_seconds(raw: object, row: Row) -> float:
    return seconds_of(raw, row, _seconds_allowed(row))


def seconds_of(raw: object, row: Row, what: str) -> float:
    """A time in seconds, within the row's bounds; else `NotAllowed(what)`."""
    value = float(_quantity(raw, _TIMES, 1, what))
    if value < 0:
        raise NotAllowed(what)
    within(value, row, what)
    return value


def milliseconds_text(value: float) -> str:
    """`750ms`, `5s`."""
    return seconds_text(value / 1000) if value and value % 1000 == 0 else f"{int(value)}ms"


def _milliseconds_allowed(row: Row) -> str:
    return 'a time such as 750, "750ms" or "2s"' + bounds(row, milliseconds_text)


def _parse_milliseconds(raw: object, row: Row) -> int:
    what = _milliseconds_allowed(row)
    in_ms = {unit: round(seconds * 1000) for unit, seconds in _TIMES.items()}
    value = _whole(_quantity(raw, dict(in_ms), 1, what), what)
    within(value, row, what)
    return value


def _days_allowed(row: Row) -> str:
    return 'a number of days such as 30 or "30d"' + bounds(row, number_text)


def _parse_days(raw: object, row: Row) -> int:
    what = _days_allowed(row)
    value = _whole(_quantity(raw, {"d": 1}, 1, what), what)
    within(value, row, what)
    return value


def number_text(value: object) -> str:
    """`16`, `2.5`."""
    assert isinstance(value, (int, float))
    return str(int(value)) if value == int(value) else repr(value)


def _count_allowed(row: Row) -> str:
    return "a whole number" + bounds(row, number_text)


def _parse_count(raw: object, row: Row) -> int:
    what = _count_allowed(row)
    value = _whole(_quantity(raw, {}, 1, what), what)
    within(value, row, what)
    return value


def _ratio_allowed(row: Row) -> str:
    return "a number" + bounds(row, number_text)


def _parse_ratio(raw: object, row: Row) -> float:
    what = _ratio_allowed(row)
    value = float(_quantity(raw, {}, 1, what))
    within(value, row, what)
    return value


def _number(value: object) -> float:
    assert isinstance(value, (int, float))
    return value


QUANTITIES = {
    "size": Kind(_parse_size, lambda value: toml_text(size_text(_number(value))), _size_allowed),
    "seconds": Kind(
        _parse_seconds, lambda value: toml_text(seconds_text(_number(value))), _seconds_allowed
    ),
    "milliseconds": Kind(
        _parse_milliseconds,
        lambda value: toml_text(milliseconds_text(_number(value))),
        _milliseconds_allowed,
    ),
    "days": Kind(_parse_days, number_text, _days_allowed),
    "count": Kind(_parse_count, number_text, _count_allowed),
    "ratio": Kind(_parse_ratio, number_text, _ratio_allowed),
}
