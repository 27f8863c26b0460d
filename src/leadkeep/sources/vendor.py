"""All that is known of one source's vendor and counts when its requests are absorbed."""

from collections.abc import Mapping
from datetime import timedelta

from leadkeep.models import Facts, Likeness, Record, RecordFlag
from leadkeep.settings.model import Settings, SourceSettings
from leadkeep.sources.likeness import likeness_of
from leadkeep.sources.routes import Route
from leadkeep.sources.verification.evidence import evidence_of
from leadkeep.sources.verification.signature import Proof
from leadkeep.sources.verification.verifier import NOT_PROVED, Verifier
from leadkeep.states import Disposition

TEST_LEAD = "a test lead, which its source holds"
CERTIFICATE_LASTS = timedelta(hours=72)
"""A TrustedForm certificate must be claimed in this time; it is made when the form is sent."""


class Vendor:
    """One source's vendor. Immutable; used from any thread.

    Args:
        name: the source's.
        settings: the source's.

    Raises:
        SettingsError: something is configured that cannot be checked.
    """

    def __init__(self, name: str, settings: SourceSettings) -> None:
        self._name = name
        self._verifier = Verifier(name, settings)
        self._duplicates = settings.duplicates
        self._holds_tests = settings.test_leads == "hold"

    def route(self, record: Record, route: Route, facts: Facts) -> tuple[Route, Proof | None]:
        """Where a lead goes, and what its signature has proved.

        It goes as routed, or is held if it proves nothing or is only a test.
        """
        if route.disposition is not Disposition.ROUTED:
            return route, None
        proof = None
        # A program of ours is let in by other means, and proves nothing.
        if self._verifier and not int.__and__(record.flags, RecordFlag.PUSHED):
            proved = self._verifier.prove(evidence_of(record))
            if isinstance(proved, str):
                why = f"{NOT_PROVED} {self._name}: {proved}"
                return Route(Disposition.QUARANTINED, route.destinations, why), None
            proof = proved
        if facts.is_test and self._holds_tests:
            return Route(Disposition.ROUTED, route.destinations, TEST_LEAD), proof
        return route, proof

    def likeness(self, record: Record, route: Route, proof: Proof | None) -> Likeness | None:
        """By what a lead is compared with earlier ones; None: by nothing."""
        if route.disposition is not Disposition.ROUTED or route.hold_reason:
            return None
        if int.__and__(record.flags, RecordFlag.PUSHED):
            return None  # a program that pushes the same twice means it
        return likeness_of(record, route.destinations, self._duplicates, proof)


def vendors_of(settings: Settings) -> Mapping[str, Vendor]:
    """Source → its vendor.

    Raises:
        SettingsError: something is configured that cannot be checked.
    """
    return {name: Vendor(name, source) for name, source in settings.sources.items()}


def certificate_expires_at_ms(record: Record, facts: Facts) -> int | None:
    """When a lead's certificate of consent can no longer be claimed; None: it names none.

    Counted from when the lead came, as the making of the certificate is not told; it may be sooner.
    """
    if not facts.trusted_form:
        return None
    return record.received_at_us // 1_000 + round(CERTIFICATE_LASTS.total_seconds() * 1_000)
