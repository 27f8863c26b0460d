"""Leads of one key go one after another; follow-ups wait for their leads; nobody waits for ever."""

from collections.abc import Sequence
from typing import Any

import pytest

from leadkeep.models import Claim, DeliveryView, LeadOrder, NewLead, Selection, Standing
from leadkeep.states import Status, Verb
from leadkeep.store.base import Store
from leadkeep.store.sqlite.store import SqliteStore
from tests.fakes.clock import FakeClock
from tests.store.builders import a_batch, a_lead, an_outcome, an_unrouted_lead
from tests.store.conftest import OpenStore, Shell
from tests.store.engines import Refused

EVERYTHING = Selection(everything=True)
WAIT_SECONDS = 900
KEY, OTHER = b"k" * 16, b"o" * 16


def in_line(key: bytes = KEY, **overrides: Any) -> NewLead:
    return a_lead(order=LeadOrder(key=key, wait_ms=WAIT_SECONDS * 1_000), **overrides)


def following(meant: NewLead, *, key: bytes | None = None, **overrides: Any) -> NewLead:
    """A lead that refers to another by its number."""
    lead = a_lead(**overrides)
    overrides.pop("record", None)
    order = LeadOrder(
        key=key or lead.record.lead_id,
        wait_ms=WAIT_SECONDS * 1_000,
        refers_to=str(meant.record.lead_number),
    )
    return a_lead(record=lead.record, order=order, **overrides)


def naming(name: bytes, **overrides: Any) -> NewLead:
    """A lead that refers to another by its vendor's name for it."""
    lead = a_lead(**overrides)
    order = LeadOrder(key=lead.record.lead_id, wait_ms=WAIT_SECONDS * 1_000, refers_to_name=name)
    return a_lead(record=lead.record, order=order, **overrides)


async def claim(
    store: Store, limit: int = 100, destination: str = "default", **overrides: Any
) -> list[Claim]:
    options: dict[str, Any] = {"lease_ms": 60_000, "longest_wait_ms": 900_000, "worker": "w"}
    return await store.claim(destination, limit=limit, **(options | overrides))


async def deliver(store: Store, claims: Sequence[Claim]) -> None:
    await store.record([an_outcome(one) for one in claims])


async def fail(store: Store, claims: Sequence[Claim], at_ms: int) -> None:
    outcomes = [an_outcome(one, Status.PENDING, next_attempt_at_ms=at_ms) for one in claims]
    await store.record(outcomes)


async def view_of(store: Store, lead: NewLead) -> DeliveryView:
    shown = await store.lead(str(lead.record.lead_number))
    return shown.deliveries[0]


def numbers(claims: Sequence[Claim]) -> list[int]:
    return [one.lead_number for one in claims]


def numbers_of(*leads: NewLead) -> list[int]:
    return [lead.record.lead_number for lead in leads]


# ---------------------------------------------------------------- lines


async def test_leads_of_one_key_go_one_after_another(store: Store) -> None:
    leads = [in_line() for _ in range(5)]
    await store.absorb(a_batch(*leads))
    for lead in leads:
        claims = await claim(store)
        assert numbers(claims) == numbers_of(lead)
        assert await claim(store) == []
        await deliver(store, claims)
    assert await claim(store) == []


async def test_leads_of_other_keys_and_of_none_do_not_wait(store: Store) -> None:
    first, other, free = in_line(), in_line(OTHER), a_lead()
    await store.absorb(a_batch(first, in_line(), other, free))
    assert numbers(await claim(store)) == numbers_of(first, other, free)


async def test_each_destination_has_its_own_line(store: Store) -> None:
    first = in_line(destinations=("crm", "dialer"))
    second = in_line(destinations=("crm", "dialer"))
    await store.absorb(a_batch(first, second))
    await deliver(store, await claim(store, destination="crm"))
    assert numbers(await claim(store, destination="crm")) == numbers_of(second)
    assert numbers(await claim(store, destination="dialer")) == numbers_of(first)


async def test_who_was_accepted_first_goes_first_though_absorbed_later(store: Store) -> None:
    early, late = in_line(), in_line()
    under_way = in_line()
    await store.absorb(a_batch(under_way))
    claims = await claim(store)
    await store.absorb(a_batch(late))
    await store.absorb(a_batch(early))
    await deliver(store, claims)
    assert numbers(await claim(store)) == numbers_of(early)


@pytest.mark.parametrize(
    ("status", "blocks"),
    [
        (Status.PENDING, True),
        (Status.PROCESSING, True),
        (Status.COMPLETED, False),
        (Status.FAILED, False),
        (Status.HELD, False),
        (Status.CANCELLED, False),
    ],
)
async def test_an_earlier_lead_blocks_while_it_waits_or_is_under_way(
    store: Store, clock: FakeClock, status: Status, blocks: bool
) -> None:
    early, late = in_line(), in_line()
    await store.absorb(a_batch(early, late))
    only = Selection(refs=(str(early.record.lead_number),))
    match status:
        case Status.HELD | Status.CANCELLED:
            verb = Verb.HOLD if status is Status.HELD else Verb.CANCEL
            await store.apply(verb, only, reason="", actor="ada")
        case Status.PENDING:
            await fail(store, await claim(store), clock.now_ms + 60_000)
        case Status.PROCESSING:
            await claim(store)
        case _:
            await store.record([an_outcome(one, status) for one in await claim(store)])
    assert (await view_of(store, early)).status is status
    assert numbers(await claim(store)) == ([] if blocks else numbers_of(late))


async def test_patience_ends_and_the_lead_goes_marked(store: Store, clock: FakeClock) -> None:
    early, late, third = in_line(), in_line(), in_line()
    await store.absorb(a_batch(early, late, third))
    await fail(store, await claim(store), clock.now_ms + 3_000_000)
    waiting = await view_of(store, late)
    assert waiting.waits_for_lead == early.record.lead_number
    assert waiting.waits_until_ms == clock.now_ms + WAIT_SECONDS * 1_000

    clock.advance(WAIT_SECONDS - 1)
    assert await claim(store, longest_wait_ms=9_000_000) == []
    assert await store.next_due_at_ms("default") == clock.now_ms + 1_000
    clock.advance(1)
    (overtaking,) = await claim(store, longest_wait_ms=9_000_000)
    assert (overtaking.lead_number, overtaking.out_of_order) == (
        late.record.lead_number,
        "overtook",
    )
    assert await claim(store, longest_wait_ms=9_000_000) == []
    await deliver(store, [overtaking])
    assert (await view_of(store, late)).out_of_order == "overtook"
    await deliver(store, await claim(store, longest_wait_ms=9_000_000))

    clock.advance(2_101)
    (overtaken,) = await claim(store, longest_wait_ms=9_000_000)
    assert overtaken.out_of_order == "overtaken"
    await deliver(store, [overtaken])
    assert (await view_of(store, early)).out_of_order == "overtaken"


async def test_a_backlog_is_no_reason_to_overtake(store: Store, clock: FakeClock) -> None:
    await store.hold_destination("default", reason="", actor="ada")
    leads = [in_line() for _ in range(4)]
    await store.absorb(a_batch(*leads))
    clock.advance(86_400)
    await store.resume_destination("default", actor="ada")
    for lead in leads:
        claims = await claim(store)
        assert [(one.lead_number, one.out_of_order) for one in claims] == [
            (lead.record.lead_number, "")
        ]
        await deliver(store, claims)


async def test_a_persons_retry_of_one_that_waits_does_not_overtake(
    store: Store, clock: FakeClock
) -> None:
    early, late = in_line(), in_line()
    await store.absorb(a_batch(early, late))
    await fail(store, await claim(store), clock.now_ms + 60_000)
    only = Selection(refs=(str(late.record.lead_number),))
    assert await store.apply(Verb.RETRY, only, reason="", actor="ada") == 1
    assert await claim(store) == []


async def test_a_failed_lead_that_a_person_retries_takes_its_old_place(
    store: Store, clock: FakeClock
) -> None:
    early, late, last = in_line(), in_line(), in_line()
    await store.absorb(a_batch(early, late, last))
    await store.record([an_outcome(one, Status.FAILED) for one in await claim(store)])
    await deliver(store, await claim(store))
    only = Selection(refs=(str(early.record.lead_number),))
    await store.apply(Verb.RETRY, only, reason="", actor="ada")
    (again,) = await claim(store)
    assert (again.lead_number, again.out_of_order) == (early.record.lead_number, "overtaken")


async def test_a_claim_that_is_released_marks_nobody(store: Store, clock: FakeClock) -> None:
    early, late = in_line(), in_line()
    await store.absorb(a_batch(early, late))
    await fail(store, await claim(store), clock.now_ms + 901_000)
    clock.advance(WAIT_SECONDS)
    overtaking = await claim(store)
    assert [one.out_of_order for one in overtaking] == ["overtook"]
    assert await store.release(overtaking) == 1
    assert (await view_of(store, late)).out_of_order == ""
    clock.advance(2)
    await store.apply(
        Verb.HOLD, Selection(refs=(str(late.record.lead_number),)), reason="", actor="ada"
    )
    assert [(one.lead_number, one.out_of_order) for one in await claim(store)] == [
        (early.record.lead_number, "")
    ]


async def test_two_leads_of_a_line_are_never_under_way_even_after_a_crash(
    open_store: OpenStore, clock: FakeClock
) -> None:
    one, two = await open_store(), await open_store()
    leads = [in_line() for _ in range(3)]
    await one.absorb(a_batch(*leads))
    lost = await claim(one)
    assert await claim(two) == []
    clock.advance(61)
    assert await two.rescue() == 1
    again = await claim(two)
    assert numbers(again) == numbers(lost)
    await deliver(one, lost)
    assert await claim(one) == []
    await deliver(two, again)
    assert numbers(await claim(one)) == numbers_of(leads[1])


async def test_a_late_success_lets_the_next_one_go(store: Store, clock: FakeClock) -> None:
    early, late = in_line(), in_line()
    await store.absorb(a_batch(early, late))
    hung = await claim(store)
    clock.advance(61)
    await store.rescue()
    await deliver(store, hung)
    assert numbers(await claim(store)) == numbers_of(late)


@pytest.mark.parametrize("seconds", [-86_400, 86_400])
async def test_a_jump_of_the_clock_makes_nobody_overtake_and_nobody_starve(
    store: Store, clock: FakeClock, seconds: int
) -> None:
    early, late = in_line(), in_line()
    await store.absorb(a_batch(early, late))
    clock.jump(seconds)
    steady: dict[str, Any] = {"steady_since_ms": clock.now_ms, "longest_wait_ms": 9_000_000}
    first = await claim(store, **steady)
    assert numbers(first) == numbers_of(early)
    await fail(store, first, clock.now_ms + 1_000_000)
    clock.advance(WAIT_SECONDS - 1)
    assert await claim(store, **steady) == []
    clock.advance(1)
    (overtaking,) = await claim(store, **steady)
    assert overtaking.lead_number == late.record.lead_number


# ---------------------------------------------------------------- other ways into a line


async def test_leads_that_get_a_destination_later_line_up_there(store: Store) -> None:
    order = LeadOrder(key=KEY, wait_ms=900_000)
    leads = [an_unrouted_lead(order=order) for _ in range(3)]
    await store.absorb(a_batch(*leads))
    assert await store.adopt_unrouted(["crm"]) == 3
    for lead in leads:
        claims = await claim(store, destination="crm")
        assert numbers(claims) == numbers_of(lead)
        await deliver(store, claims)


async def test_an_acknowledged_copy_puts_its_lead_into_its_line(store: Store) -> None:
    unsure = in_line(acknowledged=False, hold_reason="not acknowledged")
    late = in_line()
    await store.absorb(a_batch(unsure, late))
    sure = in_line(record=unsure.record)
    await store.absorb(a_batch(sure))
    assert numbers(await claim(store)) == numbers_of(unsure)
    copy = await store.absorb(a_batch(sure, late))
    assert (copy.absorbed, copy.already_known) == (0, 2)
    assert await claim(store) == []


async def test_a_replayed_log_leaves_the_lines_in_order(store: Store, clock: FakeClock) -> None:
    leads = [in_line() for _ in range(4)]
    mark = await store.lead_mark()
    await store.absorb(a_batch(*leads))
    ids = [(await view_of(store, lead)).lead_id for lead in leads]
    statuses = (Status.FAILED, Status.COMPLETED, Status.PROCESSING)
    standings = [
        Standing(lead_id, "default", status, 1, clock.now_ms)
        for lead_id, status in zip(ids, statuses, strict=False)
    ]
    await store.replay(standings, lead_mark=mark)
    assert await store.flaws() == []
    assert [one.out_of_order for one in await store.find(EVERYTHING, limit=9)] == [""] * 4
    assert numbers(await claim(store)) == numbers_of(leads[2])


# ---------------------------------------------------------------- follow-ups


async def test_a_follow_up_waits_for_the_lead_it_names(store: Store) -> None:
    lead = a_lead()
    event = following(lead)
    await store.absorb(a_batch(lead, event))
    assert (await view_of(store, event)).waits_for_lead == lead.record.lead_number
    claims = await claim(store)
    assert numbers(claims) == numbers_of(lead)
    assert claims[0].in_line
    await deliver(store, claims)
    assert [(one.lead_number, one.out_of_order) for one in await claim(store)] == [
        (event.record.lead_number, "")
    ]


async def test_a_follow_up_of_a_lead_that_was_delivered_goes_at_once(store: Store) -> None:
    lead = a_lead()
    await store.absorb(a_batch(lead))
    await deliver(store, await claim(store))
    event = following(lead)
    await store.absorb(a_batch(event))
    assert numbers(await claim(store)) == numbers_of(event)


async def test_a_follow_up_that_comes_first_waits_for_its_lead(store: Store) -> None:
    lead = a_lead(order=LeadOrder(name=b"v" * 16))
    event = naming(b"v" * 16)
    await store.absorb(a_batch(event))
    assert (await view_of(store, event)).waits_for_lead == 0
    assert await claim(store) == []
    await store.absorb(a_batch(lead))
    assert (await view_of(store, event)).waits_for_lead == lead.record.lead_number
    await deliver(store, await claim(store))
    assert numbers(await claim(store)) == numbers_of(event)


async def test_a_follow_up_with_its_leads_key_that_comes_first_lets_its_lead_by(
    store: Store,
) -> None:
    event_record, lead = a_lead().record, in_line()
    event = following(lead, key=KEY, record=event_record)
    await store.absorb(a_batch(event))
    assert await claim(store) == []
    await store.absorb(a_batch(lead))
    claims = await claim(store)
    assert [(one.lead_number, one.out_of_order) for one in claims] == [
        (lead.record.lead_number, "")
    ]
    await deliver(store, claims)
    assert [(one.lead_number, one.out_of_order) for one in await claim(store)] == [
        (event.record.lead_number, "")
    ]


async def test_of_several_leads_of_a_name_one_that_is_delivered_is_enough(store: Store) -> None:
    twins = [a_lead(order=LeadOrder(name=b"v" * 16)) for _ in range(2)]
    await store.absorb(a_batch(*twins))
    await deliver(store, await claim(store, limit=1))
    event = naming(b"v" * 16)
    await store.absorb(a_batch(event))
    assert event.record.lead_number in numbers(await claim(store))


@pytest.mark.parametrize("status", [Status.FAILED, Status.HELD])
async def test_a_follow_up_waits_for_a_lead_that_is_set_aside_as_long_as_for_others(
    store: Store, clock: FakeClock, status: Status
) -> None:
    lead = a_lead()
    event = following(lead)
    await store.absorb(a_batch(lead, event))
    if status is Status.FAILED:
        await store.record([an_outcome(one, status) for one in await claim(store)])
    else:
        only = Selection(refs=(str(lead.record.lead_number),))
        await store.apply(Verb.HOLD, only, reason="", actor="ada")
    assert await claim(store) == []
    clock.advance(WAIT_SECONDS)
    assert [one.out_of_order for one in await claim(store)] == ["overtook"]


async def test_a_follow_up_of_a_cancelled_lead_goes_at_once(store: Store) -> None:
    lead = a_lead()
    event = following(lead)
    await store.absorb(a_batch(lead, event))
    only = Selection(refs=(str(lead.record.lead_number),))
    await store.apply(Verb.CANCEL, only, reason="", actor="ada")
    assert [one.out_of_order for one in await claim(store)] == [""]


async def test_a_follow_up_does_not_wait_for_a_lead_that_goes_elsewhere(store: Store) -> None:
    lead = a_lead(destinations=("crm",))
    event = following(lead)
    await store.absorb(a_batch(lead, event))
    assert numbers(await claim(store)) == numbers_of(event)


async def test_a_follow_up_waits_for_a_lead_that_has_no_destination_yet(store: Store) -> None:
    lead = an_unrouted_lead()
    event = following(lead, destinations=("crm",))
    await store.absorb(a_batch(lead, event))
    assert await claim(store, destination="crm") == []
    await store.adopt_unrouted(["crm"])
    claims = await claim(store, destination="crm")
    assert numbers(claims) == numbers_of(lead)
    await deliver(store, claims)
    assert numbers(await claim(store, destination="crm")) == numbers_of(event)


async def test_a_reference_to_nothing_waits_its_time_and_no_longer(
    store: Store, clock: FakeClock
) -> None:
    event = following(a_lead())
    await store.absorb(a_batch(event))
    assert await store.next_due_at_ms("default") == clock.now_ms + WAIT_SECONDS * 1_000
    clock.advance(WAIT_SECONDS)
    (late,) = await claim(store)
    assert late.out_of_order == "overtook"


async def test_circles_do_not_wait(store: Store) -> None:
    plain = [a_lead() for _ in range(3)]
    round_about = [
        following(plain[(number + 1) % 3], record=lead.record) for number, lead in enumerate(plain)
    ]
    await store.absorb(a_batch(*round_about))
    gone = 0
    while claims := await claim(store):
        gone += len(claims)
        assert [one.out_of_order for one in claims] == [""] * len(claims)
        await deliver(store, claims)
    assert gone == 3


# ---------------------------------------------------------------- what it costs


@pytest.mark.parametrize("blocked", [10, 10_000])
async def test_a_claim_visits_no_lead_that_waits_in_sqlite(
    sqlite_store: SqliteStore, blocked: int
) -> None:
    """Counted in steps of SQLite's virtual machine, which no machine's load changes."""
    store = sqlite_store
    for begin in range(0, blocked, 1_000):
        some = min(1_000, blocked - begin)
        await store.absorb(a_batch(*(in_line() for _ in range(some))))
    await store.absorb(a_batch(*(a_lead() for _ in range(5))))
    first = await claim(store, limit=1)
    assert first[0].in_line

    steps = _Steps(store)
    assert len(await claim(store, limit=5)) == 5
    assert await claim(store, limit=5) == []
    await deliver(store, first)
    assert [one.in_line for one in await claim(store, limit=5)] == [True]
    assert steps.counted() < 5_000


class _Steps:
    """Counts what the writer's connection does from now on."""

    def __init__(self, store: Any) -> None:
        self._hundreds = 0
        store._writer._connection.set_progress_handler(self._count, 100)

    def _count(self) -> bool:
        self._hundreds += 1
        return False

    def counted(self) -> int:
        return self._hundreds * 100


async def test_leads_without_order_leave_no_trace(store: Store) -> None:
    await store.absorb(a_batch(*(a_lead() for _ in range(20))))
    await deliver(store, await claim(store))
    tables = ("lead_orders", "lines", "places", "out_of_order")
    for table in tables:
        assert (await store.query(f"SELECT count(*) FROM {table}", limit=1))[1] == [(0,)]


async def test_sqlite_watches_no_move_until_a_lead_has_an_order(sqlite_store: SqliteStore) -> None:
    store = sqlite_store
    await store.absorb(a_batch(*(a_lead() for _ in range(20))))
    sql = "SELECT count(*) FROM sqlite_schema WHERE name = 'keep_its_place'"
    assert (await store.query(sql, limit=1))[1] == [(0,)]


async def test_what_is_delivered_leaves_its_line(store: Store) -> None:
    await store.absorb(a_batch(*(in_line() for _ in range(3)), in_line(OTHER)))
    while claims := await claim(store):
        await deliver(store, claims)
    for table in ("lines", "places"):
        assert (await store.query(f"SELECT count(*) FROM {table}", limit=1))[1] == [(0,)]


async def test_the_database_itself_refuses_two_of_a_line_at_once(
    store: Store, shell: Shell
) -> None:
    await store.absorb(a_batch(in_line(), in_line()))
    await claim(store)
    with pytest.raises(Refused, match="never under way at once"):
        await shell(
            "UPDATE deliveries SET status = 'processing', fence = 1, lease_boot_id = 'b',"
            " lease_until_boot_ms = 1, lease_owner = 'w' WHERE status = 'pending'"
        )
