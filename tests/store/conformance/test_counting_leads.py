"""Each lead is counted once, where it stands, under the segment it came from."""

import itertools
from collections.abc import Sequence
from uuid import UUID, uuid4

import pytest

from leadkeep.models import NewLead, Selection
from leadkeep.states import URGENCY, Disposition, LeadClass, Status, Verb
from leadkeep.store.base import Store
from leadkeep.store.census import AbsorbedLead, Cell
from tests.store.builders import (
    RECEIVED_AT_US,
    a_batch,
    a_lead,
    a_probe,
    a_quarantined_lead,
    an_outcome,
)

DAY_US = 86_400_000_000
TODAY = Cell("2026-08-15", "default")
DESTINATIONS = ("first", "second")


async def bring(store: Store, lead: NewLead, statuses: Sequence[Status]) -> None:
    """Bring a lead's deliveries, one for each destination, into these statuses."""
    ref = str(UUID(bytes=lead.record.lead_id))
    for destination, status in zip(lead.destinations, statuses, strict=True):
        this = Selection(refs=(ref,), destinations=(destination,))
        if status is Status.HELD:
            await store.apply(Verb.HOLD, this, reason="test", actor="test")
        elif status is Status.CANCELLED:
            await store.apply(Verb.CANCEL, this, reason="test", actor="test")
        elif status is not Status.PENDING:
            claims = await store.claim(
                destination, limit=9, lease_ms=9_000, longest_wait_ms=9_000, worker="test"
            )
            (claim,) = [one for one in claims if one.lead_id == ref]
            await store.release([one for one in claims if one.lead_id != ref])
            if status is not Status.PROCESSING:
                await store.record([an_outcome(claim, status)])


def test_every_status_has_its_class_and_the_order_is_the_documented_one() -> None:
    assert [status.value for status in URGENCY] == [one.value for one in URGENCY.values()]
    assert list(URGENCY) == [
        Status.FAILED,
        Status.HELD,
        Status.PENDING,
        Status.PROCESSING,
        Status.COMPLETED,
        Status.CANCELLED,
    ]
    assert {*URGENCY.values(), LeadClass.DUPLICATE, LeadClass.ERASED} == set(LeadClass)


@pytest.mark.parametrize("statuses", list(itertools.product(Status, repeat=2)))
async def test_a_lead_is_where_the_first_of_its_deliveries_is(
    store: Store, statuses: tuple[Status, ...]
) -> None:
    lead = a_lead(destinations=DESTINATIONS)
    await store.absorb(a_batch(lead))
    await bring(store, lead, statuses)
    expected = next(one for status, one in URGENCY.items() if status in statuses)
    assert (await store.census()).classes == {TODAY: {expected: 1}}


async def test_leads_are_counted_by_segment_day_and_source(store: Store) -> None:
    one, other = uuid4(), uuid4()
    tomorrow = RECEIVED_AT_US + DAY_US
    await store.absorb(a_batch(a_lead(), a_lead(), a_quarantined_lead(source=""), segment=one))
    await store.absorb(
        a_batch(a_lead(), a_lead(received_at_us=tomorrow), segment=other, finished=True)
    )
    census = await store.census()
    assert census.leads == {
        one: {TODAY: 2, Cell("2026-08-15", ""): 1},
        other: {TODAY: 1, Cell("2026-08-16", "default"): 1},
    }
    assert census.classes == {
        TODAY: {LeadClass.PENDING: 3},
        Cell("2026-08-15", ""): {LeadClass.HELD: 1},
        Cell("2026-08-16", "default"): {LeadClass.PENDING: 1},
    }
    assert {uuid: known.finished for uuid, known in census.segments.items()} == {
        one: False,
        other: True,
    }
    assert census.without_delivery == {}
    stored = await store.stored_segment(other)
    assert (stored.finished, stored.leads) == (True, census.leads[other])


async def test_the_day_is_the_utc_day_to_the_millisecond(store: Store) -> None:
    midnight = RECEIVED_AT_US // DAY_US * DAY_US
    await store.absorb(a_batch(*(a_lead(received_at_us=midnight + n) for n in (-1, 0, 999))))
    assert (await store.census()).classes == {
        Cell("2026-08-14", "default"): {LeadClass.PENDING: 1},
        TODAY: {LeadClass.PENDING: 2},
    }


@pytest.mark.parametrize("disposition", [Disposition.DUPLICATE, Disposition.ERASED])
@pytest.mark.parametrize("status", [Status.PENDING, Status.COMPLETED, Status.CANCELLED])
async def test_what_a_lead_itself_is_comes_before_its_deliveries(
    store: Store, disposition: Disposition, status: Status
) -> None:
    lead = a_lead(disposition=disposition)
    await store.absorb(a_batch(lead, a_lead(destinations=("second",))))
    await bring(store, lead, [status])
    expected = {LeadClass(disposition): 1, LeadClass.PENDING: 1}
    assert (await store.census()).classes == {TODAY: expected}


async def test_notices_are_no_leads(store: Store) -> None:
    await store.absorb(a_batch(notices=(a_probe(),)))
    census = await store.census()
    assert (census.leads, census.classes) == ({}, {})
    assert len(census.segments) == 1


async def test_an_empty_store_and_an_unknown_segment_hold_nothing(store: Store) -> None:
    census = await store.census()
    assert (census.segments, census.leads, census.classes) == ({}, {}, {})
    stored = await store.stored_segment(uuid4())
    assert (stored.finished, stored.leads) == (False, {})


async def test_a_lead_is_found_under_the_segment_that_was_absorbed_first(store: Store) -> None:
    first, second = uuid4(), uuid4()
    lead, own = a_lead(), a_lead()
    await store.absorb(a_batch(lead, segment=first))
    await store.absorb(a_batch(lead, own, segment=second))
    ids = [lead.record.lead_id, own.record.lead_id, bytes(16)]
    assert await store.whereabouts(ids) == {ids[0]: first, ids[1]: second}
    assert await store.whereabouts([]) == {}
    assert (await store.census()).leads == {first: {TODAY: 1}, second: {TODAY: 1}}


async def test_any_number_of_leads_is_looked_up(store: Store) -> None:
    leads = [a_lead() for _ in range(3)]
    await store.absorb(a_batch(*leads))
    ids = [lead.record.lead_id for lead in leads]
    many = [number.to_bytes(16, "big") for number in range(12_000)]
    assert (await store.whereabouts([*ids[:2], *many, ids[2]])).keys() == set(ids)


async def test_leads_of_some_groups_are_told(store: Store) -> None:
    segment = uuid4()
    for number in range(3):
        at = number * 4096
        await store.absorb(a_batch(a_lead(), segment=segment, expected_offset=at))
    assert await store.leads_of_groups(segment, 4096, 8192) == {TODAY: 1}
    assert await store.leads_of_groups(segment, 0, 8192) == {TODAY: 2}
    assert await store.leads_of_groups(segment, 12_288, 99_999) == {}
    assert await store.leads_of_groups(uuid4(), 0, 99_999) == {}


async def test_leads_of_some_groups_are_told_one_by_one(store: Store) -> None:
    segment = uuid4()
    leads = [a_lead(), a_lead(), a_lead(acknowledged=False)]
    for number, lead in enumerate(leads):
        await store.absorb(a_batch(lead, segment=segment, expected_offset=number * 4096))
    ids = [lead.record.lead_id for lead in leads]
    (second, third) = await store.absorbed_leads(segment, 4096, 99_999)
    assert second == AbsorbedLead(ids[1], TODAY, 200, 4096, True)
    assert third == AbsorbedLead(ids[2], TODAY, 200, 8192, False)
    assert await store.absorbed_leads(segment, 4097, 8192) == []
    assert await store.absorbed_leads(uuid4(), 0, 99_999) == []
