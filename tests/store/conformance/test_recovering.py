"""A log says where deliveries stood: they stand there, by allowed moves, and nothing else moves."""

from typing import Any
from uuid import UUID

import pytest

from leadkeep.models import NewLead, Replayed, Selection, Standing
from leadkeep.states import Disposition, Status, Verb
from leadkeep.store.base import Store
from tests.fakes.clock import FakeClock
from tests.store.builders import a_batch, a_lead, a_quarantined_lead, an_outcome

EVERYTHING = Selection(everything=True)
LOGGED = [Status.COMPLETED, Status.PENDING, Status.FAILED, Status.HELD, Status.CANCELLED]


def a_standing(lead: NewLead, status: Status, **overrides: Any) -> Standing:
    """What a log says of a lead's delivery to `default`."""
    values: dict[str, Any] = {
        "lead_id": str(UUID(bytes=lead.record.lead_id)),
        "destination": "default",
        "status": status,
        "attempt": 0 if status in {Status.HELD, Status.CANCELLED} else 1,
        "at_ms": 1_000,
    }
    return Standing(**(values | overrides))


async def in_status(store: Store, lead: NewLead, status: Status) -> None:
    """The lead, absorbed, and its delivery brought to `status` by the verbs."""
    await store.absorb(a_batch(lead))
    if status in {Status.HELD, Status.CANCELLED}:
        verb = Verb.HOLD if status is Status.HELD else Verb.CANCEL
        await store.apply(verb, EVERYTHING, reason="a person's", actor="test")
    elif status is not Status.PENDING:
        (claim,) = await store.claim("default", limit=1, lease_ms=9, longest_wait_ms=9, worker="w")
        if status is not Status.PROCESSING:
            await store.record([an_outcome(claim, status)])


async def statuses(store: Store) -> list[Status]:
    return [one.status for one in await store.find(EVERYTHING, limit=9)]


@pytest.mark.parametrize("said", LOGGED)
async def test_a_fresh_delivery_goes_where_the_log_says_it_stood_however_long_ago(
    store: Store, said: Status
) -> None:
    lead = a_lead()
    await store.absorb(a_batch(lead))
    done = await store.replay([a_standing(lead, said)], lead_mark=0)
    assert done == Replayed(moved=int(said is not Status.PENDING), unknown=0)
    (delivery,) = await store.find(EVERYTHING, limit=2)
    assert delivery.status is said
    assert delivery.processed_at_ms == (1_000 if said is Status.COMPLETED else None)


@pytest.mark.parametrize("before", list(Status))
@pytest.mark.parametrize("said", LOGGED)
async def test_what_the_log_says_later_counts_from_every_status_but_completed(
    store: Store, clock: FakeClock, before: Status, said: Status
) -> None:
    lead = a_lead()
    await in_status(store, lead, before)
    mark = await store.lead_mark()
    later = a_standing(lead, said, at_ms=clock.now_ms + 1, attempt=2)
    await store.replay([later], lead_mark=mark)
    assert await statuses(store) == [Status.COMPLETED if before is Status.COMPLETED else said]


@pytest.mark.parametrize("before", [Status.FAILED, Status.HELD, Status.CANCELLED])
async def test_what_the_log_said_earlier_than_the_store_knows_changes_nothing(
    store: Store, clock: FakeClock, before: Status
) -> None:
    lead = a_lead()
    await in_status(store, lead, before)
    mark = await store.lead_mark()
    earlier = a_standing(lead, Status.PENDING, at_ms=clock.now_ms - 1)
    assert (await store.replay([earlier], lead_mark=mark)).moved == 0
    assert await statuses(store) == [before]
    (delivery,) = await store.find(EVERYTHING, limit=2)
    assert (delivery.attempts == 1) is (before is Status.FAILED)


@pytest.mark.parametrize("before", [one for one in Status if one is not Status.COMPLETED])
async def test_a_confirmation_counts_whenever_it_was(
    store: Store, clock: FakeClock, before: Status
) -> None:
    lead = a_lead()
    await in_status(store, lead, before)
    earlier = a_standing(lead, Status.COMPLETED, at_ms=clock.now_ms - 1)
    assert (await store.replay([earlier], lead_mark=await store.lead_mark())).moved == 1
    assert await statuses(store) == [Status.COMPLETED]


async def test_lines_out_of_order_end_where_the_latest_says(store: Store) -> None:
    lead = a_lead()
    await store.absorb(a_batch(lead))
    # The worker's line of a try comes a moment after the person's of what followed.
    lines = [
        a_standing(lead, Status.CANCELLED, at_ms=2_000),
        a_standing(lead, Status.PENDING, at_ms=1_000),
    ]
    await store.replay(lines, lead_mark=0)
    assert await statuses(store) == [Status.CANCELLED]


async def test_a_confirmed_delivery_stays_so_whatever_else_is_said(store: Store) -> None:
    lead = a_lead()
    await store.absorb(a_batch(lead))
    lines = [
        a_standing(lead, Status.COMPLETED, at_ms=1_000),
        a_standing(lead, Status.FAILED, at_ms=2_000, attempt=2),
        a_standing(lead, Status.CANCELLED, at_ms=3_000),
    ]
    assert await store.replay(lines, lead_mark=0) == Replayed(moved=1, unknown=0)
    (delivery,) = await store.find(EVERYTHING, limit=2)
    assert (delivery.status, delivery.processed_at_ms) == (Status.COMPLETED, 1_000)


async def test_what_was_under_way_counts_as_waiting(store: Store) -> None:
    lead = a_lead()
    await store.absorb(a_batch(lead))
    await store.replay([a_standing(lead, Status.PROCESSING)], lead_mark=0)
    assert await statuses(store) == [Status.PENDING]


async def test_a_lead_that_is_not_in_the_store_is_counted(store: Store) -> None:
    done = await store.replay([a_standing(a_lead(), Status.COMPLETED)], lead_mark=0)
    assert done == Replayed(moved=0, unknown=1)
    assert await statuses(store) == []


async def test_tries_are_known_again_each_once_and_counting_goes_on(store: Store) -> None:
    lead = a_lead()
    await store.absorb(a_batch(lead))
    lines = [
        a_standing(lead, Status.PENDING, at_ms=1_000, attempt=1),
        a_standing(lead, Status.PENDING, at_ms=2_000, attempt=2),
        a_standing(lead, Status.FAILED, at_ms=3_000, attempt=3),
    ]
    await store.replay(lines, lead_mark=0)
    await store.replay(lines, lead_mark=0)
    shown = await store.lead(str(lead.record.lead_number))
    (tries,) = shown.attempts.values()
    assert [(one.attempt, one.outcome, one.started_at_ms) for one in tries] == [
        (1, "pending", 1_000),
        (2, "pending", 2_000),
        (3, "failed", 3_000),
    ]
    await store.apply(Verb.RETRY, EVERYTHING, reason="", actor="ada")
    (claim,) = await store.claim("default", limit=1, lease_ms=9, longest_wait_ms=9, worker="w")
    assert claim.attempt == 4
    (recorded,) = await store.record([an_outcome(claim)])
    assert not recorded.stale


async def test_a_lead_that_went_elsewhere_than_it_would_now_gets_a_delivery_there(
    store: Store,
) -> None:
    lead = a_lead()
    await store.absorb(a_batch(lead))
    await store.replay([a_standing(lead, Status.COMPLETED, destination="before")], lead_mark=0)
    found = {one.destination: one.status for one in await store.find(EVERYTHING, limit=9)}
    assert found == {"default": Status.PENDING, "before": Status.COMPLETED}


async def test_a_quarantined_lead_that_was_released_belongs_where_it_went(store: Store) -> None:
    released, kept = a_quarantined_lead(), a_quarantined_lead()
    await store.absorb(a_batch(released, kept))
    lines = [
        a_standing(released, Status.COMPLETED, destination="crm"),
        a_standing(released, Status.FAILED, destination="dialer"),
    ]
    await store.replay(lines, lead_mark=0)
    shown = await store.lead(str(released.record.lead_number))
    assert shown.disposition is Disposition.ROUTED
    assert [(one.destination, one.status) for one in shown.deliveries] == [
        ("crm", Status.COMPLETED),
        ("dialer", Status.FAILED),
    ]
    (other,) = (await store.lead(str(kept.record.lead_number))).deliveries
    assert (other.destination, other.status) == (None, Status.HELD)
    assert other.error_message.startswith("no source claims")


async def test_a_lead_that_was_cancelled_in_quarantine_is_cancelled(store: Store) -> None:
    lead = a_quarantined_lead()
    await store.absorb(a_batch(lead))
    await store.replay([a_standing(lead, Status.CANCELLED, destination="")], lead_mark=0)
    assert await statuses(store) == [Status.CANCELLED]


async def test_counters_and_references_are_sound_after_a_replay(store: Store) -> None:
    leads = [a_lead() for _ in LOGGED]
    await store.absorb(a_batch(*leads, a_quarantined_lead()))
    lines = [a_standing(lead, said) for lead, said in zip(leads, LOGGED, strict=True)]
    await store.replay(lines, lead_mark=0)
    assert await store.flaws() == []


async def test_requests_are_told_as_they_are_stored_and_unknown_leads_are_not(
    store: Store,
) -> None:
    lead, quarantined = a_lead(body=b"\x00\xff", peer="192.0.2.9"), a_quarantined_lead()
    await store.absorb(a_batch(lead, quarantined))
    ids = [str(UUID(bytes=one.record.lead_id)) for one in (lead, quarantined, a_lead())]
    found = await store.requests(ids)
    assert set(found) == set(ids[:2])
    told = found[ids[0]]
    assert (told.body, told.headers, told.target) == (
        b"\x00\xff",
        lead.record.headers,
        lead.record.target,
    )
    assert (told.method, told.peer, told.lead_number) == (
        "POST",
        "192.0.2.9",
        lead.record.lead_number,
    )
    assert not told.erased
    assert found[ids[1]].quarantine_reason
    assert await store.numbers_in_use([1, told.lead_number]) == {told.lead_number}


async def test_decisions_can_be_picked_by_why_deliveries_are_held(store: Store) -> None:
    await store.absorb(a_batch(a_lead(), a_lead(), a_lead(), a_quarantined_lead()))
    one = Selection(statuses=(Status.PENDING,))
    await store.apply(Verb.HOLD, one, reason="the store was rebuilt", actor="a", limit=2)
    await store.apply(Verb.HOLD, one, reason="asked by the vendor", actor="a")
    rebuilt = Selection(held_because="was rebuilt")
    assert len(await store.find(rebuilt, limit=9)) == 2
    assert await store.apply(Verb.RESUME, rebuilt, reason="", actor="a") == 2
    assert sorted(await statuses(store)) == ["held", "held", "pending", "pending"]
