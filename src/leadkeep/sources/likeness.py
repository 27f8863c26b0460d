"""By what a lead is known when it comes again: pure, computed once when it is absorbed."""

from hashlib import blake2b

from leadkeep.models import OTHER_BITS, Likeness, Record
from leadkeep.settings.likeness import DuplicatesSettings
from leadkeep.sources.verification.signature import Proof


def likeness_of(
    record: Record,
    destinations: tuple[str, ...],
    settings: DuplicatesSettings,
    proof: Proof | None = None,
) -> Likeness | None:
    """What a proved and routed lead is compared by; None: by nothing.

    The same delivery is the same method, target and body, at the same source, on its way to the
    same destinations. Headers are not compared: a repeated request is signed anew.

    Args:
        proof: what its signature has proved. Whatever else differs, the same signature again is
            the same request again, sent by whoever has seen it.
    """
    if not (settings.same_delivery or settings.same_person):
        return None
    received_at_ms = record.received_at_us // 1_000
    fingerprint, signature = 0, b""
    # A request that says nothing is not the same as another one that says nothing.
    if settings.same_delivery and (record.body or b"?" in record.target):
        if proof is None:
            same = _hash(b"", record.method.encode(), record.target, record.body, record.source)
        else:
            same, signature = _hash(b"signed", proof.signed, record.source), proof.signature
        other = _hash(*destinations) & ((1 << OTHER_BITS) - 1)
        fingerprint = (same >> OTHER_BITS << OTHER_BITS | other) or 1
    return Likeness(
        fingerprint=fingerprint,
        delivery_since_ms=received_at_ms - round(settings.delivery_window_seconds * 1_000),
        person_since_ms=(
            received_at_ms - round(settings.person_window_seconds * 1_000)
            if settings.same_person
            else None
        ),
        across_sources=settings.across_sources,
        signature=signature,
    )


def _hash(*parts: bytes | str) -> int:
    """64 bits, signed, of texts one after another."""
    digest = blake2b(digest_size=8)
    for part in parts:
        raw = part.encode() if isinstance(part, str) else part
        digest.update(len(raw).to_bytes(8, "big"))
        digest.update(raw)
    return int.from_bytes(digest.digest(), "big", signed=True)
