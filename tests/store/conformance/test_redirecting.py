"""Set aside, stood in for, routed anew: no lead is lost on the way, and none is sent twice."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import msgspec
import pytest

from leadkeep.errors import StoreError
from leadkeep.models import (
    Claim,
    Decision,
    DeliveryView,
    Heading,
    Record,
    Rerouted,
    Selection,
    SetAside,
    Standing,
)
from leadkeep.states import Status, Verb
from leadkeep.store.base import Store
from tests.fakes.clock import FakeClock
from tests.store.builders import (
    a_batch,
    a_lead,
    a_quarantined_lead,
    a_record,
    an_outcome,
    an_unrouted_lead,
)

EVERYTHING = Selection(everything=True)
MINUTE = 60


async def claim(store: Store, destination: str = "crm", limit: int = 64) -> list[Claim]:
    return await store.claim(
        destination, limit=limit, lease_ms=60_000, longest_wait_ms=900_000, worker="w"
    )


async def deliveries(store: Store) -> list[DeliveryView]:
    return (await store.find(EVERYTHING, limit=1_000))[::-1]


async def statuses(store: Store) -> list[tuple[str | None, Status]]:
    return [(view.destination, view.status) for view in await deliveries(store)]


async def actions(store: Store) -> list[tuple[Any, ...]]:
    sql = "SELECT verb, delivery, actor, reason FROM actions ORDER BY id"
    return (await store.query(sql, limit=100))[1]


def told(store: Store) -> list[Decision]:
    """What the store tells the log of outcomes from now on."""
    heard: list[Decision] = []

    async def on_decided(decisions: Sequence[Decision]) -> None:
        heard.extend(decisions)

    store._on_decided = on_decided  # type: ignore[attr-defined]
    return heard


# ---------------------------------------------------------------- set aside


async def test_what_is_set_aside_is_held_with_its_reason_and_no_try_is_spent(store: Store) -> None:
    heard = told(store)
    await store.absorb(a_batch(a_lead(destinations=("crm",))))
    (one,) = await claim(store)
    (recorded,) = await store.set_aside([SetAside(one.delivery_id, one.fence, "why")], actor="w")
    assert (recorded.stale, recorded.status) == (False, Status.HELD)
    (view,) = await deliveries(store)
    assert (view.status, view.attempts, view.error_message) == (Status.HELD, 0, "why")
    assert await actions(store) == [("set_aside", one.delivery_id, "w", "why")]
    assert [(d.lead_id, d.destination, d.status) for d in heard] == [
        (one.lead_id, "crm", Status.HELD)
    ]
    _, rows = await store.query("SELECT count(*) FROM attempts", limit=1)
    assert rows == [(0,)]


async def test_a_lease_that_was_lost_sets_nothing_aside(store: Store, clock: FakeClock) -> None:
    await store.absorb(a_batch(a_lead(destinations=("crm",))))
    (old,) = await claim(store)
    clock.advance(61)
    await store.rescue()
    (new,) = await claim(store)
    (recorded,) = await store.set_aside([SetAside(old.delivery_id, old.fence, "why")], actor="w")
    assert (recorded.stale, recorded.status) == (True, Status.PROCESSING)
    assert await actions(store) == []
    (again,) = await store.set_aside([SetAside(new.delivery_id, new.fence, "why")], actor="w")
    assert again.status is Status.HELD


async def test_what_is_not_there_cannot_be_set_aside(store: Store) -> None:
    with pytest.raises(StoreError, match="no delivery 99"):
        await store.set_aside([SetAside(99, 1, "why")], actor="w")


async def test_a_late_success_still_completes_what_was_set_aside(store: Store) -> None:
    await store.absorb(a_batch(a_lead(destinations=("crm",))))
    (one,) = await claim(store)
    await store.set_aside([SetAside(one.delivery_id, one.fence, "why")], actor="w")
    (recorded,) = await store.record([an_outcome(one)])
    assert recorded.status is Status.COMPLETED


# ---------------------------------------------------------------- stand in


async def fall_back(store: Store, clock: FakeClock, **overrides: Any) -> int:
    values: dict[str, Any] = {
        "failing_before_ms": clock.now_ms - 30 * MINUTE * 1_000,
        "untried_before_ms": None,
        "reason": "not confirmed within 30 minutes: other has it",
        "actor": "w",
    }
    return await store.stand_in("crm", "other", **(values | overrides))


async def fail_once(store: Store, clock: FakeClock, *, limit: int = 64) -> None:
    for one in await claim(store, limit=limit):
        outcome = an_outcome(
            one,
            Status.PENDING,
            started_at_ms=clock.now_ms,
            next_attempt_at_ms=clock.now_ms,
        )
        await store.record([outcome])


async def test_a_lead_that_failed_for_too_long_goes_to_the_fallback_instead(
    store: Store, clock: FakeClock
) -> None:
    heard = told(store)
    await store.absorb(a_batch(a_lead(destinations=("crm",))))
    await fail_once(store, clock)
    assert await fall_back(store, clock) == 0
    clock.advance(31 * MINUTE)
    assert await fall_back(store, clock) == 1
    first, second = await deliveries(store)
    assert (first.destination, first.status) == ("crm", Status.CANCELLED)
    assert first.error_message == "not confirmed within 30 minutes: other has it"
    assert (second.destination, second.status) == ("other", Status.PENDING)
    assert (second.stands_in_for, first.stands_in_for) == ("crm", "")
    assert [one.destination for one in await claim(store, "other")] == ["other"]
    assert await claim(store) == []
    assert [(d.destination, d.status) for d in heard] == [
        ("crm", Status.CANCELLED),
        ("other", Status.PENDING),
    ]
    assert [(verb, delivery) for verb, delivery, _, _ in await actions(store)] == [
        ("stand_in", first.delivery_id),
        ("stand_in", second.delivery_id),
    ]


async def test_each_lead_gets_exactly_one_stand_in(store: Store, clock: FakeClock) -> None:
    await store.absorb(a_batch(*(a_lead(destinations=("crm",)) for _ in range(600))))
    await fail_once(store, clock, limit=1_000)
    clock.advance(31 * MINUTE)
    done = []
    while some := await fall_back(store, clock):
        done.append(some)
    assert (sum(done), max(done) < 600) == (600, True)
    counts = await store.counts()
    assert (counts[Status.CANCELLED], counts[Status.PENDING]) == (600, 600)


async def test_a_lead_under_way_stays_with_the_worker_that_has_it(
    store: Store, clock: FakeClock
) -> None:
    await store.absorb(a_batch(a_lead(destinations=("crm",))))
    await fail_once(store, clock)
    clock.advance(31 * MINUTE)
    await claim(store)
    assert await fall_back(store, clock) == 0


async def test_a_lead_that_goes_there_already_stays_where_it_is(
    store: Store, clock: FakeClock
) -> None:
    await store.absorb(a_batch(a_lead(destinations=("crm", "other"))))
    await fail_once(store, clock)
    clock.advance(31 * MINUTE)
    assert await fall_back(store, clock) == 0


async def test_a_stand_in_has_no_stand_in(store: Store, clock: FakeClock) -> None:
    await store.absorb(a_batch(a_lead(destinations=("crm",))))
    await fail_once(store, clock)
    clock.advance(31 * MINUTE)
    assert await fall_back(store, clock) == 1
    for one in await claim(store, "other"):
        await store.record(
            [
                an_outcome(
                    one,
                    Status.PENDING,
                    started_at_ms=clock.now_ms,
                    next_attempt_at_ms=clock.now_ms,
                )
            ]
        )
    clock.advance(31 * MINUTE)
    moved = await store.stand_in(
        "other",
        "third",
        failing_before_ms=clock.now_ms,
        untried_before_ms=None,
        reason="",
        actor="w",
    )
    assert moved == 0


@pytest.mark.parametrize("held", ["crm", "other"])
async def test_while_a_person_holds_either_nothing_moves(
    store: Store, clock: FakeClock, held: str
) -> None:
    await store.absorb(a_batch(a_lead(destinations=("crm",))))
    await fail_once(store, clock)
    await store.hold_destination(held, reason="deploying", actor="ada")
    clock.advance(31 * MINUTE)
    assert await fall_back(store, clock) == 0


async def test_the_time_that_a_person_held_it_does_not_count(
    store: Store, clock: FakeClock
) -> None:
    await store.absorb(a_batch(a_lead(destinations=("crm",))))
    await fail_once(store, clock)
    await store.hold_destination("crm", reason="deploying", actor="ada")
    clock.advance(60 * MINUTE)
    await store.resume_destination("crm", actor="ada")
    assert await fall_back(store, clock) == 0
    clock.advance(31 * MINUTE)
    assert await fall_back(store, clock) == 1


async def test_what_was_never_tried_moves_only_behind_an_open_circuit(
    store: Store, clock: FakeClock
) -> None:
    await store.absorb(a_batch(a_lead(destinations=("crm",))))
    clock.advance(31 * MINUTE)
    assert await fall_back(store, clock) == 0
    due_by = clock.now_ms - 30 * MINUTE * 1_000
    assert await fall_back(store, clock, untried_before_ms=due_by) == 1


async def test_a_person_may_take_it_back_and_then_it_stays(store: Store, clock: FakeClock) -> None:
    await store.absorb(a_batch(a_lead(destinations=("crm",))))
    await fail_once(store, clock)
    clock.advance(31 * MINUTE)
    await fall_back(store, clock)
    only = Selection(destinations=("crm",))
    assert await store.apply(Verb.RETRY, only, reason="", actor="ada") == 1
    await fail_once(store, clock)
    clock.advance(31 * MINUTE)
    assert await fall_back(store, clock) == 0


# ---------------------------------------------------------------- reroute


async def reroute(
    store: Store, *destinations: str, only: str | None = "", reason: str = "", dry_run: bool = False
) -> Rerouted:
    views = [v for v in await deliveries(store) if only in ("", v.destination)]
    headings = [
        Heading(
            lead_id,
            tuple(v.delivery_id for v in views if v.lead_id == lead_id),
            destinations,
            reason or ("" if destinations else "no route takes it"),
        )
        for lead_id in dict.fromkeys(v.lead_id for v in views)
    ]
    return await store.reroute(headings, actor="ada", dry_run=dry_run)


async def test_a_pending_lead_goes_where_it_belongs_now(store: Store) -> None:
    heard = told(store)
    await store.absorb(a_batch(a_lead(destinations=("crm",))))
    assert await reroute(store, "new", dry_run=True) == Rerouted(leads=1, sent=1, cancelled=1)
    assert await statuses(store) == [("crm", Status.PENDING)]
    assert await reroute(store, "new") == Rerouted(leads=1, sent=1, cancelled=1)
    assert await statuses(store) == [("crm", Status.CANCELLED), ("new", Status.PENDING)]
    assert (await deliveries(store))[0].error_message == ("rerouted: today's routes send it to new")
    assert {(d.destination, d.status) for d in heard} == {
        ("crm", Status.CANCELLED),
        ("new", Status.PENDING),
    }
    assert {verb for verb, *_ in await actions(store)} == {"reroute"}
    assert await reroute(store, "new") == Rerouted()


@pytest.mark.parametrize("kind", ["quarantined", "unrouted"])
async def test_a_lead_without_destination_gets_one_and_goes(store: Store, kind: str) -> None:
    lead = a_quarantined_lead() if kind == "quarantined" else an_unrouted_lead()
    await store.absorb(a_batch(lead))
    await reroute(store, "crm", "new")
    assert await statuses(store) == [("crm", Status.PENDING), ("new", Status.PENDING)]
    (found,) = {view.lead_id for view in await deliveries(store)}
    assert (await store.lead(found)).disposition == "routed"


async def test_what_is_already_right_is_left_alone(store: Store) -> None:
    await store.absorb(a_batch(a_lead(destinations=("crm",))))
    await store.apply(Verb.HOLD, EVERYTHING, reason="mine", actor="ada")
    assert await reroute(store, "crm") == Rerouted()
    (view,) = await deliveries(store)
    assert (view.status, view.error_message) == (Status.HELD, "mine")


async def test_a_lead_that_somebody_holds_stays_held_wherever_it_goes(store: Store) -> None:
    await store.absorb(a_batch(a_lead(destinations=("crm",)), a_lead(destinations=("crm", "old"))))
    only_crm = Selection(destinations=("crm",))
    await store.apply(Verb.HOLD, only_crm, reason="perhaps delivered before", actor="ada")
    await reroute(store, "new", only="crm")
    moved = [view for view in await deliveries(store) if view.destination == "new"]
    assert [(view.status, view.error_message) for view in moved] == [
        (Status.HELD, "perhaps delivered before")
    ] * 2


async def test_what_was_confirmed_is_never_sent_there_again(store: Store) -> None:
    await store.absorb(a_batch(a_lead(destinations=("crm", "old"))))
    for one in await claim(store):
        await store.record([an_outcome(one)])
    assert await reroute(store, "crm") == Rerouted(leads=1, cancelled=1)
    assert await statuses(store) == [("crm", Status.COMPLETED), ("old", Status.CANCELLED)]


async def test_what_is_settled_or_under_way_is_not_moved(store: Store) -> None:
    await store.absorb(a_batch(*(a_lead(destinations=("crm",)) for _ in range(3))))
    first, second = await claim(store, limit=2)
    await store.record([an_outcome(first)])
    waiting = {"completed", "processing"}
    assert (await reroute(store, "new")).leads == 1
    assert waiting < {status.value for _, status in await statuses(store)}
    assert second.destination == "crm"


async def test_a_failed_lead_goes_on_elsewhere(store: Store) -> None:
    await store.absorb(a_batch(a_lead(destinations=("crm",))))
    (one,) = await claim(store)
    await store.record([an_outcome(one, Status.FAILED)])
    await reroute(store, "new")
    assert await statuses(store) == [("crm", Status.CANCELLED), ("new", Status.PENDING)]


async def test_what_no_route_takes_any_more_is_held_where_it_is(store: Store) -> None:
    await store.absorb(a_batch(a_lead(destinations=("crm",)), a_quarantined_lead()))
    assert await reroute(store) == Rerouted(leads=1, held=1)
    first, second = await deliveries(store)
    assert (first.destination, first.status) == ("crm", Status.HELD)
    assert first.error_message == "no route takes it"
    assert second.error_message == "no source claims the path /nowhere"


async def test_a_lead_is_never_left_without_a_delivery(store: Store) -> None:
    await store.absorb(a_batch(a_lead(destinations=("crm", "new"))))
    only_new = Selection(destinations=("new",))
    await store.apply(Verb.CANCEL, only_new, reason="", actor="ada")
    assert await reroute(store, "new") == Rerouted()
    assert await statuses(store) == [("crm", Status.PENDING), ("new", Status.CANCELLED)]


async def test_a_stand_in_stays_as_long_as_the_route_does(store: Store, clock: FakeClock) -> None:
    await store.absorb(a_batch(a_lead(destinations=("crm",))))
    await fail_once(store, clock)
    clock.advance(31 * MINUTE)
    await fall_back(store, clock)
    assert await reroute(store, "crm") == Rerouted()
    assert await reroute(store, "crm", "new") == Rerouted(leads=1, sent=1)
    assert await reroute(store, "new") == Rerouted(leads=1, cancelled=1)


async def test_a_route_that_spreads_further_adds_what_is_missing(store: Store) -> None:
    await store.absorb(a_batch(a_lead(destinations=("crm",))))
    assert await reroute(store, "crm", "new") == Rerouted(leads=1, sent=1)
    assert await statuses(store) == [("crm", Status.PENDING), ("new", Status.PENDING)]


async def test_only_what_was_selected_is_moved_away(store: Store) -> None:
    await store.absorb(a_batch(a_lead(destinations=("crm", "old"))))
    await reroute(store, "new", only="old")
    assert await statuses(store) == [
        ("crm", Status.PENDING),
        ("old", Status.CANCELLED),
        ("new", Status.PENDING),
    ]


# ---------------------------------------------------------------- after a store is lost


async def test_what_was_decided_here_is_brought_back_from_the_log(
    store: Store, clock: FakeClock
) -> None:
    heard = told(store)
    leads = [a_lead(destinations=("crm",)) for _ in range(3)]
    await store.absorb(a_batch(*leads))
    aside, failing, moved = await claim(store)
    await store.set_aside([SetAside(aside.delivery_id, aside.fence, "why")], actor="w")
    for one in (failing, moved):
        outcome = an_outcome(
            one, Status.PENDING, started_at_ms=clock.now_ms, next_attempt_at_ms=clock.now_ms
        )
        await store.record([outcome])
    heading = Heading(moved.lead_id, (moved.delivery_id,), ("new",), "")
    await store.reroute([heading], actor="ada")
    clock.advance(31 * MINUTE)
    await fall_back(store, clock)
    before = {(v.lead_id, v.destination): v.status for v in await deliveries(store)}
    assert len(before) == 5
    standings = [
        Standing(d.lead_id, d.destination or "", d.status, attempt=0, at_ms=d.at_ms) for d in heard
    ]

    # The same leads in a store that knows nothing of what became of them.
    again = [msgspec.structs.replace(lead, record=_another(lead.record)) for lead in leads]
    mark = await store.lead_mark()
    await store.absorb(a_batch(*again))
    ids = {
        str(UUID(bytes=old.record.lead_id)): str(UUID(bytes=new.record.lead_id))
        for old, new in zip(leads, again, strict=True)
    }
    lines = [msgspec.structs.replace(one, lead_id=ids[one.lead_id]) for one in standings]
    assert (await store.replay(lines, lead_mark=mark)).unknown == 0
    after = {(v.lead_id, v.destination): v.status for v in await deliveries(store)}
    assert {(ids[lead], where): status for (lead, where), status in before.items()}.items() <= (
        after.items()
    )


def _another(record: Record) -> Record:
    fresh = a_record()
    return msgspec.structs.replace(record, lead_id=fresh.lead_id, lead_number=fresh.lead_number)
