"""All that is known of one source's vendor and counts when its requests are absorbed."""

from collections.abc import Mapping
from datetime import timedelta

from msgspec import structs

from leadkeep.models import Contact, Facts, LeadPart, Likeness, Record, RecordFlag
from leadkeep.settings.model import Settings, SourceSettings
from leadkeep.sources.contact import ContactReader
from leadkeep.sources.likeness import likeness_of
from leadkeep.sources.mapping import Mapping as FieldMapping
from leadkeep.sources.routes import Route
from leadkeep.sources.several import WHOLE, Parted, Several
from leadkeep.sources.verification.evidence import evidence_of
from leadkeep.sources.verification.signature import Proof
from leadkeep.sources.verification.verifier import NOT_PROVED, Verifier
from leadkeep.states import Disposition

# Looked up once: a member of an enum costs as much at each use as comparing it does ten times, and
# each operation on flags makes a new flag.
_ROUTED, _PUSHED = Disposition.ROUTED, int(RecordFlag.PUSHED)
_and = int.__and__

TEST_LEAD = "a test lead, which its source holds"
CERTIFICATE_LASTS = timedelta(hours=72)
"""A TrustedForm certificate must be claimed in this time; it is made when the form is sent."""


class Vendor:
    """One source's vendor. Immutable; used from any thread.

    Args:
        name: the source's.
        settings: the source's.
        contacts: reads payloads; None: with phone numbers of the United States as default.

    Raises:
        SettingsError: something is configured that cannot be checked.
    """

    def __init__(
        self, name: str, settings: SourceSettings, contacts: ContactReader | None = None
    ) -> None:
        self._name = name
        contacts = contacts or ContactReader()
        self._mapping = FieldMapping(name, settings, contacts)
        self._maps = bool(self._mapping)
        self._several = Several(name, settings, contacts, self._mapping)
        self._verifier = Verifier(name, settings)
        self._duplicates = settings.duplicates
        self._holds_tests = settings.test_leads == "hold"

    def route(self, record: Record, route: Route, facts: Facts) -> tuple[Route, Proof | None]:
        """Where a lead goes, and what its signature has proved.

        It goes as routed, or is held if it proves nothing or is only a test.
        """
        if route.disposition is not _ROUTED:
            return route, None
        proof = None
        # A program of ours is let in by other means, and proves nothing.
        if self._verifier and not _and(record.flags, _PUSHED):
            proved = self._verifier.prove(evidence_of(record))
            if isinstance(proved, str):
                why = f"{NOT_PROVED} {self._name}: {proved}"
                return Route(Disposition.QUARANTINED, route.destinations, why), None
            proof = proved
        if facts.is_test and self._holds_tests:
            return Route(_ROUTED, route.destinations, TEST_LEAD), proof
        return route, proof

    def read(self, record: Record, contact: Contact, facts: Facts) -> tuple[Contact, Facts]:
        """What a lead says where its source's person says that it does."""
        return self._mapping.read(record, contact, facts) if self._maps else (contact, facts)

    def parts(self, record: Record) -> Parted:
        """The leads that a request holds; tests among others are held where tests are."""
        parted = self._several.read(record)
        if parted is WHOLE or not self._holds_tests:
            return parted
        return parted._replace(parts=tuple(map(_held_if_test, parted.parts)))

    def splits(self, parted: Parted) -> bool:
        """Whether each part is delivered by itself."""
        return self._several.splits and bool(parted.parts)

    def whole(self, route: Route, parted: Parted) -> Route:
        """Where a request goes that should be split and cannot be: a person looks at it."""
        if not (self._several.splits and parted.unparted):
            return route
        if route.disposition is not _ROUTED or route.hold_reason:
            return route
        why = f"it cannot be split: {parted.unparted}; resumed, it is delivered as it came"
        return Route(_ROUTED, route.destinations, why)

    def likeness(self, record: Record, route: Route, proof: Proof | None) -> Likeness | None:
        """By what a lead is compared with earlier ones; None: by nothing."""
        if route.disposition is not _ROUTED or route.hold_reason:
            return None
        if _and(record.flags, _PUSHED):
            return None  # a program that pushes the same twice means it
        return likeness_of(record, route.destinations, self._duplicates, proof)


def vendors_of(settings: Settings) -> Mapping[str, Vendor]:
    """Source → its vendor.

    Raises:
        SettingsError: something is configured that cannot be checked.
    """
    contacts = ContactReader(settings.worker.default_region)
    return {name: Vendor(name, source, contacts) for name, source in settings.sources.items()}


def _held_if_test(part: LeadPart) -> LeadPart:
    return structs.replace(part, hold_reason=TEST_LEAD) if part.facts.is_test else part


def certificate_expires_at_ms(record: Record, facts: Facts) -> int | None:
    """When a lead's certificate of consent can no longer be claimed; None: it names none.

    Counted from when the lead came, as the making of the certificate is not told; it may be sooner.
    """
    if not facts.trusted_form:
        return None
    return record.received_at_us // 1_000 + round(CERTIFICATE_LASTS.total_seconds() * 1_000)
