"""Finds name, phone, email and vendor id in a payload's tree, wherever the vendor put them.

The payload's parts are walked from the outside in; each value found is offered with a rank that
tells how sure its place is, and the lowest rank wins. The walk is bounded in keys and depth, so a
hostile payload costs no more than a large honest one.
"""

import re
from collections import deque
from itertools import islice

import msgspec

from leadkeep.sources.spellings import (
    PERSON_RANK,
    ROOT_RANK,
    UNKNOWN,
    UNKNOWN_RANK,
    WEAK_RANK,
    Meaning,
    Means,
    meaning_of,
    meanings_of,
)
from leadkeep.sources.tree import READ_BYTES, Tree

# Looked up once: a member of an enum costs as much at each use as comparing it does ten times.
_PHONE, _EMAIL, _VENDOR_ID, _BELOW = Means.PHONE, Means.EMAIL, Means.VENDOR_ID, Means.BELOW

_MOST_KEYS = 4_000
_DEEPEST = 6
_MOST_ANSWERS = 200
_LONGEST_VALUE = 1_000
_NO_VALUE = frozenset(["", "null", "none", "undefined", "n/a", "na", "nil", "-"])

_QUESTION_KEYS = (
    *("column_id", "name", "key", "field_name", "label", "question", "title", "column_name"),
    *("id", "ref", "field", "type"),
)
_ANSWER_KEYS = (
    *("string_value", "value", "values", "answer", "text", "email", "phone_number", "raw_value"),
)
_PART_KEYS: dict[Means, tuple[str, ...]] = {
    Means.PHONE: ("number", "value", "full", "phone_number", "international", "#text"),
    Means.FULL: ("value", "full", "full_name", "name", "#text"),
    Means.EMAIL: ("value", "address", "email", "#text"),
}


_DIGITS = (re.compile(r"(?:\d\D*){3}"), re.compile(r"(?:\d\D*){7}"))
"""A phone number has some digits; under a key that often means something else, many."""


class Fields:
    """The best that was found for each meaning so far."""

    __slots__ = ("_found",)

    def __init__(self) -> None:
        self._found: dict[Means, tuple[int, str]] = {}

    def offer(self, means: Means, place: int, rank: int, value: Tree) -> None:
        """Take a value if it can be what its key says and nothing better is known.

        Args:
            place: how good a key it stands under.
            rank: how sure the place of the key is, that of the key included.
        """
        known = self._found.get(means)
        if known is not None and known[0] <= rank:
            return
        text = value if isinstance(value, str) else _text_of(means, value)
        text = text[:_LONGEST_VALUE].strip()
        if len(text) < 10 and text.lower() in _NO_VALUE:
            return
        if means is _EMAIL:
            if "@" not in text:
                return
        elif means is _PHONE and not _is_phone(text, weak=place >= WEAK_RANK):
            return
        self._found[means] = (rank, text)

    def _text(self, means: Means) -> str:
        found = self._found.get(means)
        return found[1] if found else ""

    @property
    def empty(self) -> bool:
        """Nothing was found."""
        return not self._found

    @property
    def has_person(self) -> bool:
        """Something was found by which a person could be called."""
        return len(self._found) > (_VENDOR_ID in self._found)

    @property
    def complete(self) -> bool:
        """Nothing is left to look for."""
        found = self._found
        return bool(
            Means.PHONE in found
            and Means.EMAIL in found
            and Means.VENDOR_ID in found
            and (Means.FULL in found or (Means.FIRST in found and Means.LAST in found))
        )

    @property
    def full_name(self) -> str:
        """The name: first and last from one place, or one field for both, whichever is surer."""
        first, last = self._found.get(Means.FIRST), self._found.get(Means.LAST)
        full = self._found.get(Means.FULL)
        if full and not (first and last and max(first[0], last[0]) < full[0] + WEAK_RANK):
            return full[1]
        return f"{self._text(Means.FIRST)} {self._text(Means.LAST)}".strip()

    @property
    def first_name(self) -> str:
        """The first name, where it has a field of its own."""
        return self._text(Means.FIRST)

    @property
    def last_name(self) -> str:
        """The last name, where it has a field of its own."""
        return self._text(Means.LAST)

    @property
    def phone(self) -> str:
        """The phone number as sent."""
        return self._text(Means.PHONE)

    @property
    def email(self) -> str:
        """The email address as sent."""
        return self._text(Means.EMAIL)

    @property
    def vendor_lead_id(self) -> str:
        """What the vendor calls this lead."""
        return self._text(Means.VENDOR_ID)


def find_fields(tree: Tree, fields: Fields, *, after: int = 0) -> None:
    """Offer `fields` everything that a tree says.

    Args:
        tree: a payload, as `payload.read_tree` returns it.
        fields: is filled.
        after: added to every rank: what was found before is surer.
    """
    walk = _Walk(fields, after)
    walk.down(tree, ROOT_RANK)
    if not fields.has_person:
        walk.down_unknown()


class _Walk:
    """One bounded walk over a tree, parts nearest to the root first."""

    def __init__(self, fields: Fields, after: int) -> None:
        self._fields = fields
        self._after = after
        self._keys_left = _MOST_KEYS
        self._parts: deque[tuple[Tree, int, int]] = deque()
        self._read_parts: list[tuple[dict[str, Tree], tuple[str, ...], int]] = []

    def down(self, tree: Tree, rank: int) -> None:
        self._parts.append((tree, rank, 0))
        while self._parts and self._keys_left > 0:
            part, rank, depth = self._parts.popleft()
            self._read(_opened(part) if isinstance(part, str) else part, rank, depth)

    def down_unknown(self) -> None:
        """Look below keys that we do not know, since those that we know held nobody."""
        while self._read_parts and not self._fields.has_person:
            read, self._read_parts = self._read_parts, []
            for part, keys, depth in read:
                if depth < _DEEPEST:
                    self._parts.extend(
                        (part[key], UNKNOWN_RANK + depth, depth + 1)
                        for key in keys
                        if isinstance(part[key], dict) and meaning_of(key) is UNKNOWN
                    )
            self.down(None, UNKNOWN_RANK)

    def _read(self, part: Tree, rank: int, depth: int) -> None:
        if isinstance(part, list):
            if is_answers(part):
                self._read_answers(part, rank)
                return
            part = next((entry for entry in part[:10] if isinstance(entry, dict)), None)
        if not isinstance(part, dict):
            return
        keys = tuple(part)
        if len(keys) > self._keys_left:
            keys = keys[: self._keys_left]
        self._keys_left -= len(keys)
        self._read_parts.append((part, keys, depth))
        for key, (means, place) in meanings_of(keys):
            if means is not _BELOW:
                self._offer(means, place, rank, part[key])
            elif depth < _DEEPEST:
                self._parts.append((part[key], place + depth, depth + 1))

    def _read_answers(self, answers: list[Tree], rank: int) -> None:
        """A list of questions and answers: `[{"name": "email", "value": "…"}]` and the like."""
        for entry in answers[:_MOST_ANSWERS]:
            if not isinstance(entry, dict):
                continue
            value = next((entry[key] for key in _ANSWER_KEYS if entry.get(key)), None)
            for key in _QUESTION_KEYS:
                meaning = _question(entry.get(key))
                if meaning is not None:
                    self._offer(*meaning, rank, value)
                    break

    def _offer(self, means: Means, place: int, rank: int, value: Tree) -> None:
        if means is _VENDOR_ID and rank < PERSON_RANK:
            rank += 2 * UNKNOWN_RANK
        self._fields.offer(means, place, rank + place + self._after, value)


def _opened(part: str) -> Tree:
    """A part that was sent as a text which holds JSON or XML, opened."""
    begin = part[:64].lstrip()[:1]
    if begin == "<":
        from leadkeep.sources.xml import read_xml  # noqa: PLC0415 - few senders

        return read_xml(part[:READ_BYTES].encode("utf-8", "replace"))
    if begin in ("{", "["):
        try:
            tree: Tree = msgspec.json.decode(part)
        except (msgspec.DecodeError, ValueError, RecursionError):
            return None
        return tree
    return part


def is_answers(part: list[Tree]) -> bool:
    """Whether a list's entries are questions with answers rather than leads."""
    first = next((entry for entry in part[:10] if isinstance(entry, dict)), {})
    return any(key in first for key in _ANSWER_KEYS) and any(
        _question(first.get(key)) or key in ("column_id", "field", "question")
        for key in _QUESTION_KEYS
        if key in first
    )


def _question(asked: Tree) -> Meaning | None:
    """The meaning of a question, given as its key or as an object that names it."""
    if isinstance(asked, dict):
        return next(
            (
                found
                for key in ("ref", "title", "id", "type")
                if (found := _question(asked.get(key)))
            ),
            None,
        )
    if not isinstance(asked, str):
        return None
    meaning = meaning_of(asked)
    return meaning if Means.FIRST <= meaning.means <= Means.VENDOR_ID else None


def _text_of(means: Means, value: Tree) -> str:
    """A value as text: numbers, the first of a list, or the part of an object that says it."""
    for _ in range(3):
        if isinstance(value, list):
            value = next((entry for entry in value[:10] if entry), None)
        if isinstance(value, dict):
            keys = _PART_KEYS.get(means, ("value", "#text"))
            value = next((value[key] for key in keys if value.get(key)), _joined(means, value))
    if isinstance(value, str):
        return value
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return ""
    if isinstance(value, float):
        # Excel and PHP send ids and phones as 6145550142.0.
        return str(int(value)) if value.is_integer() and abs(value) < 1e18 else ""
    return str(value) if abs(value) < 10**30 else ""


def _joined(means: Means, value: dict[str, Tree]) -> str:
    """A name from its first and last, a phone number from its area and the rest."""
    parts: tuple[Tree, ...] = ()
    if means is Means.PHONE:
        parts = (value.get("area"), value.get("phone"))
    elif means is Means.FULL:
        by_meaning = {meaning_of(key).means: part for key, part in islice(value.items(), 20)}
        parts = (by_meaning.get(Means.FIRST), by_meaning.get(Means.LAST))
    return " ".join(part for part in parts if isinstance(part, str))


def _is_phone(text: str, *, weak: bool) -> bool:
    """Whether a value has the digits of a phone number."""
    if text.isdecimal() and len(text) >= 7:
        return True
    return _DIGITS[weak].search(text, 0, 60) is not None
