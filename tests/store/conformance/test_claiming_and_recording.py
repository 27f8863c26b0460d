"""One claim wins, each outcome is recorded, and only the latest claim moves a delivery."""

import asyncio

import msgspec
import pytest

from leadkeep.errors import StoreError
from leadkeep.models import Claim, Outcome, Selection
from leadkeep.states import Status, Verb
from leadkeep.store.base import Store
from tests.fakes.clock import FakeClock
from tests.store.builders import a_batch, a_lead, a_record, an_outcome
from tests.store.conftest import OpenStore

EVERYTHING = Selection(everything=True)
A_STRANGER = "00000000-0000-7000-8000-000000000001"
LEASE_MS = 60_000
LONGEST_WAIT_MS = 900_000


async def claim(store: Store, destination: str = "default", limit: int = 64) -> list[Claim]:
    return await store.claim(
        destination,
        limit=limit,
        lease_ms=LEASE_MS,
        longest_wait_ms=LONGEST_WAIT_MS,
        worker="worker-1",
    )


async def claim_one(store: Store) -> Claim:
    (only,) = await claim(store)
    return only


async def status(store: Store) -> Status:
    (delivery,) = await store.find(EVERYTHING, limit=2)
    return delivery.status


async def test_a_claim_has_all_that_an_attempt_needs(store: Store) -> None:
    record = a_record(body=b"\x00raw", target=b"/x?y", headers=b"A: b\r\n", method="PATCH")
    await store.absorb(a_batch(a_lead(record=record)))

    found = await claim_one(store)

    assert found.destination == "default"
    assert (found.fence, found.attempt, found.first_attempt_at_ms) == (1, 1, None)
    assert found.lead_number == record.lead_number
    assert found.lead_id.replace("-", "") == record.lead_id.hex()
    assert found.source == "default"
    assert found.received_at_ms == record.received_at_us // 1_000
    assert (found.method, found.target, found.headers, found.body) == (
        "PATCH",
        b"/x?y",
        b"A: b\r\n",
        b"\x00raw",
    )
    assert await status(store) is Status.PROCESSING


async def test_what_is_claimed_is_not_claimed_again(store: Store, open_store: OpenStore) -> None:
    await store.absorb(a_batch(*(a_lead() for _ in range(50))))
    other = await open_store()

    rounds = await asyncio.gather(*(claim(one, limit=10) for one in (store, other) * 4))

    ids = [found.delivery_id for one in rounds for found in one]
    assert len(ids) == 50
    assert len(set(ids)) == 50


async def test_a_claim_takes_at_most_its_limit_and_only_its_destination(store: Store) -> None:
    await store.absorb(a_batch(*(a_lead(destinations=("crm",)) for _ in range(5)), a_lead()))
    assert len(await claim(store, "crm", limit=3)) == 3
    assert len(await claim(store, "crm", limit=3)) == 2
    assert len(await claim(store, "crm")) == 0
    assert len(await claim(store)) == 1


async def test_a_claim_of_large_leads_stops_before_memory_does(store: Store) -> None:
    large = b"x" * (9 * 1024 * 1024)
    await store.absorb(a_batch(*(a_lead(body=large) for _ in range(6))))
    first = await claim(store)
    assert 1 <= len(first) < 6
    assert len(first) + len(await claim(store)) == 6


async def test_the_oldest_due_comes_first(store: Store, clock: FakeClock) -> None:
    await store.absorb(a_batch(a_lead(), a_lead(), a_lead()))
    first, second, third = await claim(store)
    for found, seconds in ((first, 30), (second, 10), (third, 20)):
        due_at_ms = clock.now_ms + seconds * 1_000
        await store.record([an_outcome(found, Status.PENDING, next_attempt_at_ms=due_at_ms)])
    clock.advance(60)
    order = [found.delivery_id for found in await claim(store)]
    assert order == [second.delivery_id, third.delivery_id, first.delivery_id]


async def test_what_is_not_due_is_not_claimed(store: Store, clock: FakeClock) -> None:
    await store.absorb(a_batch(a_lead()))
    found = await claim_one(store)
    due_at_ms = clock.now_ms + 5_000
    await store.record([an_outcome(found, Status.PENDING, next_attempt_at_ms=due_at_ms)])

    assert await claim(store) == []
    assert await store.next_due_at_ms("default") == due_at_ms
    clock.advance(5)
    assert len(await claim(store)) == 1
    assert await store.next_due_at_ms("default") is None


async def test_what_is_due_further_off_than_any_wait_is_due_now(
    store: Store, clock: FakeClock
) -> None:
    await store.absorb(a_batch(a_lead()))
    clock.jump(-10 * 365 * 86_400)
    assert len(await claim(store)) == 1


async def test_a_held_destination_gives_nothing_until_it_is_resumed(store: Store) -> None:
    await store.absorb(a_batch(a_lead()))
    await store.hold_destination("default", reason="maintenance", actor="ada")
    assert await claim(store) == []
    assert await store.next_due_at_ms("default") is None
    (view,) = await store.destinations()
    assert (view.held, view.hold_reason) == (True, "maintenance")

    await store.resume_destination("default", actor="ada")

    assert len(await claim(store)) == 1
    (view,) = await store.destinations()
    assert (view.held, view.hold_reason) == (False, "")


async def test_a_success_completes_and_says_when(store: Store, clock: FakeClock) -> None:
    await store.absorb(a_batch(a_lead()))
    found = await claim_one(store)
    clock.advance(2)

    (recorded,) = await store.record([an_outcome(found)])

    assert (recorded.stale, recorded.status) == (False, Status.COMPLETED)
    (delivery,) = await store.find(EVERYTHING, limit=2)
    assert delivery.processed_at_ms == clock.now_ms
    assert delivery.updated_at_ms == clock.now_ms
    assert delivery.next_attempt_at_ms is None
    assert delivery.error_message == ""
    assert delivery.attempts == 1


async def test_a_failure_waits_for_its_next_try_and_says_why(
    store: Store, clock: FakeClock
) -> None:
    await store.absorb(a_batch(a_lead()))
    outcome = an_outcome(
        await claim_one(store), Status.PENDING, next_attempt_at_ms=clock.now_ms, started_at_ms=77
    )
    (recorded,) = await store.record([outcome])

    assert (recorded.stale, recorded.status) == (False, Status.PENDING)
    (delivery,) = await store.find(EVERYTHING, limit=2)
    assert delivery.error_message == "the destination answered 503"
    again = await claim_one(store)
    assert (again.fence, again.attempt, again.first_attempt_at_ms) == (2, 2, 77)
    later = an_outcome(again, Status.PENDING, next_attempt_at_ms=clock.now_ms, started_at_ms=99)
    await store.record([later])
    assert (await claim_one(store)).first_attempt_at_ms == 77


async def test_giving_up_leaves_it_to_a_person(store: Store) -> None:
    await store.absorb(a_batch(a_lead()))
    await store.record([an_outcome(await claim_one(store), Status.FAILED)])
    assert await status(store) is Status.FAILED
    assert await claim(store) == []


async def test_each_try_is_kept_with_its_reply(store: Store, clock: FakeClock) -> None:
    await store.absorb(a_batch(a_lead()))
    found = await claim_one(store)
    await store.record([an_outcome(found, Status.PENDING, next_attempt_at_ms=clock.now_ms)])
    await store.record([an_outcome(await claim_one(store))])

    lead = await store.lead(found.lead_id)

    first, second = lead.attempts[found.delivery_id]
    assert (first.attempt, first.outcome, first.error_class) == (1, "pending", "http_503")
    assert (first.response_status, first.response_body) == (503, b"busy")
    assert (second.attempt, second.outcome, second.duration_ms) == (2, "completed", 12)


async def test_many_outcomes_are_recorded_in_the_order_given(
    store: Store, clock: FakeClock
) -> None:
    await store.absorb(a_batch(*(a_lead() for _ in range(6))))
    claims = await claim(store)
    ends = [Status.COMPLETED, Status.PENDING, Status.FAILED] * 2
    outcomes = [
        an_outcome(found, end, next_attempt_at_ms=clock.now_ms if end is Status.PENDING else None)
        for found, end in zip(claims, ends, strict=True)
    ]
    recorded = await store.record(outcomes)
    assert [one.status for one in recorded] == ends
    assert [one.delivery_id for one in recorded] == [one.delivery_id for one in claims]
    counts = await store.counts()
    assert (counts[Status.COMPLETED], counts[Status.PENDING], counts[Status.FAILED]) == (2, 2, 2)


async def test_the_same_outcome_twice_is_one_try(store: Store, clock: FakeClock) -> None:
    await store.absorb(a_batch(a_lead()))
    found = await claim_one(store)
    failure = an_outcome(found, Status.PENDING, next_attempt_at_ms=clock.now_ms)
    await store.record([failure])

    (again,) = await store.record([an_outcome(found)])

    assert again.status is Status.PENDING
    lead = await store.lead(found.lead_id)
    assert len(lead.attempts[found.delivery_id]) == 1


async def test_when_an_outcome_was_recorded_is_told_and_stays_so_if_it_comes_twice(
    store: Store, clock: FakeClock
) -> None:
    await store.absorb(a_batch(a_lead()))
    found = await claim_one(store)
    done = an_outcome(found, started_at_ms=clock.now_ms)
    clock.advance(7)
    (recorded,) = await store.record([done])
    clock.advance(7)
    (again,) = await store.record([done])

    (delivery,) = await store.find(EVERYTHING, limit=2)
    assert recorded.at_ms == again.at_ms == delivery.processed_at_ms == clock.now_ms - 7_000


async def test_an_outcome_of_another_lead_changes_nothing(store: Store) -> None:
    """The store was set back: what was this delivery's number is another lead's now."""
    await store.absorb(a_batch(a_lead()))
    claimed = await claim_one(store)
    other = msgspec.structs.replace(an_outcome(claimed), lead_id=A_STRANGER)
    with pytest.raises(StoreError, match=A_STRANGER):
        await store.record([other])
    assert (await store.counts())[Status.COMPLETED] == 0
    await store.record([an_outcome(claimed)])
    assert (await store.counts())[Status.COMPLETED] == 1


@pytest.mark.parametrize(
    "outcome",
    [
        an_outcome(Claim(404, 1, "x", 1, None, A_STRANGER, 0, "", 0, "", b"", b"", b"")),
        Outcome(1, 1, A_STRANGER, 1, Status.HELD, 0, 0, None, "", "", None, b"", b""),
        Outcome(1, 1, A_STRANGER, 1, Status.PENDING, 0, 0, None, "", "", None, b"", b""),
    ],
    ids=["of no delivery", "that ends held", "without a next try"],
)
async def test_an_outcome_that_makes_no_sense_is_refused(store: Store, outcome: Outcome) -> None:
    await store.absorb(a_batch(a_lead()))
    await claim_one(store)
    with pytest.raises(StoreError):
        await store.record([outcome])
    assert await status(store) is Status.PROCESSING


# ---------------------------------------------------------------- leases


async def test_a_released_claim_was_no_try(store: Store) -> None:
    await store.absorb(a_batch(a_lead(), a_lead()))
    claims = await claim(store)
    assert await store.release(claims) == 2
    assert await store.release(claims) == 0
    again = await claim(store)
    assert [found.attempt for found in again] == [1, 1]
    assert [found.fence for found in again] == [2, 2]


async def test_a_lease_that_ran_out_is_rescued(store: Store, clock: FakeClock) -> None:
    await store.absorb(a_batch(a_lead()))
    await claim_one(store)
    clock.advance(LEASE_MS / 1_000 - 1)
    assert await store.rescue() == 0
    clock.advance(1)
    assert await store.rescue() == 1
    assert await status(store) is Status.PENDING
    assert (await claim_one(store)).attempt == 2


async def test_a_lease_of_another_boot_is_rescued_at_once(store: Store, clock: FakeClock) -> None:
    await store.absorb(a_batch(a_lead()))
    await claim_one(store)
    clock.reboot()
    assert await store.rescue() == 1


@pytest.mark.parametrize("days", [-3_650, -1, 1, 3_650])
async def test_a_jump_of_the_clock_ends_no_lease(store: Store, clock: FakeClock, days: int) -> None:
    await store.absorb(a_batch(a_lead()))
    found = await claim_one(store)
    clock.jump(days * 86_400)
    assert await store.rescue() == 0
    assert await store.renew([found], lease_ms=LEASE_MS) == []


async def test_a_renewed_lease_lasts_longer(store: Store, clock: FakeClock) -> None:
    await store.absorb(a_batch(a_lead()))
    found = await claim_one(store)
    clock.advance(50)
    assert await store.renew([found], lease_ms=LEASE_MS) == []
    clock.advance(50)
    assert await store.rescue() == 0
    clock.advance(11)
    assert await store.rescue() == 1
    assert await store.renew([found], lease_ms=LEASE_MS) == [found]


async def test_thousands_of_leases_are_rescued_in_one_call(store: Store, clock: FakeClock) -> None:
    await store.absorb(a_batch(*(a_lead() for _ in range(1_100))))
    assert len(await claim(store, limit=1_100)) == 1_100
    clock.reboot()
    assert await store.rescue() == 1_100


# ---------------------------------------------------------------- the stale worker


async def test_a_stale_workers_failure_does_not_overwrite_a_later_claim(
    store: Store, clock: FakeClock
) -> None:
    await store.absorb(a_batch(a_lead()))
    old = await claim_one(store)
    clock.advance(LEASE_MS / 1_000)
    await store.rescue()
    new = await claim_one(store)

    (stale,) = await store.record([an_outcome(old, Status.FAILED)])

    assert (stale.stale, stale.status) == (True, Status.PROCESSING)
    assert await store.release([old]) == 0
    assert await store.renew([old], lease_ms=1) == [old]
    (fresh,) = await store.record([an_outcome(new)])
    assert (fresh.stale, fresh.status) == (False, Status.COMPLETED)
    lead = await store.lead(old.lead_id)
    assert [one.outcome for one in lead.attempts[old.delivery_id]] == ["failed", "completed"]


async def test_a_stale_success_does_not_complete_what_another_has_claimed(
    store: Store, clock: FakeClock
) -> None:
    await store.absorb(a_batch(a_lead()))
    old = await claim_one(store)
    clock.advance(LEASE_MS / 1_000)
    await store.rescue()
    new = await claim_one(store)

    (stale,) = await store.record([an_outcome(old)])

    assert (stale.stale, stale.status) == (True, Status.PROCESSING)
    (recorded,) = await store.record([an_outcome(new, Status.FAILED)])
    assert recorded.status is Status.FAILED


async def test_a_late_success_completes_what_nobody_has_claimed_since(
    store: Store, clock: FakeClock
) -> None:
    await store.absorb(a_batch(a_lead()))
    found = await claim_one(store)
    clock.advance(LEASE_MS / 1_000)
    await store.rescue()

    (late,) = await store.record([an_outcome(found)])

    assert (late.stale, late.status) == (True, Status.COMPLETED)
    assert await claim(store) == []


async def test_a_late_success_completes_what_a_person_has_held(
    store: Store, clock: FakeClock
) -> None:
    await store.absorb(a_batch(a_lead()))
    found = await claim_one(store)
    clock.advance(LEASE_MS / 1_000)
    await store.rescue()
    await store.apply(Verb.HOLD, EVERYTHING, reason="look", actor="ada")
    (late,) = await store.record([an_outcome(found)])
    assert late.status is Status.COMPLETED


async def test_a_late_success_leaves_what_a_person_has_cancelled(
    store: Store, clock: FakeClock
) -> None:
    await store.absorb(a_batch(a_lead()))
    found = await claim_one(store)
    clock.advance(LEASE_MS / 1_000)
    await store.rescue()
    await store.apply(Verb.CANCEL, EVERYTHING, reason="", actor="ada")
    (late,) = await store.record([an_outcome(found)])
    assert (late.stale, late.status) == (True, Status.CANCELLED)
    lead = await store.lead(found.lead_id)
    assert len(lead.attempts[found.delivery_id]) == 1


async def test_a_late_failure_is_recorded_and_moves_nothing(store: Store, clock: FakeClock) -> None:
    await store.absorb(a_batch(a_lead()))
    found = await claim_one(store)
    clock.advance(LEASE_MS / 1_000)
    await store.rescue()
    (late,) = await store.record([an_outcome(found, Status.FAILED)])
    assert (late.stale, late.status) == (True, Status.PENDING)
