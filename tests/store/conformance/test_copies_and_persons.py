"""A lead that repeats another is linked and not delivered again; it is never dropped."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leadkeep.errors import UsageError
from leadkeep.models import Contact, LeadView, Likeness, NewLead, Selection
from leadkeep.settings.duplicates import DuplicatesSettings
from leadkeep.sources.likeness import likeness_of
from leadkeep.states import Disposition, Status, Verb
from leadkeep.store.base import Store
from tests.store.builders import RECEIVED_AT_US, a_batch, a_lead, a_record, an_outcome

HOUR_US = 3_600_000_000
NOBODY = Contact()
EVERYTHING = Selection(everything=True)


def like(
    body: bytes,
    *,
    at_us: int = RECEIVED_AT_US,
    destinations: tuple[str, ...] = ("default",),
    **of: Any,
) -> NewLead:
    """A lead as its source has it compared."""
    contact = of.pop("contact", NOBODY)
    duplicates = of.pop("duplicates", DuplicatesSettings())
    record = a_record(body=body, received_at_us=at_us, **of)
    return a_lead(
        record=record,
        destinations=destinations,
        contact=contact,
        likeness=likeness_of(record, destinations, duplicates),
    )


async def shown(store: Store, lead: NewLead) -> LeadView:
    return await store.lead(str(lead.record.lead_number))


async def deliver(store: Store, status: Status = Status.COMPLETED) -> None:
    for claim in await store.claim(
        "default", limit=100, lease_ms=60_000, longest_wait_ms=900_000, worker="w"
    ):
        await store.record([an_outcome(claim, status)])


async def statuses(store: Store, lead: NewLead) -> list[Status]:
    return [delivery.status for delivery in (await shown(store, lead)).deliveries]


@pytest.mark.parametrize("together", [True, False])
async def test_the_same_request_again_is_linked_and_waits(store: Store, together: bool) -> None:
    first, again = like(b"1"), like(b"1", at_us=RECEIVED_AT_US + HOUR_US)
    for batch in [[first, again]] if together else [[first], [again]]:
        await store.absorb(a_batch(*batch))

    original, copy = await shown(store, first), await shown(store, again)
    assert original.disposition is Disposition.ROUTED
    assert original.same_delivery_as is None
    assert copy.disposition is Disposition.DUPLICATE
    assert copy.same_delivery_as == first.record.lead_number
    assert [one.status for one in copy.deliveries] == [Status.HELD]
    assert str(first.record.lead_number) in copy.deliveries[0].error_message
    assert copy.body == b"1"


@pytest.mark.parametrize(
    "other",
    [
        {"body": b"2"},
        {"target": b"/other"},
        {"method": "PUT"},
        {"source": "other"},
        {"destinations": ("default", "crm")},
        {"at_us": RECEIVED_AT_US + 73 * HOUR_US},
        {"duplicates": DuplicatesSettings(same_delivery=False)},
    ],
)
async def test_whatever_differs_is_a_lead_of_its_own(store: Store, other: dict[str, Any]) -> None:
    lead = like(**({"body": b"1"} | other))
    await store.absorb(a_batch(like(b"1")))
    await store.absorb(a_batch(lead))
    assert (await shown(store, lead)).disposition is Disposition.ROUTED


async def test_a_request_that_says_nothing_repeats_none(store: Store) -> None:
    first, again = like(b"", target=b"/x"), like(b"", target=b"/x")
    await store.absorb(a_batch(first, again))
    assert (await shown(store, again)).disposition is Disposition.ROUTED


async def test_the_same_fingerprint_is_not_enough(store: Store) -> None:
    def forged(body: bytes) -> NewLead:
        since_ms = RECEIVED_AT_US // 1_000 - 1
        return a_lead(
            record=a_record(body=body),
            likeness=Likeness(
                fingerprint=7, delivery_since_ms=since_ms, person_since_ms=None, across_sources=True
            ),
        )

    first, other, again = forged(b"1"), forged(b"2"), forged(b"2")
    await store.absorb(a_batch(first))
    await store.absorb(a_batch(other))
    await store.absorb(a_batch(again))
    assert (await shown(store, other)).disposition is Disposition.ROUTED
    assert (await shown(store, again)).same_delivery_as == other.record.lead_number


async def test_a_copy_is_settled_once_its_original_is_confirmed(store: Store) -> None:
    first, again = like(b"1"), like(b"1")
    await store.absorb(a_batch(first, again))

    assert (await store.settle_copies()).cancelled == 0
    assert await statuses(store, again) == [Status.HELD]
    await deliver(store)
    assert (await store.settle_copies()).cancelled == 1
    copy = await shown(store, again)
    assert [one.status for one in copy.deliveries] == [Status.CANCELLED]
    assert "which was delivered" in copy.deliveries[0].error_message
    assert (await store.settle_copies()).cancelled == 0


async def test_a_copy_waits_while_its_original_is_tried_again_or_has_failed(store: Store) -> None:
    first, again = like(b"1"), like(b"1")
    await store.absorb(a_batch(first, again))
    await deliver(store, Status.FAILED)
    assert (await store.settle_copies()).cancelled == 0
    assert await statuses(store, again) == [Status.HELD]
    assert (await shown(store, again)).disposition is Disposition.DUPLICATE


@pytest.mark.parametrize(("verb", "word"), [(Verb.HOLD, "held"), (Verb.CANCEL, "cancelled")])
async def test_a_copy_of_what_a_person_stopped_is_shown_to_a_person(
    store: Store, verb: Verb, word: str
) -> None:
    first, again = like(b"1"), like(b"1")
    await store.absorb(a_batch(first, again))
    meant = Selection(refs=(str(first.record.lead_number),))
    await store.apply(verb, meant, reason="", actor="ada")

    assert (await store.settle_copies()).shown == 1
    copy = await shown(store, again)
    assert copy.disposition is Disposition.ROUTED
    assert [one.status for one in copy.deliveries] == [Status.HELD]
    assert copy.deliveries[0].error_message.endswith(f"which is {word}")
    assert (await store.settle_copies()).shown == 0


async def test_what_repeats_a_stopped_lead_is_a_lead_of_its_own(store: Store) -> None:
    first, again = like(b"1"), like(b"1")
    await store.absorb(a_batch(first))
    await store.apply(Verb.CANCEL, EVERYTHING, reason="", actor="ada")
    await store.absorb(a_batch(again))
    assert await statuses(store, again) == [Status.PENDING]


@pytest.mark.parametrize("unlink", [True, False])
@pytest.mark.parametrize("settled", [True, False])
async def test_a_copy_is_delivered_anyway_when_a_person_says_so(
    store: Store, unlink: bool, settled: bool
) -> None:
    first, again = like(b"1"), like(b"1")
    await store.absorb(a_batch(first, again))
    if settled:
        await deliver(store)
        await store.settle_copies()

    refs = [str(again.record.lead_number), str(first.record.lead_number)]
    assert await store.deliver_anyway(refs, unlink=unlink, actor="ada") == 1
    copy = await shown(store, again)
    assert copy.disposition is Disposition.ROUTED
    assert copy.same_delivery_as == (None if unlink else first.record.lead_number)
    assert [one.status for one in copy.deliveries] == [Status.PENDING]
    await deliver(store)
    await store.settle_copies()
    assert await statuses(store, again) == [Status.COMPLETED]


async def test_a_wrong_reference_delivers_nothing(store: Store) -> None:
    with pytest.raises(UsageError):
        await store.deliver_anyway(["ada"], unlink=False, actor="ada")


ADA = Contact(name="Ada", phone="+16145550142", email="ada@example.test")


@pytest.mark.parametrize(
    ("contact", "source", "at_us", "same"),
    [
        (ADA, "default", RECEIVED_AT_US + HOUR_US, True),
        (Contact(phone=ADA.phone), "other", RECEIVED_AT_US + HOUR_US, True),
        (Contact(email=ADA.email), "default", RECEIVED_AT_US + HOUR_US, True),
        (Contact(name="Ada"), "default", RECEIVED_AT_US + HOUR_US, False),
        (ADA, "default", RECEIVED_AT_US + 31 * 24 * HOUR_US, False),
    ],
)
async def test_the_same_person_is_marked_and_delivered(
    store: Store, contact: Contact, source: str, at_us: int, same: bool
) -> None:
    first = like(b"1", contact=ADA)
    lead = like(b"2", contact=contact, source=source, at_us=at_us)
    await store.absorb(a_batch(first))
    await store.absorb(a_batch(lead))
    view = await shown(store, lead)
    assert view.same_person_as == (first.record.lead_number if same else None)
    assert await statuses(store, lead) == [Status.PENDING]


async def test_the_same_person_is_looked_for_in_one_source_if_that_is_asked(store: Store) -> None:
    only = DuplicatesSettings(across_sources=False)
    first = like(b"1", contact=ADA, duplicates=only)
    elsewhere = like(b"2", contact=ADA, source="other", duplicates=only)
    lead = like(b"3", contact=ADA, duplicates=only)
    await store.absorb(a_batch(first))
    await store.absorb(a_batch(elsewhere))
    await store.absorb(a_batch(lead))
    assert (await shown(store, elsewhere)).same_person_as is None
    assert (await shown(store, lead)).same_person_as == first.record.lead_number


async def test_certificates_that_run_out_while_their_lead_waits_are_counted(store: Store) -> None:
    ends = [1_000, 2_000, 3_000]
    leads = [a_lead(certificate_expires_at_ms=at, record=a_record(body=b"%d" % at)) for at in ends]
    await store.absorb(a_batch(*leads))
    at_stake = await store.certificates_at_stake(now_ms=1_500, before_ms=2_500)
    assert (at_stake.leads, at_stake.first_at_ms) == (1, 2_000)
    soon = Selection(certificate_before_ms=2_500)
    assert len(await store.find(soon, limit=10)) == 2
    await deliver(store)
    assert (await store.certificates_at_stake(now_ms=0, before_ms=9_000)).leads == 0


@settings(max_examples=100, deadline=None)
@given(
    st.binary(max_size=20), st.binary(max_size=20), st.binary(max_size=20), st.binary(max_size=20)
)
def test_parts_that_run_into_each_other_are_told_apart(
    body: bytes, target: bytes, other_body: bytes, other_target: bytes
) -> None:
    one, other = (
        likeness_of(
            a_record(body=b"x" + a_body, target=a_target), ("default",), DuplicatesSettings()
        )
        for a_body, a_target in ((body, target), (other_body, other_target))
    )
    assert one is not None
    assert other is not None
    same = (body, target) == (other_body, other_target)
    assert (one.fingerprint == other.fingerprint) is same
