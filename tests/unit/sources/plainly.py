"""Reading a payload the plain way, as it is meant: what the quick way must find as well.

No shortcut: each key is looked up by itself, each value made fit by the general rule, the best of
each kind kept in a table. What one key or value means by itself is the code's own and tested
elsewhere.
"""

from collections import deque
from typing import Any

from leadkeep.models import Facts
from leadkeep.sources import facts, fields
from leadkeep.sources.spellings import PERSON_RANK, ROOT_RANK, UNKNOWN_RANK, Means, meaning_of

MOST_KEYS, DEEPEST = 4_000, 6


def facts_of(*trees: Any) -> Facts:
    """All that `find_facts` finds."""
    best: dict[str, tuple[int, str]] = {}
    left = MOST_KEYS
    parts = deque((tree, 0) for tree in trees)
    while parts and left > 0:
        part, depth = parts.popleft()
        if isinstance(part, list):
            parts.extend((entry, depth) for entry in part[:2])
        if isinstance(part, str):
            part = facts._opened(part)
        if not isinstance(part, dict):
            continue
        for key in list(part)[:left]:
            meant = facts._meaning(key)
            if meant is None:
                continue
            fact, rank = meant[0], depth * 1_000 + meant[1]
            text = facts._text(fact, part[key], facts._FITS.get(fact))
            if text and (fact not in best or rank < best[fact][0]):
                best[fact] = (rank, text)
        left -= len(part)
        if depth < DEEPEST:
            parts.extend((value, depth + 1) for value in part.values() if _opens(value, depth))
    said = {fact: text for fact, (_, text) in best.items() if fact != "is_test"}
    return Facts(**said, is_test="is_test" in best)


def _opens(value: Any, depth: int) -> bool:
    if isinstance(value, str):
        return value.startswith(("{", "["))
    return isinstance(value, dict) or (isinstance(value, list) and depth <= 1)


class Best:
    """The best that was offered for each meaning, by one table."""

    def __init__(self) -> None:
        self.found: dict[Means, tuple[int, str]] = {}

    def offer(self, means: Means, place: int, rank: int, value: Any) -> None:
        text = value if isinstance(value, str) else fields._text_of(means, value)
        text = text[:1_000].strip()
        says = text.lower() not in fields._NO_VALUE
        if means is Means.EMAIL:
            says = says and "@" in text
        elif means is Means.PHONE:
            says = says and fields._is_phone(text, weak=place >= 20)
        if says and (means not in self.found or rank < self.found[means][0]):
            self.found[means] = (rank, text)

    @property
    def said(self) -> dict[Means, str]:
        return {means: text for means, (_, text) in self.found.items()}

    @property
    def full_name(self) -> str:
        first, last = self.found.get(Means.FIRST), self.found.get(Means.LAST)
        full = self.found.get(Means.FULL)
        if full and not (first and last and max(first[0], last[0]) < full[0] + 20):
            return full[1]
        return " ".join(one[1] for one in (first, last) if one)

    @property
    def has_person(self) -> bool:
        return bool(set(self.found) - {Means.VENDOR_ID})

    @property
    def complete(self) -> bool:
        names = {Means.FULL} <= set(self.found) or {Means.FIRST, Means.LAST} <= set(self.found)
        return names and {Means.PHONE, Means.EMAIL, Means.VENDOR_ID} <= set(self.found)


def person_of(tree: Any, best: Best, *, after: int = 0) -> None:
    """All that `find_fields` offers."""
    walk = _Walk(best, after)
    walk.down([(tree, ROOT_RANK, 0)])
    while walk.unread and not best.has_person:
        unread, walk.unread = walk.unread, []
        walk.down(
            [
                (part[key], UNKNOWN_RANK + depth, depth + 1)
                for part, keys, depth in unread
                for key in keys
                if isinstance(part[key], dict)
                and meaning_of(key).means is Means.UNKNOWN
                and depth < DEEPEST
            ]
        )


class _Walk:
    def __init__(self, best: Best, after: int) -> None:
        self.best, self.after = best, after
        self.left = MOST_KEYS
        self.unread: list[tuple[dict[str, Any], list[str], int]] = []

    def down(self, first: list[tuple[Any, int, int]]) -> None:
        parts = deque(first)
        while parts and self.left > 0:
            part, rank, depth = parts.popleft()
            if isinstance(part, str):
                part = fields._opened(part)
            if isinstance(part, list) and fields.is_answers(part):
                self.answers(part, rank)
                continue
            if isinstance(part, list):
                part = next((entry for entry in part[:10] if isinstance(entry, dict)), None)
            if isinstance(part, dict):
                keys = list(part)[: self.left]
                self.left -= len(keys)
                self.unread.append((part, keys, depth))
                parts.extend(self.keys(part, keys, rank, depth))

    def keys(
        self, part: dict[str, Any], keys: list[str], rank: int, depth: int
    ) -> list[tuple[Any, int, int]]:
        below = []
        for key in keys:
            means, place = meaning_of(key)
            if means is Means.BELOW and depth < DEEPEST:
                below.append((part[key], place + depth, depth + 1))
            elif Means.FIRST <= means <= Means.VENDOR_ID:
                self.offer(means, place, rank, part[key])
        return below

    def answers(self, answers: list[Any], rank: int) -> None:
        for entry in answers[:200]:
            if not isinstance(entry, dict):
                continue
            value = next((entry[key] for key in fields._ANSWER_KEYS if entry.get(key)), None)
            asked = (fields._question(entry.get(key)) for key in fields._QUESTION_KEYS)
            meant = next((one for one in asked if one is not None), None)
            if meant is not None:
                self.offer(meant.means, meant.rank, rank, value)

    def offer(self, means: Means, place: int, rank: int, value: Any) -> None:
        if means is Means.VENDOR_ID and rank < PERSON_RANK:
            rank += 2 * UNKNOWN_RANK
        self.best.offer(means, place, rank + place + self.after, value)
