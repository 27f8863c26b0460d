"""By what a lead is known when it comes again: pure, computed once when it is absorbed."""

from functools import lru_cache
from hashlib import blake2b

from leadkeep.models import OTHER_BITS, Likeness, Record
from leadkeep.settings.duplicates import DuplicatesSettings
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
            head = f"{record.source}\0{record.method}\0{len(record.target)}\0".encode()
            same = _hash(head + record.target + record.body)
        else:
            same, signature = _hash(record.source.encode() + b"\0" + proof.signed), proof.signature
        fingerprint = (same >> OTHER_BITS << OTHER_BITS | _other(destinations)) or 1
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


@lru_cache(maxsize=1_024)
def _other(destinations: tuple[str, ...]) -> int:
    """The low bits: where it goes."""
    return _hash("\0".join(destinations).encode()) & ((1 << OTHER_BITS) - 1)


def _hash(raw: bytes) -> int:
    """64 bits, signed."""
    return int.from_bytes(blake2b(raw, digest_size=8).digest(), "big", signed=True)
