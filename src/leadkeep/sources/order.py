"""What of a lead decides its order among others: its key, the lead it refers to, its own name.

Read once, when it is absorbed. Reading never raises: a lead that says nothing waits for nobody.
Keys and names are kept as digests, since they are phone numbers as often as not: equal ones are
found by them, and nobody reads them.
"""

import re
from collections.abc import Callable, Mapping
from hashlib import blake2b
from typing import NamedTuple

import structlog

from leadkeep.models import Contact, LeadOrder, Record
from leadkeep.settings.model import Settings
from leadkeep.settings.source import SourceSettings
from leadkeep.sources.expressions import Unclear, expression_of
from leadkeep.sources.request_view import View

CONTACT_FIELDS: Mapping[str, Callable[[Contact], str]] = {
    "phone": lambda contact: contact.phone,
    "email": lambda contact: contact.email.lower(),
    "vendor_lead_id": lambda contact: contact.vendor_lead_id,
}
"""Words that stand for what is read from every payload, whatever its fields are called."""

_LONGEST = 1_000
_LEAD_ID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_LEAD_NUMBER = re.compile(r"[1-9][0-9]{12}")

_log = structlog.get_logger("leadkeep.sources")

_Read = Callable[[Record, Contact], str]


class _Rules(NamedTuple):
    """How the order of one source's leads is read."""

    line: str
    """What the key is read by: leads of different sources are in one line if it is the same."""
    key: _Read | None
    reference: _Read | None
    names_of: str
    """The source whose leads the reference may name."""
    is_named: bool
    """Others refer to leads of this source by their names."""
    wait_ms: int


class OrderReader:
    """Reads the order of leads. Immutable; used from any thread.

    Args:
        sources: by name.

    Raises:
        SettingsError: an expression is wrong.
    """

    def __init__(self, sources: Mapping[str, SourceSettings]) -> None:
        named = {
            chosen.depends_on_source or name
            for name, chosen in sources.items()
            if chosen.depends_on
        }
        self._rules = {
            name: _rules(name, chosen, is_named=name in named)
            for name, chosen in sources.items()
            if chosen.order_by or chosen.depends_on or name in named
        }

    @classmethod
    def of(cls, settings: Settings) -> "OrderReader":
        """The reader that the settings describe."""
        return cls(settings.sources)

    def read(self, record: Record, contact: Contact) -> LeadOrder | None:
        """How a lead stands to others; None: it has nothing to do with any.

        Args:
            contact: what was read from its payload.
        """
        rules = self._rules.get(record.source)
        if rules is None:
            return None
        try:
            return _order(rules, record, contact)
        except Unclear as error:
            _log.warning("the order of a lead could not be read", reason=str(error))
            return None
        except Exception as error:
            # A view of hostile bytes: whatever goes wrong in here must not stop the lead.
            _log.warning("the order of a lead could not be read", error=type(error).__name__)
            return None


def _rules(name: str, chosen: SourceSettings, *, is_named: bool) -> _Rules:
    return _Rules(
        line=chosen.order_by,
        key=reader_of(f"sources.{name}.order_by", chosen.order_by),
        reference=reader_of(f"sources.{name}.depends_on", chosen.depends_on),
        names_of=chosen.depends_on_source or name,
        is_named=is_named,
        wait_ms=round(chosen.order_wait_seconds * 1_000),
    )


def reader_of(key: str, text: str) -> _Read | None:
    """What reads a lead by a word for contacts or by an expression; None if nothing is set.

    A path that begins with no part of a request is looked for in the payload, then in the query.

    Raises:
        SettingsError: it is neither.
    """
    if not text:
        return None
    field = CONTACT_FIELDS.get(text)
    if field is not None:
        return lambda _record, contact: field(contact)
    expression = expression_of(key, text)
    return lambda record, _contact: _text(expression.value(_view_of(record)))


def _view_of(record: Record) -> View:
    return View(
        source=record.source,
        method=record.method,
        target=record.target,
        headers=record.headers,
        body=record.body,
    )


def _order(rules: _Rules, record: Record, contact: Contact) -> LeadOrder | None:
    key = rules.key(record, contact) if rules.key else ""
    reference = rules.reference(record, contact) if rules.reference else ""
    name = b""
    if rules.is_named and contact.vendor_lead_id:
        name = _digest("name", record.source, contact.vendor_lead_id)
    refers_to_name = _digest("name", rules.names_of, reference) if reference else b""
    if name == refers_to_name:
        # An event that carries the name of its lead is not what others mean by that name.
        name = b""
    if key:
        line = _digest("line", rules.line, key)
    elif reference:
        line = _digest("alone", record.lead_id.hex())
    else:
        return LeadOrder(name=name) if name else None
    return LeadOrder(
        key=line,
        wait_ms=rules.wait_ms,
        refers_to=_own_reference(reference),
        refers_to_name=refers_to_name,
        name=name,
    )


def _own_reference(text: str) -> str:
    """The text if it may be an id or number that we gave; a vendor's own may look like one, too."""
    if _LEAD_ID.fullmatch(text):
        return text.lower()
    return text if _LEAD_NUMBER.fullmatch(text) else ""


def _text(value: object) -> str:
    """A value as the text that is compared: texts and whole numbers; of a list, its only entry."""
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if isinstance(value, bool):
        return ""
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e18:
        value = int(value)
    if isinstance(value, int):
        return str(value) if abs(value) < 10**30 else ""
    return value.strip()[:_LONGEST] if isinstance(value, str) else ""


def _digest(*parts: str) -> bytes:
    digest = blake2b(digest_size=16)
    for part in parts:
        encoded = part.encode("utf-8", "surrogatepass")
        digest.update(len(encoded).to_bytes(4, "big") + encoded)
    return digest.digest()
