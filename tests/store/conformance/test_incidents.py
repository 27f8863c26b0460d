"""Incidents and what people are told of them, whatever the engine."""

import asyncio

import msgspec
import pytest

from leadkeep.errors import NotFound
from leadkeep.models import Incident, IncidentStep, Notice, Outbox, Problem, Refused
from leadkeep.states import Status
from leadkeep.store.base import Store
from tests.fakes.clock import FakeClock
from tests.store.builders import a_batch, a_lead, an_outcome
from tests.store.conftest import OpenStore

DAY = 86_400
LEASE = {"limit": 10, "lease_ms": 60_000, "longest_wait_ms": 7_200_000}


def new_incident(clock: FakeClock, subject: str = "crm") -> Incident:
    now_ms = clock.now_us() // 1_000
    found = Problem(
        kind="refused",
        subject=subject,
        urgent=True,
        what=f"{subject} refuses 3 leads",
        safe="Yes.",
        since_ms=now_ms,
        measured="3 leads",
        threshold="none",
        command=("status",),
    )
    return Incident(incident_id=0, version=0, problem=found, fired_at_ms=now_ms, seen_at_ms=now_ms)


def fires(incident: Incident) -> IncidentStep:
    told = msgspec.structs.replace(incident, told=incident.told + 1, told_at_ms=incident.seen_at_ms)
    return IncidentStep(told, Notice(word="FIRING", incident=told))


async def refuse(store: Store, number: int, **outcome: object) -> None:
    """Have so many leads tried and refused as they are."""
    claims = await store.claim(
        "default", limit=number, lease_ms=60_000, longest_wait_ms=900_000, worker="test"
    )
    wanted = {
        "needs_mending": True,
        "error_class": "http_422",
        "next_attempt_at_ms": 1_786_802_450_000,
        **outcome,
    }
    await store.record([an_outcome(claim, Status.PENDING, **wanted) for claim in claims])


async def test_leads_that_are_refused_as_they_are_are_counted_by_destination(store: Store) -> None:
    await store.absorb(a_batch(*(a_lead() for _ in range(3)), a_lead(destinations=("erp",))))
    assert await store.refused() == []
    await refuse(store, 2, started_at_ms=1_786_802_450_000)
    assert await store.refused() == [Refused("default", 2, 1_786_802_450_000, "http_422")]


async def test_the_class_told_is_that_of_the_newest_refusal(store: Store, clock: FakeClock) -> None:
    await store.absorb(a_batch(a_lead(), a_lead()))
    await refuse(store, 1, error_class="http_400")
    await refuse(store, 1, error_class="http_422")
    (refused,) = await store.refused()
    assert (refused.deliveries, refused.error_class) == (2, "http_422")


@pytest.mark.parametrize(
    ("status", "more"),
    [
        (Status.COMPLETED, {}),
        (Status.FAILED, {}),
        (Status.PENDING, {"needs_mending": False, "error_class": "http_503"}),
    ],
)
async def test_a_lead_is_refused_only_while_its_last_try_says_so(
    store: Store, clock: FakeClock, status: Status, more: dict[str, object]
) -> None:
    await store.absorb(a_batch(a_lead()))
    await refuse(store, 1)
    clock.advance(DAY)
    (claim,) = await store.claim(
        "default", limit=1, lease_ms=60_000, longest_wait_ms=900_000, worker="test"
    )
    assert len(await store.refused()) == 1, "it is being tried, and nothing is known yet"
    await store.record([an_outcome(claim, status, **more)])
    assert await store.refused() == []


async def test_a_cancelled_lead_is_not_refused(store: Store) -> None:
    from leadkeep.models import Selection
    from leadkeep.states import Verb

    await store.absorb(a_batch(a_lead()))
    await refuse(store, 1)
    await store.apply(Verb.CANCEL, Selection(everything=True), reason="", actor="test")
    assert await store.refused() == []


async def test_an_incident_and_its_notice_are_remembered(
    open_store: OpenStore, clock: FakeClock
) -> None:
    store = await open_store()
    assert await store.note_incidents([fires(new_incident(clock))]) == 1
    again = await open_store()
    (incident,) = await again.incidents(resolved_since_ms=clock.now_us() // 1_000)
    assert (incident.version, incident.told) == (1, 1)
    assert incident == await again.incident(incident.incident_id)
    (queued,) = await again.claim_notices(**LEASE)
    assert queued.notice.word == "FIRING"
    assert queued.notice.incident.incident_id == incident.incident_id
    assert queued.attempts == 0


async def test_one_that_nobody_has_is_said_to_be_missing(store: Store) -> None:
    with pytest.raises(NotFound, match="no incident 7"):
        await store.incident(7)


async def test_of_several_who_see_the_same_one_tells_it(
    open_store: OpenStore, clock: FakeClock
) -> None:
    stores = [await open_store() for _ in range(4)]
    taken = await asyncio.gather(
        *(store.note_incidents([fires(new_incident(clock))]) for store in stores)
    )
    assert sorted(taken) == [0, 0, 0, 1]
    assert len(await stores[0].claim_notices(**LEASE)) == 1


async def test_a_change_is_based_on_what_was_looked_at(store: Store, clock: FakeClock) -> None:
    await store.note_incidents([IncidentStep(new_incident(clock))])
    (seen,) = await store.incidents(resolved_since_ms=0)
    acknowledged = msgspec.structs.replace(
        seen, acknowledged_at_ms=seen.seen_at_ms, acknowledged_by="a person"
    )
    assert await store.note_incidents([IncidentStep(acknowledged)]) == 1
    assert await store.note_incidents([fires(seen)]) == 0
    assert await store.claim_notices(**LEASE) == []
    (now,) = await store.incidents(resolved_since_ms=0)
    assert (now.version, now.acknowledged_by) == (2, "a person")


async def test_what_is_over_stays_over_and_may_come_again(store: Store, clock: FakeClock) -> None:
    await store.note_incidents([IncidentStep(new_incident(clock))])
    (first,) = await store.incidents(resolved_since_ms=0)
    now_ms = clock.now_us() // 1_000
    over = msgspec.structs.replace(first, resolved_at_ms=now_ms)
    await store.note_incidents([IncidentStep(over)])
    late = msgspec.structs.replace(over, version=2, resolved_at_ms=None)
    assert await store.note_incidents([IncidentStep(late)]) == 0
    assert await store.note_incidents([IncidentStep(new_incident(clock))]) == 1
    assert [one.is_open for one in await store.incidents(resolved_since_ms=now_ms)] == [True, False]
    assert len(await store.incidents(resolved_since_ms=now_ms + 1)) == 1


async def test_a_notice_is_claimed_by_one_sender_until_it_is_over_with_it(
    open_store: OpenStore, clock: FakeClock
) -> None:
    store, other = await open_store(), await open_store()
    await store.note_incidents([fires(new_incident(clock)), fires(new_incident(clock, "erp"))])
    claimed = await store.claim_notices(**LEASE)
    assert [queued.notice.incident.problem.subject for queued in claimed] == ["crm", "erp"]
    assert await other.claim_notices(**LEASE) == []
    clock.advance(seconds=61)
    again = await other.claim_notices(**LEASE)
    assert [queued.attempts for queued in again] == [1, 1]


async def test_senders_that_claim_at_the_same_moment_share_the_notices(
    open_store: OpenStore, clock: FakeClock
) -> None:
    senders = [await open_store() for _ in range(4)]
    for turn in range(10):
        names = [f"crm{turn}-{number}" for number in range(20)]
        await senders[0].note_incidents([fires(new_incident(clock, name)) for name in names])
        claimed = await asyncio.gather(
            *(sender.claim_notices(**{**LEASE, "limit": 20}) for sender in senders)
        )
        told = [queued.notice.incident.problem.subject for some in claimed for queued in some]
        assert sorted(told) == sorted(names)


async def test_one_that_was_sent_is_not_sent_again(store: Store, clock: FakeClock) -> None:
    await store.note_incidents([fires(new_incident(clock))])
    (queued,) = await store.claim_notices(**LEASE)
    await store.notices_sent([queued.notice_id])
    clock.advance(DAY)
    assert await store.claim_notices(**LEASE) == []
    assert await store.outbox() == Outbox()


async def test_one_that_was_not_is_due_again_later_and_says_why(
    store: Store, clock: FakeClock
) -> None:
    await store.note_incidents([fires(new_incident(clock))])
    (queued,) = await store.claim_notices(**LEASE)
    later_ms = clock.now_us() // 1_000 + 30_000
    await store.notices_unsent([queued.notice_id], error="it hangs", next_try_at_ms=later_ms)
    assert await store.claim_notices(**LEASE) == []
    outbox = await store.outbox()
    assert (outbox.waiting, outbox.last_error) == (1, "it hangs")
    clock.advance(seconds=30)
    assert len(await store.claim_notices(**LEASE)) == 1


async def test_a_clock_that_went_back_does_not_keep_notices_back(
    store: Store, clock: FakeClock
) -> None:
    await store.note_incidents([fires(new_incident(clock))])
    (queued,) = await store.claim_notices(**LEASE)
    far_ms = clock.now_us() // 1_000 + 10 * 86_400_000
    await store.notices_unsent([queued.notice_id], error="", next_try_at_ms=far_ms)
    assert len(await store.claim_notices(**LEASE)) == 1


async def test_old_incidents_are_forgotten_once_they_were_told_to_the_end(
    store: Store, clock: FakeClock
) -> None:
    steps = [IncidentStep(new_incident(clock)), fires(new_incident(clock, "erp"))]
    await store.note_incidents(steps)
    for one in await store.incidents(resolved_since_ms=0):
        over = msgspec.structs.replace(one, resolved_at_ms=one.seen_at_ms)
        await store.note_incidents([IncidentStep(over)])
    clock.advance(91 * DAY)
    await store.note_incidents([])
    left = await store.incidents(resolved_since_ms=0)
    assert [one.problem.subject for one in left] == ["erp"], "people have not heard of it yet"
    (queued,) = await store.claim_notices(**LEASE)
    await store.notices_sent([queued.notice_id])
    await store.note_incidents([])
    assert await store.incidents(resolved_since_ms=0) == []
