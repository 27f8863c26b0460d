"""A request that somebody has seen and sends again in another way is held, whatever was changed."""

from typing import Any

import pytest

from leadkeep.models import NewLead, Selection
from leadkeep.settings.duplicates import DuplicatesSettings
from leadkeep.sources.likeness import likeness_of
from leadkeep.sources.verification.signature import Proof
from leadkeep.states import Disposition, Status, Verb
from leadkeep.store.base import Store
from tests.store.builders import RECEIVED_AT_US, a_batch, a_lead, a_record, an_outcome

SIGNATURE = b"a1b2c3d4" * 8
DAY_US = 86_400_000_000


def signed(
    *,
    signature: bytes = SIGNATURE,
    written: bytes | None = None,
    says: bytes = b"1",
    destinations: tuple[str, ...] = ("default",),
    at_us: int = RECEIVED_AT_US,
    **of: Any,
) -> NewLead:
    """A lead of a vendor that signs.

    Args:
        written: how the signature stands in the header, where it is not as vendors write it.
        says: what is signed.
    """
    headers = b"X-Sum: sha256=" + (signature if written is None else written) + b"\r\n"
    record = a_record(**{"body": b"1", "headers": headers, "received_at_us": at_us} | of)
    proof = Proof(says, signature)
    likeness = likeness_of(record, destinations, DuplicatesSettings(), proof)
    return a_lead(record=record, destinations=destinations, likeness=likeness)


async def absorbed(store: Store, *leads: NewLead, together: bool = False) -> list[Disposition]:
    for batch in [leads] if together else [[lead] for lead in leads]:
        await store.absorb(a_batch(*batch))
    return [(await store.lead(str(lead.record.lead_number))).disposition for lead in leads]


REPLAYS: dict[str, dict[str, Any]] = {
    "at another path": {"target": b"/other"},
    "with another query": {"target": b"/hooks/lqf?price=99"},
    "by another method": {"method": "PUT"},
    "with its fields in another order": {"body": b"2"},
    "with other headers and another path": {
        "target": b"/other",
        "headers": b"X-A: b\r\nX-Sum: " + SIGNATURE.upper(),
    },
    "on its way elsewhere": {"target": b"/other", "destinations": ("crm",)},
    "much later": {"target": b"/other", "at_us": RECEIVED_AT_US + 30 * DAY_US},
}


@pytest.mark.parametrize("together", [True, False])
@pytest.mark.parametrize("changed", REPLAYS)
async def test_a_signature_that_came_before_is_held_for_a_person(
    store: Store, changed: str, together: bool
) -> None:
    first, again = signed(), signed(**REPLAYS[changed])
    both = await absorbed(store, first, again, together=together)
    assert both == [Disposition.ROUTED, Disposition.DUPLICATE]
    held = await store.lead(str(again.record.lead_number))
    assert held.same_delivery_as == first.record.lead_number
    assert {one.status for one in held.deliveries} == {Status.HELD}
    assert "somebody may have copied it" in held.deliveries[0].error_message


async def test_it_is_not_settled_by_what_becomes_of_the_first(store: Store) -> None:
    first, again = signed(), signed(target=b"/other")
    await absorbed(store, first, again)
    for claim in await store.claim(
        "default", limit=9, lease_ms=60_000, longest_wait_ms=900_000, worker="w"
    ):
        await store.record([an_outcome(claim, Status.COMPLETED)])
    assert (await store.settle_copies()).cancelled == 0
    shown = await store.lead(str(again.record.lead_number))
    assert [one.status for one in shown.deliveries] == [Status.HELD]


async def test_a_person_may_deliver_it_anyway(store: Store) -> None:
    first, again = signed(), signed(target=b"/other")
    await absorbed(store, first, again)
    ref = str(again.record.lead_number)
    assert await store.deliver_anyway([ref], unlink=False, actor="ada") == 1
    assert [one.status for one in (await store.lead(ref)).deliveries] == [Status.PENDING]


async def test_what_a_person_cancelled_is_not_delivered_by_a_replay(store: Store) -> None:
    first, again = signed(), signed(target=b"/other")
    await absorbed(store, first)
    meant = Selection(refs=(str(first.record.lead_number),))
    await store.apply(Verb.CANCEL, meant, reason="", actor="ada")
    assert await absorbed(store, again) == [Disposition.DUPLICATE]


async def test_a_replay_of_a_replay_is_held_too(store: Store) -> None:
    three = signed(), signed(target=b"/b"), signed(target=b"/c")
    dispositions = await absorbed(store, *three)
    assert dispositions == [Disposition.ROUTED, Disposition.DUPLICATE, Disposition.DUPLICATE]


async def test_capitals_hide_no_signature(store: Store) -> None:
    first, again = signed(written=SIGNATURE.upper()), signed(target=b"/other")
    assert (await absorbed(store, first, again))[1] is Disposition.DUPLICATE


async def test_what_the_vendor_signed_anew_is_a_lead_of_its_own_elsewhere(store: Store) -> None:
    first, again = signed(), signed(signature=b"ee" * 32, target=b"/other")
    assert await absorbed(store, first, again) == [Disposition.ROUTED] * 2


async def test_what_the_vendor_repeats_and_signs_anew_is_the_same_delivery(store: Store) -> None:
    first, again = signed(), signed(signature=b"ee" * 32)
    assert (await absorbed(store, first, again))[1] is Disposition.DUPLICATE
    shown = await store.lead(str(again.record.lead_number))
    assert "on its way" in shown.deliveries[0].error_message


async def test_an_id_that_is_signed_tells_two_leads_with_the_same_body_apart(store: Store) -> None:
    first = signed(says=b"msg_1.{}")
    other = signed(says=b"msg_2.{}", signature=b"ee" * 32)
    assert await absorbed(store, first, other) == [Disposition.ROUTED] * 2
