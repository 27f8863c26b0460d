"""Where one source's leads say what is read of them, and which of them are tests, by its settings.

Compiled once for a source. What is found so counts more than what `contact.py` and `facts.py` find
by themselves; what cannot be evaluated for a lead leaves that as it was. Never raises for a lead.
"""

from dataclasses import fields as fields_of
from typing import Any

import msgspec
import structlog

from leadkeep.models import Contact, Facts, Record
from leadkeep.settings.source import SourceSettings
from leadkeep.sources.conditions import Condition
from leadkeep.sources.contact import ContactReader
from leadkeep.sources.expressions import Expression, Unclear, expression_of
from leadkeep.sources.facts import is_yes, text_of_fact
from leadkeep.sources.fields import Fields
from leadkeep.sources.payload import content_type_of, read_tree
from leadkeep.sources.request_view import View
from leadkeep.sources.spellings import Means
from leadkeep.sources.tree import Tree

_OF_CONTACT = {
    "name": Means.FULL,
    "phone": Means.PHONE,
    "email": Means.EMAIL,
    "vendor_lead_id": Means.VENDOR_ID,
}
_NAMES = ("first_name", "last_name")
_OPENING = ("{", "[")

_log = structlog.get_logger("leadkeep.sources")


class ReadView(View):
    """A request whose payload is a tree that was read for display, texts that hold JSON opened.

    Args:
        record: the request.
        tree: its payload, or one part of that.
    """

    def __init__(self, record: Record, tree: Tree) -> None:
        super().__init__(
            source=record.source,
            method=record.method,
            target=record.target,
            headers=record.headers,
            body=record.body,
        )
        self._read["payload"] = _opened(tree)


class Mapping:
    """One source's own ways to say things. Immutable; used from any thread.

    Args:
        name: the source's.
        settings: the source's.
        contacts: makes what is found fit to be shown.

    Raises:
        SettingsError: a path or the condition is wrong.
    """

    def __init__(self, name: str, settings: SourceSettings, contacts: ContactReader) -> None:
        key = f"sources.{name}"
        self._contacts = contacts
        self._found_at: dict[str, Expression] = {
            row.name: expression_of(f"{key}.fields.{row.name}", text)
            for row in fields_of(settings.fields)
            if (text := getattr(settings.fields, row.name))
        }
        self._test_when = (
            Condition(f"{key}.test_when", settings.test_when) if settings.test_when else None
        )

    def __bool__(self) -> bool:
        return bool(self._found_at) or self._test_when is not None

    def read(self, record: Record, contact: Contact, facts: Facts) -> tuple[Contact, Facts]:
        """What a lead says, with what was found in it otherwise."""
        try:
            tree = read_tree(content_type_of(record.headers), record.body) if record.body else None
            return self.read_tree(record, tree, contact, facts)
        except Exception as error:
            # A view of hostile bytes: whatever goes wrong in here must not stop the lead.
            _log.warning("a lead's fields could not be read", error=type(error).__name__)
            return contact, facts

    def read_tree(
        self, record: Record, tree: Tree, contact: Contact, facts: Facts
    ) -> tuple[Contact, Facts]:
        """The same for one part of a request."""
        view = ReadView(record, tree)
        found = {
            field: value
            for field, expression in self._found_at.items()
            if (value := _value(expression, view)) is not None
        }
        if found:
            facts = _with_facts(facts, found)
            contact = self._with_contact(contact, facts, found)
        if self._test_when is not None and _holds(self._test_when, view):
            facts = msgspec.structs.replace(facts, is_test=True)
        return contact, facts

    def _with_contact(self, contact: Contact, facts: Facts, found: dict[str, Any]) -> Contact:
        fields = Fields()
        for field, means in _OF_CONTACT.items():
            if field in found:
                fields.offer(means, 0, 0, found[field])
        said = self._contacts.contact_of(fields)
        news = {field: text for field in _OF_CONTACT if (text := getattr(said, field))}
        if "name" not in news and any(name in found for name in _NAMES):
            whole = f"{facts.first_name} {facts.last_name}".strip()
            if whole and (not contact.name or (facts.first_name and facts.last_name)):
                news["name"] = whole
        return msgspec.structs.replace(contact, **news)


def _with_facts(facts: Facts, found: dict[str, Any]) -> Facts:
    news: dict[str, Any] = {
        fact: text
        for fact, value in found.items()
        if fact not in _OF_CONTACT and fact != "is_test" and (text := text_of_fact(fact, value))
    }
    if "is_test" in found:
        news["is_test"] = is_yes(found["is_test"])
    return msgspec.structs.replace(facts, **news)


def _value(expression: Expression, view: View) -> Any:
    try:
        return expression.value(view)
    except Unclear:
        return None


def _holds(condition: Condition, view: View) -> bool:
    try:
        return condition.holds(view)
    except Unclear:
        return False


def _opened(tree: Tree) -> Tree:
    """A tree whose nearest texts that hold JSON are opened, as Jotform's `rawRequest`."""
    if not isinstance(tree, dict):
        return tree
    return {
        key: _decoded(value) if isinstance(value, str) and value[:1] in _OPENING else value
        for key, value in tree.items()
    }


def _decoded(text: str) -> Tree:
    try:
        tree: Tree = msgspec.json.decode(text)
    except (msgspec.DecodeError, ValueError, RecursionError):
        return text
    return tree
