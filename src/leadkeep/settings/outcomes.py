"""Kinds of settings that name what an attempt may come to: statuses, classes of error, waits."""

from collections.abc import Mapping

from leadkeep.settings.allowed import Kind, NotAllowed, bounds, toml_text
from leadkeep.settings.quantities import seconds_of, seconds_text
from leadkeep.settings.statuses import StatusRange
from leadkeep.settings.table import Row, closest

FIRST_STATUS, LAST_STATUS = 200, 599
FIRST_FAILURE = 300

ERROR_CLASSES = frozenset(
    {
        "address",
        "bad_return",
        "connect",
        "crashed",
        "dns",
        "exited",
        "import",
        "malformed_reply",
        "memory",
        "raised",
        "refused",
        "reset",
        "retry_later",
        "returned_false",
        "timeout",
        "tls",
        "unconfirmed",
        "unsendable",
    }
)
"""Classes of error that an operator may call terminal. Not those that are Leadkeep's own doing."""

GROUPS: Mapping[str, frozenset[str]] = {
    "network": frozenset({"connect", "dns", "reset", "tls"}),
}
"""Words that stand for several classes."""

STATUS_GROUPS = ("3xx", "4xx", "5xx")
"""Words for all statuses of a class; of the 4xx, those that do not ask for another try."""


def _entries(raw: object, what: str) -> list[str]:
    """A list of numbers and texts, or one text with commas between, as texts."""
    if isinstance(raw, str):
        return [word.strip().lower() for word in raw.split(",") if word.strip()]
    if isinstance(raw, (list, tuple)) and all(
        isinstance(one, (int, str)) and not isinstance(one, bool) for one in raw
    ):
        return [str(one).strip().lower() for one in raw]
    raise NotAllowed(what)


def _range(word: str, lowest: int, what: str) -> StatusRange:
    first, dash, last = word.partition("-")
    ends = (first, last) if dash else (first, first)
    if not all(end.isascii() and end.isdigit() and len(end) == 3 for end in ends):
        raise NotAllowed(what)
    found = StatusRange(int(ends[0]), int(ends[1]))
    if not lowest <= found.first <= found.last <= LAST_STATUS:
        raise NotAllowed(what)
    return found


def _statuses_allowed(_row: Row) -> str:
    return (
        f"a list of HTTP statuses from {FIRST_STATUS} to {LAST_STATUS} and ranges of them, "
        'such as ["200-299", 409]'
    )


def _parse_statuses(raw: object, row: Row) -> tuple[StatusRange, ...]:
    what = _statuses_allowed(row)
    words = [
        f"{word[0]}00-{word[0]}99" if word[1:] == "xx" else word for word in _entries(raw, what)
    ]
    found = tuple(_range(word, FIRST_STATUS, what) for word in words)
    if not found:
        raise NotAllowed(what)
    return found


def _outcomes_allowed(_row: Row) -> str:
    words = ", ".join([*STATUS_GROUPS, *GROUPS, *sorted(ERROR_CLASSES)])
    return f"a list of HTTP statuses from {FIRST_FAILURE} on, ranges such as 500-599, or {words}"


def _parse_outcomes(raw: object, row: Row) -> tuple[StatusRange | str, ...]:
    what = _outcomes_allowed(row)
    known = {*STATUS_GROUPS, *GROUPS, *ERROR_CLASSES}
    found: list[StatusRange | str] = []
    for word in _entries(raw, what):
        if word in known:
            found.append(word)
        elif word[:1].isdigit():
            found.append(_range(word, FIRST_FAILURE, what))
        else:
            raise NotAllowed(f"{what}.{closest(word, known)}")
    return tuple(found)


def _waits_allowed(row: Row) -> str:
    return 'a list of times such as [5, 30, "2m"]' + bounds(row, seconds_text)


def _parse_waits(raw: object, row: Row) -> tuple[float, ...]:
    what = _waits_allowed(row)
    if isinstance(raw, str):
        raw = [word for word in raw.split(",") if word.strip()]
    if not isinstance(raw, (list, tuple)):
        raise NotAllowed(what)
    return tuple(seconds_of(one, row, what) for one in raw)


def _show_entry(entry: object) -> str:
    if isinstance(entry, StatusRange) and entry.first == entry.last:
        return str(entry)
    return toml_text(entry)


def _show_entries(value: object) -> str:
    assert isinstance(value, tuple)
    return "[" + ", ".join(_show_entry(entry) for entry in value) + "]"


def _show_waits(value: object) -> str:
    assert isinstance(value, tuple)
    return "[" + ", ".join(toml_text(seconds_text(wait)) for wait in value) + "]"


OUTCOMES = {
    "statuses": Kind(_parse_statuses, _show_entries, _statuses_allowed),
    "outcomes": Kind(_parse_outcomes, _show_entries, _outcomes_allowed),
    "waits": Kind(_parse_waits, _show_waits, _waits_allowed),
}
