"""By what a lead is known when it comes again: pure, computed once when it is absorbed."""

from hashlib import blake2b

from leadkeep.models import Likeness, Record
from leadkeep.settings.duplicates import DuplicatesSettings


def likeness_of(
    record: Record, destinations: tuple[str, ...], settings: DuplicatesSettings
) -> Likeness | None:
    """What a proved and routed lead is compared by; None: by nothing.

    The same delivery is the same method, target and body, at the same source, on its way to the
    same destinations. Headers are not compared: a repeated request is signed anew.
    """
    if not (settings.same_delivery or settings.same_person):
        return None
    received_at_ms = record.received_at_us // 1_000
    fingerprint = 0
    # A request that says nothing is not the same as another one that says nothing.
    if settings.same_delivery and (record.body or b"?" in record.target):
        parts = (
            record.source.encode(),
            "\0".join(destinations).encode(),
            record.method.encode(),
            record.target,
            record.body,
        )
        digest = blake2b(digest_size=8)
        for part in parts:
            digest.update(len(part).to_bytes(8, "big"))
            digest.update(part)
        fingerprint = int.from_bytes(digest.digest(), "big", signed=True) or 1
    return Likeness(
        fingerprint=fingerprint,
        delivery_since_ms=received_at_ms - round(settings.delivery_window_seconds * 1_000),
        person_since_ms=(
            received_at_ms - round(settings.person_window_seconds * 1_000)
            if settings.same_person
            else None
        ),
        across_sources=settings.across_sources,
    )
