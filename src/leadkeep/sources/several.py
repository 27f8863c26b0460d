"""Which leads one request holds, where a vendor posts several at once.

Read for display, and, where the source says so, to deliver each by itself. Bounded; never raises. A
part's bytes are the vendor's own where the way to it is a plain path through JSON.
"""

import json
import re
from collections.abc import Sequence
from typing import NamedTuple, TypeVar

import msgspec
import structlog

from leadkeep.models import NO_FACTS, Contact, Facts, LeadPart, Record
from leadkeep.settings.source import SourceSettings
from leadkeep.sources.contact import ContactReader
from leadkeep.sources.expressions import Expression, Unclear, expression_of
from leadkeep.sources.fields import is_answers
from leadkeep.sources.mapping import Mapping
from leadkeep.sources.payload import inflated
from leadkeep.sources.request_view import Unreadable, View
from leadkeep.sources.tree import Tree

PARTS_MOST = 1_000
"""A request with more is not taken apart."""

_PLAIN = re.compile(r"(?:payload(?:\.|(?=\[)|$))?((?:\w+|\[\])(?:\.\w+|\[\])*)?", re.ASCII)
_STEP = re.compile(r"\w+|\[\]", re.ASCII)
_EACH = "[]"
_GZIP = b"\x1f\x8b"
_NOBODY = Contact()

_Shown = TypeVar("_Shown", Contact, Facts)
_log = structlog.get_logger("leadkeep.sources")


class Parted(NamedTuple):
    """What a request holds."""

    parts: tuple[LeadPart, ...] = ()
    unparted: str = ""
    """Why its leads could not be told apart."""
    only: LeadPart | None = None
    """The one lead that it holds where its source's leads stand: what it says counts, as in Meta's
    requests, whose own ids are those of pages. It is no part: the request is the lead."""


WHOLE = Parted()
"""It holds one lead, or none that is told apart."""


class Several:
    """Takes one source's requests apart. Immutable; used from any thread.

    Args:
        name: the source's.
        settings: the source's.
        contacts: reads each part.
        mapping: where the source's leads say things.

    Raises:
        SettingsError: `several_at` is wrong.
    """

    def __init__(
        self, name: str, settings: SourceSettings, contacts: ContactReader, mapping: Mapping
    ) -> None:
        self.splits = settings.several == "split"
        """Each part is delivered by itself."""
        self._contacts = contacts
        self._mapping = mapping
        self._at = _expression(name, settings.several_at) if settings.several_at else None
        plain = _PLAIN.fullmatch(settings.several_at)
        self._steps: Sequence[str] | None = None
        if plain is not None:
            self._steps = _STEP.findall(plain[1]) if plain[1] else [_EACH]

    def read(self, record: Record) -> Parted:
        """The leads that a request holds; unless it is split, only if there are several."""
        body = record.body
        if self._at is None and (body[:1] == b"{" or not _may_be_list(body)):
            return WHOLE
        try:
            return self._read(record)
        except Exception as error:
            # A view of hostile bytes: whatever goes wrong in here must not stop the lead.
            _log.warning("a request could not be taken apart", error=type(error).__name__)
            return Parted(unparted=f"reading it failed ({type(error).__name__})")

    def _read(self, record: Record) -> Parted:
        try:
            elements = self._elements(record)
        except (Unclear, Unreadable) as error:
            return Parted(unparted=str(error))
        if not elements:
            return WHOLE
        if len(elements) == 1 and not self.splits:
            if self._at is None:
                return WHOLE
            return Parted(only=self._part(record, elements[0], record.body))
        if len(elements) > PARTS_MOST:
            return Parted(unparted=f"it holds {len(elements):,} leads, more than {PARTS_MOST:,}")
        bodies = self._bodies(record.body, elements)
        return Parted(
            tuple(
                self._part(record, element, _encoded(element) if bodies is None else bodies[place])
                for place, element in enumerate(elements)
            )
        )

    def _elements(self, record: Record) -> list[Tree]:
        view = View(
            source=record.source,
            method=record.method,
            target=record.target,
            headers=record.headers,
            body=record.body,
        )
        if self._at is not None:
            found = self._at.value(view)
            if isinstance(found, dict):
                return [found]
            return found if isinstance(found, list) else []
        tree = view.part("payload")
        if not isinstance(tree, list) or not all(isinstance(one, dict) for one in tree):
            return []
        return [] if is_answers(tree) else tree

    def _bodies(self, body: bytes, elements: list[Tree]) -> list[bytes] | None:
        """The parts' own bytes; None: they cannot be told by a plain path."""
        if self._steps is None:
            return None
        try:
            found = _raw_parts(inflated(body), self._steps)
            same = [msgspec.json.decode(one) for one in found] == elements
        except (msgspec.DecodeError, ValueError, RecursionError):
            return None
        return found if same else None

    def _part(self, record: Record, element: Tree, body: bytes) -> LeadPart:
        contact, facts = self._contacts.read_tree(element)
        if self._mapping:
            contact, facts = self._mapping.read_tree(record, element, contact, facts)
        return LeadPart(contact, body, facts)


def seen_whole(parted: Parted, contact: Contact, facts: Facts) -> tuple[Contact, Facts]:
    """What is shown of a whole request: the first of its leads. It is a test if all of them are."""
    if parted.only is not None:
        return _laid_over(contact, parted.only.contact), _laid_over(facts, parted.only.facts)
    parts = parted.parts
    if not parts:
        return contact, facts
    first = parts[0]
    certificate = next((part.facts.trusted_form for part in parts if part.facts.trusted_form), "")
    shown = msgspec.structs.replace(
        facts if first.facts == NO_FACTS else first.facts,
        is_test=all(part.facts.is_test for part in parts),
        trusted_form=certificate or facts.trusted_form,
    )
    return contact if first.contact == _NOBODY else first.contact, shown


def _laid_over(whole: _Shown, only: _Shown) -> _Shown:
    """What the one lead says, and where it says nothing what the request does."""
    said = {name: value for name in only.__struct_fields__ if (value := getattr(only, name))}
    return msgspec.structs.replace(whole, **said)


def _expression(name: str, text: str) -> Expression:
    key = f"sources.{name}.several_at"
    return Expression(key, f"payload{text}") if text.startswith("[") else expression_of(key, text)


def _may_be_list(body: bytes) -> bool:
    return body[:64].lstrip()[:1] == b"[" or body[:2] == _GZIP


def _raw_parts(body: bytes, steps: Sequence[str]) -> list[bytes]:
    """The bytes that stand at the end of a path; what leads nowhere is left out.

    Raises:
        msgspec.DecodeError: it is no strict JSON, or something else stands on the way.
    """
    found = [msgspec.Raw(body)]
    for step in steps:
        further: list[msgspec.Raw] = []
        for raw in found:
            if step == _EACH:
                further += msgspec.json.decode(raw, type=list[msgspec.Raw])
            else:
                at = msgspec.json.decode(raw, type=dict[str, msgspec.Raw]).get(step)
                further += () if at is None else (at,)
        found = [raw for raw in further if bytes(raw).strip() != b"null"]
    if _EACH not in steps and found and bytes(found[0]).lstrip()[:1] == b"[":
        found = msgspec.json.decode(found[0], type=list[msgspec.Raw])
    return [bytes(raw).strip() for raw in found]


def _encoded(element: Tree) -> bytes:
    return json.dumps(element, separators=(",", ":")).encode("ascii")
