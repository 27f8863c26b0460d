"""Finds name, phone, email and vendor id in a payload's tree, wherever the vendor put them.

The payload's parts are walked from the outside in; each value found is offered with a rank that
tells how sure its place is, and the lowest rank wins. The walk is bounded in keys and depth, so a
hostile payload costs no more than a large honest one.
"""

import re
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

# Looked up once: a member of an enum costs as much at each use as comparing it does ten times, and
# as a key of a table its hash is made by Python code. Lists are indexed by what it stands for.
_FIRST, _LAST, _FULL = Means.FIRST, Means.LAST, Means.FULL
_PHONE, _EMAIL, _VENDOR_ID, _BELOW = Means.PHONE, Means.EMAIL, Means.VENDOR_ID, Means.BELOW

_MOST_KEYS = 4_000
_DEEPEST = 6
_MOST_ANSWERS = 200
_LONGEST_VALUE = 1_000
_NO_RANK = 1_000_000_000
"""Behind every rank there is."""
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

    __slots__ = ("_ranks", "_texts")

    def __init__(self) -> None:
        self._ranks = [_NO_RANK] * len(Means)
        self._texts = [""] * len(Means)

    def offer(self, means: Means, place: int, rank: int, value: Tree) -> None:
        """Take a value if it can be what its key says and nothing better is known.

        Args:
            place: how good a key it stands under.
            rank: how sure the place of the key is, that of the key included.
        """
        if self._ranks[means] <= rank:
            return
        text = value if isinstance(value, str) else _text_of(means, value)
        if len(text) > _LONGEST_VALUE:
            text = text[:_LONGEST_VALUE]
        text = text.strip()
        if len(text) < 10 and text.lower() in _NO_VALUE:
            return
        if means is _EMAIL:
            if "@" not in text:
                return
        elif means is _PHONE and not _is_phone(text, weak=place >= WEAK_RANK):
            return
        self._ranks[means] = rank
        self._texts[means] = text

    @property
    def empty(self) -> bool:
        """Nothing was found."""
        return not any(self._texts)

    @property
    def has_person(self) -> bool:
        """Something was found by which a person could be called."""
        first, last, full, phone, email = self._texts[_FIRST:_VENDOR_ID]
        return bool(phone or email or full or first or last)

    @property
    def complete(self) -> bool:
        """Nothing is left to look for."""
        first, last, full, phone, email, vendor_id = self._texts[_FIRST:_BELOW]
        return bool(phone and email and vendor_id and (full or (first and last)))

    @property
    def full_name(self) -> str:
        """The name: first and last from one place, or one field for both, whichever is surer."""
        first, last, full = self._texts[_FIRST:_PHONE]
        if full:
            of_first, of_last, of_full = self._ranks[_FIRST:_PHONE]
            if not (first and last and max(of_first, of_last) < of_full + WEAK_RANK):
                return full
        return f"{first} {last}".strip()

    @property
    def first_name(self) -> str:
        """The first name, where it has a field of its own."""
        return self._texts[_FIRST]

    @property
    def last_name(self) -> str:
        """The last name, where it has a field of its own."""
        return self._texts[_LAST]

    @property
    def phone(self) -> str:
        """The phone number as sent."""
        return self._texts[_PHONE]

    @property
    def email(self) -> str:
        """The email address as sent."""
        return self._texts[_EMAIL]

    @property
    def vendor_lead_id(self) -> str:
        """What the vendor calls this lead."""
        return self._texts[_VENDOR_ID]


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

    __slots__ = ("_after", "_fields", "_keys_left", "_parts", "_read_parts")

    def __init__(self, fields: Fields, after: int) -> None:
        self._fields = fields
        self._after = after
        self._keys_left = _MOST_KEYS
        self._parts: list[tuple[Tree, int, int]] = []
        self._read_parts: list[tuple[dict[str, Tree], tuple[str, ...], int]] = []

    def down(self, tree: Tree, rank: int) -> None:
        parts = self._parts = [*self._parts, (tree, rank, 0)]
        for part, rank_of_part, depth in parts:  # which grows meanwhile
            if self._keys_left <= 0:
                break
            opened = _opened(part) if isinstance(part, str) else part
            self._read(opened, rank_of_part, depth)
        self._parts = []

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
        after = rank + self._after
        for key, (means, place) in meanings_of(keys):
            if means is _BELOW:
                if depth < _DEEPEST:
                    self._parts.append((part[key], place + depth, depth + 1))
            elif means is _VENDOR_ID:
                self._offer(means, place, rank, part[key])
            else:
                self._fields.offer(means, place, after + place, part[key])

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
    return meaning if _FIRST <= meaning.means <= _VENDOR_ID else None


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
    if means is _PHONE:
        parts = (value.get("area"), value.get("phone"))
    elif means is _FULL:
        by_meaning = {meaning_of(key).means: part for key, part in islice(value.items(), 20)}
        parts = (by_meaning.get(_FIRST), by_meaning.get(_LAST))
    return " ".join(part for part in parts if isinstance(part, str))


def _is_phone(text: str, *, weak: bool) -> bool:
    """Whether a value has the digits of a phone number."""
    if text.isdecimal() and len(text) >= 7:
        return True
    return _DIGITS[weak].search(text, 0, 60) is not None
