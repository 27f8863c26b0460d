"""Who a lead is about, for display and search: name, phone, email and the vendor's own id.

Reading never raises, never changes the lead and decides nothing: a lead whose payload says nothing
is delivered all the same. The payload becomes a tree (`payload.py`), and `fields.py` finds in it
what the many spellings mean; this module makes it fit to be shown.
"""

import structlog

from leadkeep.models import NO_FACTS, Contact, Facts
from leadkeep.sources.facts import find_facts
from leadkeep.sources.fields import Fields, find_fields
from leadkeep.sources.payload import read_query, read_tree
from leadkeep.sources.phone import PhoneNumbers
from leadkeep.sources.tree import Tree

NAME_CHARS = 200
PHONE_CHARS = 40
EMAIL_CHARS = 254
ID_CHARS = 128

_NOBODY = Contact()
_log = structlog.get_logger("leadkeep.sources")


class ContactReader:
    """Reads contacts from payloads. Immutable; used from any thread.

    Args:
        default_region: two-letter country of phone numbers without a country code; empty: such
            numbers are left as sent.
    """

    def __init__(self, default_region: str = "US") -> None:
        self._phones = PhoneNumbers(default_region)

    def read(self, content_type: str, target: bytes, body: bytes) -> Contact:
        """What the payload says about its person; empty fields where it says nothing.

        Args:
            content_type: as declared by the sender; may be empty or wrong.
            target: the request target; its query fills what the body leaves open.
            body: exactly as received.
        """
        try:
            return self._read(content_type, target, body)
        except Exception as error:
            # A view of hostile bytes: whatever goes wrong in here must not stop the lead.
            _log.warning("a payload could not be read", error=type(error).__name__)
            return _NOBODY

    def read_all(self, content_type: str, target: bytes, body: bytes) -> tuple[Contact, Facts]:
        """The same, and what else the payload says; nothing where it says nothing."""
        try:
            tree = read_tree(content_type, body) if body else None
            return self.read_tree(tree, read_query(target) if b"?" in target else {})
        except Exception as error:
            _log.warning("a payload could not be read", error=type(error).__name__)
            return _NOBODY, NO_FACTS

    def read_tree(self, tree: Tree, query: dict[str, Tree] | None = None) -> tuple[Contact, Facts]:
        """What a payload says that is a tree already, and where it says nothing the query."""
        query = query or {}
        fields = _fields_of(tree, query)
        first, last = fields.first_name, fields.last_name
        facts = find_facts(
            tree,
            query,
            first_name=_shown(first, NAME_CHARS) if first else "",
            last_name=_shown(last, NAME_CHARS) if last else "",
        )
        return self.contact_of(fields), facts

    def _read(self, content_type: str, target: bytes, body: bytes) -> Contact:
        tree = read_tree(content_type, body) if body else None
        return self.contact_of(_fields_of(tree, read_query(target) if b"?" in target else {}))

    def contact_of(self, fields: Fields) -> Contact:
        """What was found, fit to be shown."""
        if fields.empty:
            return _NOBODY
        phone = _shown(fields.phone, PHONE_CHARS)
        return Contact(
            _shown(fields.full_name, NAME_CHARS),
            self._phones.e164(phone) if phone else "",
            _shown(fields.email, EMAIL_CHARS),
            _shown(fields.vendor_lead_id, ID_CHARS),
        )


def _fields_of(tree: Tree, query: dict[str, Tree]) -> Fields:
    """What the body says, and where it says nothing the query."""
    fields = Fields()
    if tree is not None:
        find_fields(tree, fields)
    if query and not fields.complete:
        find_fields(query, fields, after=1_000)
    return fields


_default_reader = ContactReader("US")


def read_contact(content_type: str, target: bytes, body: bytes) -> Contact:
    """`ContactReader.read` with phone numbers of the United States as default."""
    return _default_reader.read(content_type, target, body)


def _shown(text: str, longest: int) -> str:
    """One line without control characters, bidirectional overrides or lone surrogates, cut."""
    if len(text) > 4 * longest:
        text = text[: 4 * longest]
    if text.isprintable():
        # Then its only white space is the space.
        if "  " not in text:
            return text.strip()[:longest].rstrip()
    else:
        text = "".join(
            char if char.isprintable() else " "
            for char in text
            if char.isprintable() or char.isspace()
        )
    return " ".join(text.split())[:longest].rstrip()
