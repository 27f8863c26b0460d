"""Circuits move by compare-and-set and bar claims for all; rates hold over all who claim."""

import asyncio
from collections import deque

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from leadkeep.delivery.retry import is_refusal
from leadkeep.models import Circuit, CircuitMove, Claim, Rate, Selection
from leadkeep.states import CircuitState, Status
from leadkeep.store.base import Store
from tests.fakes.clock import FakeClock
from tests.store.builders import a_batch, a_lead, an_outcome
from tests.store.conftest import OpenStore

CLOSED, OPEN = CircuitState.CLOSED, CircuitState.OPEN
HALF_OPEN, RAMPING = CircuitState.HALF_OPEN, CircuitState.RAMPING
OPENED = CircuitMove(OPEN, due_in_ms=2_000, openings=1, reason="no connection", owner="w1")


async def claim(
    store: Store,
    *rates: Rate,
    limit: int = 100,
    probe: int | None = None,
    longest_wait_ms: int = 900_000,
) -> list[Claim]:
    return await store.claim(
        "default",
        limit=limit,
        lease_ms=60_000,
        longest_wait_ms=longest_wait_ms,
        worker="w",
        probe=probe,
        rates=rates,
    )


async def circuit(store: Store) -> Circuit:
    return (await store.circuits()).get("default", Circuit())


async def move(store: Store, new: CircuitMove) -> None:
    assert await store.move_circuit("default", (await circuit(store)).version, new)


# ---------------------------------------------------------------- circuits


async def test_a_circuit_that_never_moved_is_closed(store: Store) -> None:
    assert await store.circuits() == {}
    assert Circuit().state is CLOSED


async def test_a_moved_circuit_is_what_all_see(
    store: Store, open_store: OpenStore, clock: FakeClock
) -> None:
    other = await open_store()
    assert await store.move_circuit("default", 0, OPENED)
    clock.advance(1.5)
    assert await other.circuits() == {
        "default": Circuit(
            state=OPEN,
            version=1,
            since_ms=clock.now_ms - 1_500,
            opened_at_ms=clock.now_ms - 1_500,
            due_in_ms=500,
            openings=1,
            reason="no connection",
            owner="w1",
        )
    }


async def test_of_several_that_move_a_circuit_one_wins(store: Store, open_store: OpenStore) -> None:
    stores = [store, await open_store(), await open_store()]
    for version in range(6):
        new = OPENED if version % 2 == 0 else CircuitMove(HALF_OPEN, openings=1)
        won = await asyncio.gather(
            *(one.move_circuit("default", version, new) for one in stores * 3)
        )
        assert won.count(True) == 1
    assert (await circuit(store)).version == 6


async def test_a_move_from_a_version_that_is_past_changes_nothing(store: Store) -> None:
    await store.move_circuit("default", 0, OPENED)
    before = await circuit(store)
    for version in (0, 2, 7):
        assert not await store.move_circuit("default", version, CircuitMove(CLOSED))
    assert await circuit(store) == before


async def test_what_is_due_is_told_by_the_boot_clock(store: Store, clock: FakeClock) -> None:
    await store.move_circuit("default", 0, OPENED)
    clock.jump(-86_400)
    assert (await circuit(store)).due_in_ms == 2_000
    clock.jump(10 * 86_400)
    assert (await circuit(store)).due_in_ms == 2_000


async def test_what_another_boot_put_off_is_due(store: Store, clock: FakeClock) -> None:
    await store.move_circuit("default", 0, OPENED)
    clock.reboot()
    clock.advance(3)
    assert (await circuit(store)).due_in_ms == -3_000


async def test_nothing_is_claimed_while_a_circuit_is_open(store: Store) -> None:
    await store.absorb(a_batch(a_lead(), a_lead(destinations=("other",))))
    await store.move_circuit("default", 0, OPENED)
    assert await claim(store) == []
    assert await claim(store, probe=1) == []
    others = await store.claim(
        "other", limit=5, lease_ms=60_000, longest_wait_ms=900_000, worker="w"
    )
    assert len(others) == 1


async def test_while_half_open_only_the_probe_of_this_version_claims(store: Store) -> None:
    await store.absorb(a_batch(a_lead(), a_lead()))
    await move(store, OPENED)
    await move(store, CircuitMove(HALF_OPEN, openings=1))
    assert await claim(store) == []
    assert await claim(store, probe=1) == []
    assert len(await claim(store, probe=2, limit=1)) == 1
    # The probe was taken over.
    await move(store, CircuitMove(HALF_OPEN, openings=1))
    assert await claim(store, probe=2) == []


@pytest.mark.parametrize("state", [RAMPING, CLOSED])
async def test_what_ramps_or_is_closed_is_claimed(store: Store, state: CircuitState) -> None:
    await store.absorb(a_batch(a_lead()))
    await move(store, OPENED)
    await move(store, CircuitMove(state, ramp_limit=1 if state is RAMPING else 0))
    assert len(await claim(store)) == 1


async def test_a_probe_may_take_a_lead_that_waits_for_its_next_try(
    store: Store, clock: FakeClock
) -> None:
    await store.absorb(a_batch(a_lead()))
    (only,) = await claim(store)
    later = an_outcome(only, Status.PENDING, next_attempt_at_ms=clock.now_ms + 600_000)
    await store.record([later])
    await move(store, OPENED)
    await move(store, CircuitMove(HALF_OPEN, openings=1))
    assert len(await claim(store, probe=2, longest_wait_ms=0)) == 1


async def test_openings_and_closings_are_events(store: Store, clock: FakeClock) -> None:
    began = clock.now_ms
    await move(store, OPENED)
    await move(store, CircuitMove(HALF_OPEN, openings=1))
    await move(store, CircuitMove(OPEN, openings=2, reason="no connection"))
    await move(store, CircuitMove(HALF_OPEN, openings=2))
    clock.advance(60)
    await move(store, CircuitMove(RAMPING, openings=2, ramp_limit=1))
    await move(store, CircuitMove(OPEN, openings=3, reason="it answered 503", owner="w2"))
    await move(store, CircuitMove(RAMPING, openings=3, ramp_limit=1))
    await move(store, CircuitMove(RAMPING, openings=3, ramp_limit=2))
    clock.advance(60)
    await move(store, CircuitMove(CLOSED, owner="w3"))
    await store.move_circuit("other", 0, OPENED)

    found = await store.circuit_events("default")

    assert [(one.event, one.openings, one.reason, one.owner) for one in found] == [
        ("closed", 3, "", "w3"),
        ("reopened", 3, "it answered 503", "w2"),
        ("opened", 1, "no connection", "w1"),
    ]
    assert [one.at_ms - began for one in found] == [120_000, 60_000, 0]
    assert [one.outage_ms for one in found] == [120_000, None, None]
    assert len(await store.circuit_events()) == 4
    assert [one.destination for one in await store.circuit_events(limit=1)] == ["other"]


async def test_an_outage_is_counted_from_its_first_opening(store: Store, clock: FakeClock) -> None:
    await move(store, OPENED)
    opened_at_ms = clock.now_ms
    for state in (HALF_OPEN, OPEN, HALF_OPEN):
        clock.advance(10)
        await move(store, CircuitMove(state, openings=1))
    found = await circuit(store)
    assert found.opened_at_ms == opened_at_ms
    assert found.since_ms == clock.now_ms
    await move(store, CircuitMove(CLOSED))
    assert (await circuit(store)).opened_at_ms is None


async def test_a_person_who_resumes_a_destination_vouches_for_it(store: Store) -> None:
    await store.absorb(a_batch(a_lead()))
    await move(store, OPENED)
    await store.resume_destination("default", actor="someone")
    found = await circuit(store)
    assert (found.state, found.ramp_limit, found.owner) == (RAMPING, 1, "someone")
    assert len(await claim(store)) == 1
    await store.resume_destination("default", actor="someone")
    assert (await circuit(store)).version == found.version


async def test_resuming_what_is_closed_moves_no_circuit(store: Store) -> None:
    await store.resume_destination("default", actor="someone")
    assert await store.circuits() == {}


# ---------------------------------------------------------------- hastening


async def retried_later(store: Store, clock: FakeClock, *statuses: int | None) -> list[Claim]:
    """Leads whose try came to these, each waiting for ten minutes."""
    await store.absorb(a_batch(*(a_lead() for _ in statuses)))
    found = await claim(store)
    due_at_ms = clock.now_ms + 600_000
    await store.record(
        [
            an_outcome(
                one,
                Status.PENDING,
                started_at_ms=clock.now_ms,
                next_attempt_at_ms=due_at_ms,
                response_status=status,
            )
            for one, status in zip(found, statuses, strict=True)
        ]
    )
    return found


async def test_what_waited_in_vain_is_due_at_once(store: Store, clock: FakeClock) -> None:
    await retried_later(store, clock, None, 503, 200)
    clock.advance(1)
    assert await claim(store) == []
    assert await store.hasten("other", tried_before_ms=clock.now_ms) == 0
    assert await store.hasten("default", tried_before_ms=clock.now_ms) == 3
    assert await store.hasten("default", tried_before_ms=clock.now_ms) == 0
    assert len(await claim(store)) == 3


async def test_what_was_tried_since_keeps_its_wait(store: Store, clock: FakeClock) -> None:
    await retried_later(store, clock, 503)
    assert await store.hasten("default", tried_before_ms=clock.now_ms) == 0


async def test_what_was_refused_for_itself_keeps_its_wait(store: Store, clock: FakeClock) -> None:
    statuses = range(400, 500)
    found = await retried_later(store, clock, *statuses)
    clock.advance(1)
    await store.hasten("default", tried_before_ms=clock.now_ms)
    due = {one.delivery_id for one in await claim(store)}
    assert due == {
        one.delivery_id
        for one, status in zip(found, statuses, strict=True)
        if not is_refusal(status)
    }


async def test_what_never_failed_is_not_hastened(store: Store, clock: FakeClock) -> None:
    await store.absorb(a_batch(a_lead(), a_lead(), a_lead()))
    done, taken, _ = await claim(store)
    await store.record([an_outcome(done)])
    await store.release([taken])
    assert await store.hasten("default", tried_before_ms=clock.now_ms + 1) == 0


async def test_many_are_hastened_in_several_calls(store: Store, clock: FakeClock) -> None:
    await retried_later(store, clock, *[503] * 100)
    await store.absorb(a_batch(*(a_lead() for _ in range(50))))
    clock.advance(1)
    assert await store.hasten("default", tried_before_ms=clock.now_ms) == 100
    assert await store.find(Selection(statuses=(Status.PENDING,)), limit=1)


# ---------------------------------------------------------------- rates

PER_SECOND = Rate(10, 1_000)


async def test_a_rate_bounds_what_all_claim_together(store: Store, open_store: OpenStore) -> None:
    await store.absorb(a_batch(*(a_lead() for _ in range(40))))
    other = await open_store()
    rounds = await asyncio.gather(*(claim(one, PER_SECOND, limit=4) for one in (store, other) * 4))
    assert sum(len(one) for one in rounds) == 10
    assert await store.permits_in_ms("default", [PER_SECOND]) > 0


async def test_what_found_no_lead_uses_no_permit(store: Store) -> None:
    for _ in range(20):
        assert await claim(store, PER_SECOND) == []
    await store.absorb(a_batch(*(a_lead() for _ in range(10))))
    assert await store.permits_in_ms("default", [PER_SECOND]) == 0
    assert len(await claim(store, PER_SECOND)) == 10


async def test_permits_are_there_again_when_it_was_said(store: Store, clock: FakeClock) -> None:
    await store.absorb(a_batch(*(a_lead() for _ in range(40))))
    assert len(await claim(store, PER_SECOND, limit=3)) == 3
    clock.advance(0.5)
    assert len(await claim(store, PER_SECOND)) == 7
    wait_ms = await store.permits_in_ms("default", [PER_SECOND])
    assert 500 <= wait_ms <= 540
    clock.advance((wait_ms - 1) / 1_000)
    assert await claim(store, PER_SECOND) == []
    clock.advance(0.001)
    assert len(await claim(store, PER_SECOND)) == 3


async def test_every_rate_holds(store: Store, clock: FakeClock) -> None:
    rates = (PER_SECOND, Rate(25, 60_000))
    await store.absorb(a_batch(*(a_lead() for _ in range(40))))
    given = []
    for _ in range(5):
        given.append(len(await claim(store, *rates)))
        clock.advance(1.1)
    assert given == [10, 10, 5, 0, 0]
    assert await store.permits_in_ms("default", rates) > 50_000


async def test_a_jump_of_the_wall_clock_neither_opens_nor_shuts_the_tap(
    store: Store, clock: FakeClock
) -> None:
    await store.absorb(a_batch(*(a_lead() for _ in range(40))))
    assert len(await claim(store, PER_SECOND)) == 10
    for seconds in (-86_400, 3 * 86_400):
        clock.jump(seconds)
        assert len(await claim(store, PER_SECOND)) == 0
        clock.advance(1.05)
        assert len(await claim(store, PER_SECOND)) == 10


async def test_a_reboot_neither_forgets_permits_nor_keeps_them_for_ever(
    store: Store, clock: FakeClock
) -> None:
    hourly = Rate(20, 3_600_000)
    await store.absorb(a_batch(*(a_lead() for _ in range(60))))
    clock.advance(20_000)
    assert len(await claim(store, hourly, limit=15)) == 15
    clock.reboot()
    clock.advance(30)
    assert await store.permits_in_ms("default", [hourly]) == 0
    assert len(await claim(store, hourly)) == 5
    assert await claim(store, hourly) == []
    clock.advance(3_600 + 144)
    assert len(await claim(store, hourly)) == 20


async def test_a_changed_rate_begins_with_what_it_knows(store: Store, clock: FakeClock) -> None:
    await store.absorb(a_batch(*(a_lead() for _ in range(40))))
    assert len(await claim(store, PER_SECOND)) == 10
    assert len(await claim(store, Rate(15, 1_000))) == 5
    assert len(await claim(store, Rate(5, 1_000))) == 0


@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(data=st.data())
async def test_no_span_ever_sees_more_than_its_rate(
    data: st.DataObject, store: Store, clock: FakeClock
) -> None:
    rate = Rate(data.draw(st.integers(1, 12)), data.draw(st.sampled_from([10, 1_000, 60_000])))
    await store.absorb(a_batch(*(a_lead() for _ in range(60))))
    begun: deque[int] = deque()
    steps = data.draw(
        st.lists(st.tuples(st.integers(0, rate.per_ms), st.integers(1, 15)), max_size=25)
    )
    for waited_ms, limit in steps:
        clock.advance(waited_ms / 1_000)
        found = await claim(store, rate, limit=limit)
        begun.extend([clock.boottime_ms()] * len(found))
        while begun and begun[0] <= clock.boottime_ms() - rate.per_ms:
            begun.popleft()
        assert len(begun) <= rate.count
        if not found and await store.permits_in_ms("default", [rate]) == 0:
            # It was no lead that was missing: something waits by the queue's own count.
            assert (await store.counts())[Status.PENDING] == 0
