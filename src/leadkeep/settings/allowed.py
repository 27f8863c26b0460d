"""What a kind of setting is: how it is read, how it is written, and what may stand there."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from leadkeep.settings.table import Row


class NotAllowed(ValueError):
    """A value that may not stand here; the text completes "must be …"."""


@dataclass(frozen=True)
class Kind:
    """One kind of value."""

    parse: Callable[[object, Row], object]
    """From text (environment, options) or a TOML value; raises `NotAllowed`."""
    show: Callable[[object], str]
    """As written in TOML; `parse` reads it back to the same value."""
    allowed: Callable[[Row], str]
    """What may stand there, for errors and the reference page."""


def toml_text(text: object) -> str:
    """A TOML basic string."""
    # JSON's escapes are TOML's, but for DEL, which JSON writes as it is.
    return json.dumps(str(text), ensure_ascii=False).replace("\x7f", "\\u007f")


def toml_list(values: object) -> str:
    """A TOML array of strings."""
    assert isinstance(values, tuple)
    return "[" + ", ".join(toml_text(value) for value in values) + "]"


def toml_table(values: Mapping[str, str]) -> str:
    """A TOML inline table of strings."""
    inside = ", ".join(f"{toml_text(name)} = {toml_text(text)}" for name, text in values.items())
    return f"{{ {inside} }}" if inside else "{}"


def text_of(raw: object, what: str) -> str:
    """`raw` if it is text."""
    if not isinstance(raw, str):
        raise NotAllowed(what)
    return raw


def words_of(raw: object, what: str) -> list[str]:
    """A list of texts, or one text with commas between."""
    if isinstance(raw, str):
        return [word.strip() for word in raw.split(",") if word.strip()]
    if isinstance(raw, (list, tuple)) and all(isinstance(word, str) for word in raw):
        # An option given twice brings a tuple; each of it may hold commas as well.
        return [word for each in raw for word in words_of(each, what)]
    raise NotAllowed(what)


def within(number: float, row: Row, what: str) -> None:
    """Check the row's bounds."""
    too_small = row.minimum is not None and number < row.minimum
    too_large = row.maximum is not None and number > row.maximum
    if too_small or too_large:
        raise NotAllowed(what)


def bounds(row: Row, show: Callable[[float], str]) -> str:
    """`, 1 KiB to 256 MiB`."""
    # Nothing here can be negative, so "at least 0" is not worth saying.
    unbounded = row.minimum is None or (row.minimum == 0 and row.maximum is None)
    low = None if row.minimum is None or unbounded else show(row.minimum)
    high = None if row.maximum is None else show(row.maximum)
    if low is not None and high is not None:
        return f", {low} to {high}"
    if low is not None:
        return f", at least {low}"
    return f", at most {high}" if high is not None else ""


def has_control_characters(text: str) -> bool:
    """True if it could forge a header or a log line."""
    return any(ord(char) < 32 or 127 <= ord(char) < 160 for char in text)
