"""Several leads in one request: one lead in every count, delivered together or part by part."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import pytest

from leadkeep.errors import NotFound, UsageError
from leadkeep.models import (
    Claim,
    Contact,
    Decision,
    Facts,
    Heading,
    LeadOrder,
    LeadPart,
    NewLead,
    Rerouted,
    Selection,
    SetAside,
    Standing,
)
from leadkeep.settings.duplicates import DuplicatesSettings
from leadkeep.sources.likeness import likeness_of
from leadkeep.states import LeadClass, Status, Verb
from leadkeep.store.asked import LiveAsk
from leadkeep.store.base import Store
from tests.fakes.clock import FakeClock
from tests.store.builders import a_batch, a_lead, a_record, an_outcome, an_unrouted_lead
from tests.store.conftest import Shell
from tests.store.engines import Engine, Refused

EVERYTHING = Selection(everything=True)
ADA = Contact("Ada Example", "+16145550142", "ada@example.test", "1")
BO = Contact("Bo Example", "+16145550143", "", "2")
CY = Contact("Cy Example", "", "cy@example.test", "3")
BODY = b'[{"n":1},{"n":2},{"n":3}]'
HEADERS = b"Host: x.test\r\nContent-Encoding: gzip\r\ncontent-type: text/plain\r\nX-Sig: 1\r\n"


def parts(*contacts: Contact) -> tuple[LeadPart, ...]:
    return tuple(
        LeadPart(contact, b'{"n":%d}' % number) for number, contact in enumerate(contacts, 1)
    )


def split(**overrides: Any) -> NewLead:
    """A request that holds three leads, each to be delivered by itself."""
    values: dict[str, Any] = {
        "parts": parts(ADA, BO, CY),
        "splits": True,
        "body": BODY,
        "headers": HEADERS,
        "contact": ADA,
        "destinations": ("crm",),
    }
    return a_lead(**(values | overrides))


def together(**overrides: Any) -> NewLead:
    return split(splits=False, **overrides)


def id_of(lead: NewLead) -> str:
    return str(UUID(bytes=lead.record.lead_id))


async def claim(store: Store, destination: str = "crm", **more: Any) -> list[Claim]:
    values: dict[str, Any] = {"limit": 64, "lease_ms": 60_000, "longest_wait_ms": 900_000}
    return await store.claim(destination, worker="w", **(values | more))


async def standings(store: Store) -> list[tuple[int, str | None, Status]]:
    views = (await store.find(EVERYTHING, limit=1_000))[::-1]
    return [(view.part, view.destination, view.status) for view in views]


def told(store: Store) -> list[Decision]:
    """What the store tells the log of outcomes from now on."""
    heard: list[Decision] = []

    async def on_decided(decisions: Sequence[Decision]) -> None:
        heard.extend(decisions)

    store._on_decided = on_decided  # type: ignore[attr-defined]
    return heard


async def rows(store: Store, sql: str) -> list[tuple[Any, ...]]:
    return (await store.query(sql, limit=1_000))[1]


# ---------------------------------------------------------------- kept


async def test_a_split_request_is_one_lead_with_a_delivery_for_each_part_and_destination(
    store: Store,
) -> None:
    lead = split(destinations=("crm", "mail"))
    await store.absorb(a_batch(lead, a_lead()))
    assert await store.lead_count() == 2
    assert await standings(store) == [
        *((part, to, Status.PENDING) for part in (1, 2, 3) for to in ("crm", "mail")),
        (0, "default", Status.PENDING),
    ]
    assert await store.flaws() == []
    shown = await store.lead(id_of(lead))
    assert [(one.part, one.contact, one.body) for one in shown.parts] == [
        (1, ADA, b'{"n":1}'),
        (2, BO, b'{"n":2}'),
        (3, CY, b'{"n":3}'),
    ]
    assert shown.body == BODY
    assert [(view.part, view.parts, view.name) for view in shown.deliveries][::2] == [
        (1, 3, ADA.name),
        (2, 3, BO.name),
        (3, 3, CY.name),
    ]


async def test_a_request_delivered_together_keeps_its_parts_beside_it(store: Store) -> None:
    lead = together()
    await store.absorb(a_batch(lead))
    (one,) = await claim(store)
    assert (one.part, one.parts, one.body, one.headers) == (0, 0, BODY, HEADERS)
    assert one.idempotency_key == id_of(lead)
    assert len((await store.lead(id_of(lead))).parts) == 3
    assert await store.flaws() == []


async def test_the_queue_shows_each_part_as_its_own(store: Store) -> None:
    await store.absorb(a_batch(split()))
    sql = "SELECT part, payload, lead_name, phone, email FROM lead_queue ORDER BY id"
    assert await rows(store, sql) == [
        (1, '{"n":1}', ADA.name, ADA.phone, ADA.email),
        (2, '{"n":2}', BO.name, BO.phone, BO.email),
        (3, '{"n":3}', CY.name, CY.phone, CY.email),
    ]


async def test_what_is_read_of_a_part_and_why_none_were_told_apart_is_kept(store: Store) -> None:
    facts = Facts(price="4.25", is_test=True)
    some = together(parts=(LeadPart(ADA, b"{}", facts), LeadPart(BO, b"{}")))
    none = a_lead(unparted="it holds 1,001 leads, more than 1,000")
    await store.absorb(a_batch(some, none))
    assert [one.facts for one in (await store.lead(id_of(some))).parts] == [facts, Facts()]
    assert (await store.lead(id_of(none))).unparted == none.unparted


async def test_a_part_that_its_source_holds_is_held_alone(store: Store) -> None:
    held = LeadPart(ADA, b"{}", hold_reason="a test lead")
    await store.absorb(a_batch(split(parts=(held, LeadPart(BO, b"{}")))))
    assert await standings(store) == [(1, "crm", Status.HELD), (2, "crm", Status.PENDING)]


async def test_the_same_request_of_a_second_journal_brings_nothing_twice(store: Store) -> None:
    lead = split()
    await store.absorb(a_batch(lead))
    report = await store.absorb(a_batch(lead))
    assert (report.absorbed, report.already_known) == (0, 1)
    assert len(await standings(store)) == 3


async def test_a_part_never_changes_until_its_lead_is_erased(store: Store, shell: Shell) -> None:
    await store.absorb(a_batch(split()))
    with pytest.raises(Refused, match="never changes"):
        await shell("UPDATE lead_parts SET name = 'x'")
    await shell("UPDATE leads SET disposition = 'erased'")
    sql = "SELECT DISTINCT name, phone, email, vendor_lead_id, facts, body FROM lead_parts"
    assert await rows(store, sql) == [("", "", "", "", None, b"")]


@pytest.mark.parametrize("table", ["deliveries", "lead_parts"])
async def test_a_part_that_nobody_would_get_is_a_flaw(
    store: Store, shell: Shell, engine: Engine, table: str
) -> None:
    await store.absorb(a_batch(split()))
    await store.apply(Verb.CANCEL, EVERYTHING, reason="", actor="test")
    if table == "lead_parts":
        with pytest.raises(Refused, match="never deleted before"):
            await shell("DELETE FROM lead_parts WHERE part = 2")
        where = " ON lead_parts" if engine.name == "postgres" else ""
        await shell(f"DROP TRIGGER refuse_to_drop_a_part_with_deliveries{where}")
    await shell(f"DELETE FROM {table} WHERE part = 2")
    (flaw,) = await store.flaws()
    assert "part" in flaw
    await store.apply(Verb.RETRY, EVERYTHING, reason="", actor="test")
    assert [one.part for one in await claim(store)] == [1, 3]


# ---------------------------------------------------------------- delivered


async def test_each_part_is_claimed_as_json_with_a_key_of_its_own(store: Store) -> None:
    lead = split()
    await store.absorb(a_batch(lead))
    claims = await claim(store)
    assert [(one.part, one.parts, one.body) for one in claims] == [
        (1, 3, b'{"n":1}'),
        (2, 3, b'{"n":2}'),
        (3, 3, b'{"n":3}'),
    ]
    assert [one.idempotency_key for one in claims] == [f"{id_of(lead)}-{n}" for n in (1, 2, 3)]
    for one in claims:
        assert one.headers == b"Host: x.test\r\nX-Sig: 1\r\nContent-Type: application/json\r\n"


async def test_parts_go_their_own_ways_and_the_lead_is_where_the_slowest_is(store: Store) -> None:
    lead = split()
    await store.absorb(a_batch(lead))
    first, second, third = await claim(store)
    await store.record(
        [an_outcome(first), an_outcome(second, Status.FAILED), an_outcome(third, Status.PENDING)]
    )
    assert [status for *_, status in await standings(store)] == [
        Status.COMPLETED,
        Status.FAILED,
        Status.PENDING,
    ]
    ((_, classes),) = (await store.census()).classes.items()
    assert sum(classes.values()) == 1
    assert LeadClass.COMPLETED not in classes
    assert await store.apply(Verb.RETRY, Selection(statuses=(Status.FAILED,)), reason="", actor="t")
    for one in await claim(store):
        await store.record([an_outcome(one)])
    ((_, classes),) = (await store.census()).classes.items()
    assert classes == {LeadClass.COMPLETED: 1}
    assert await store.unsettled(UUID(int=7)) == 0


async def test_what_a_person_decides_about_a_part_is_told_of_that_part(store: Store) -> None:
    heard = told(store)
    lead = split()
    await store.absorb(a_batch(lead))
    (one, *others) = await claim(store)
    await store.release(others)
    await store.set_aside([SetAside(one.delivery_id, one.fence, "why")], actor="w")
    await store.apply(Verb.CANCEL, Selection(statuses=(Status.PENDING,)), reason="", actor="t")
    assert [(d.lead_id, d.part, d.status) for d in heard] == [
        (id_of(lead), 1, Status.HELD),
        (id_of(lead), 2, Status.CANCELLED),
        (id_of(lead), 3, Status.CANCELLED),
    ]


async def test_a_fallback_gets_the_parts_that_failed_each_in_its_time(
    store: Store, clock: FakeClock
) -> None:
    heard = told(store)

    async def hand_over() -> int:
        return await store.stand_in(
            "crm",
            "other",
            failing_before_ms=clock.now_ms - 1_800_000,
            untried_before_ms=None,
            reason="late",
            actor="w",
        )

    async def fail(one: Claim) -> None:
        now_ms = clock.now_ms
        failed = an_outcome(one, Status.PENDING, started_at_ms=now_ms, next_attempt_at_ms=now_ms)
        await store.record([failed])

    await store.absorb(a_batch(split()))
    first, second, third = await claim(store)
    await store.record([an_outcome(first)])
    await fail(second)
    clock.advance(10)
    await fail(third)
    clock.advance(1_795)
    assert await hand_over() == 1
    assert [(one.part, one.body) for one in await claim(store, "other")] == [(2, b'{"n":2}')]
    clock.advance(10)
    assert await hand_over() == 1
    assert [(one.part, one.body) for one in await claim(store, "other")] == [(3, b'{"n":3}')]
    assert await hand_over() == 0
    assert {(d.part, d.destination) for d in heard} == {
        (part, to) for part in (2, 3) for to in ("crm", "other")
    }


async def test_changed_routes_move_every_part_that_is_selected(store: Store) -> None:
    lead = split()
    await store.absorb(a_batch(lead))
    (first, *others) = await claim(store)
    await store.record([an_outcome(first)])
    await store.release(others)
    ids = tuple(view.delivery_id for view in await store.find(EVERYTHING, limit=9))
    heading = Heading(id_of(lead), ids, ("new",), "")
    assert await store.reroute([heading], actor="t", dry_run=True) == Rerouted(1, 2, 2, 0)
    assert await store.reroute([heading], actor="t") == Rerouted(1, 2, 2, 0)
    assert sorted((one.part, one.body) for one in await claim(store, "new")) == [
        (2, b'{"n":2}'),
        (3, b'{"n":3}'),
    ]
    assert (1, "crm", Status.COMPLETED) in await standings(store)


@pytest.mark.parametrize("by_person", [True, False])
async def test_parts_without_destination_are_given_some(store: Store, by_person: bool) -> None:
    lead = an_unrouted_lead(parts=parts(ADA, BO), splits=True)
    await store.absorb(a_batch(lead))
    assert [part for part, *_ in await standings(store)] == [1, 2]
    if by_person:
        await store.route(EVERYTHING, ["crm", "mail"], actor="t")
    else:
        await store.adopt_unrouted(["crm", "mail"])
    for to in ("crm", "mail"):
        assert [one.part for one in await claim(store, to)] == [1, 2]
    assert await store.flaws() == []


async def test_an_acknowledged_copy_lets_every_part_go(store: Store) -> None:
    lead = split(acknowledged=False, hold_reason="nobody was answered")
    await store.absorb(a_batch(lead))
    assert {status for *_, status in await standings(store)} == {Status.HELD}
    known = split(record=lead.record, destinations=("crm", "mail"))
    await store.absorb(a_batch(known))
    for to in ("crm", "mail"):
        assert sorted(one.part for one in await claim(store, to)) == [1, 2, 3]


async def test_parts_of_one_line_go_one_after_another(store: Store) -> None:
    order = LeadOrder(key=bytes(16), wait_ms=60_000)
    await store.absorb(a_batch(split(order=order), a_lead(destinations=("crm",), order=order)))
    gone = []
    while claims := await claim(store):
        (one,) = claims
        gone.append(one.part)
        assert one.out_of_order == ""
        await store.record([an_outcome(one)])
    assert gone == [1, 2, 3, 0]
    assert await store.flaws() == []


async def test_who_waits_for_a_split_request_waits_until_a_part_is_left_no_more(
    store: Store,
) -> None:
    await store.absorb(a_batch(meant := split()))
    (first, *others) = await claim(store)
    await store.record([an_outcome(first)])
    await store.release(others)
    order = LeadOrder(key=bytes(16), wait_ms=60_000, refers_to=id_of(meant))
    await store.absorb(a_batch(a_lead(destinations=("crm",), order=order)))
    claims = await claim(store)
    assert [one.part for one in claims] == [2, 3]
    await store.record([an_outcome(one) for one in claims])
    assert [one.part for one in await claim(store)] == [0]


async def test_no_answer_of_one_part_is_that_of_the_whole_request(store: Store) -> None:
    several, single = split(), split(parts=parts(ADA))
    await store.absorb(a_batch(several, single))
    asks = [LiveAsk(id_of(several), ""), LiveAsk(id_of(single), "")]
    first, second = await store.standings(asks)
    assert (first.reason, first.is_claimable) == ("several", False)
    assert second.is_claimable
    (one,) = await claim(store, among=[second.delivery_id])
    assert (one.part, one.body) == (1, b'{"n":1}')


# ---------------------------------------------------------------- likeness


async def test_a_repeated_request_waits_with_all_its_parts(store: Store) -> None:
    heard = told(store)

    def again() -> NewLead:
        record = a_record(body=BODY)
        likeness = likeness_of(record, ("crm",), DuplicatesSettings())
        return split(record=record, likeness=likeness)

    await store.absorb(a_batch(again()))
    await store.absorb(a_batch(copy := again()))
    assert [status for *_, status in await standings(store)][3:] == [Status.HELD] * 3
    claims = await claim(store)
    await store.record([an_outcome(one) for one in claims[:2]])
    assert (await store.settle_copies()).cancelled == 0
    await store.record([an_outcome(claims[2])])
    assert (await store.settle_copies()).cancelled == 3
    assert sorted((d.lead_id, d.part) for d in heard) == [(id_of(copy), n) for n in (1, 2, 3)]
    await store.deliver_anyway([id_of(copy)], unlink=False, actor="t")
    assert [one.body for one in await claim(store)] == [b'{"n":1}', b'{"n":2}', b'{"n":3}']


@pytest.mark.parametrize("later", ["whole", "part"])
async def test_a_part_makes_its_request_the_same_persons(store: Store, later: str) -> None:
    def compared(body: bytes, **of: Any) -> NewLead:
        record = a_record(body=body)
        likeness = likeness_of(record, ("crm",), DuplicatesSettings())
        return a_lead(record=record, destinations=("crm",), likeness=likeness, **of)

    first = compared(b"1", contact=ADA, parts=parts(ADA, CY))
    await store.absorb(a_batch(first))
    assert (await store.lead(id_of(first))).same_person_as is None
    again = Contact(email=CY.email)
    second = (
        compared(b"2", contact=again)
        if later == "whole"
        else compared(b"2", contact=BO, parts=parts(BO, again), splits=True)
    )
    await store.absorb(a_batch(second))
    found = (await store.lead(id_of(second))).same_person_as
    assert found == first.record.lead_number


# ---------------------------------------------------------------- recovered


def stood(lead: NewLead, part: int, status: Status = Status.COMPLETED, to: str = "crm") -> Standing:
    return Standing(id_of(lead), to, status, 1, 1_000, part)


async def test_a_log_brings_each_part_to_where_it_stood(store: Store) -> None:
    lead = split()
    await store.absorb(a_batch(lead))
    done = await store.replay(
        [stood(lead, 1), stood(lead, 3, Status.FAILED), stood(lead, 2, to="gone")], lead_mark=0
    )
    assert done.unknown == 0
    assert sorted(await standings(store), key=str) == sorted(
        [
            (1, "crm", Status.COMPLETED),
            (2, "crm", Status.PENDING),
            (3, "crm", Status.FAILED),
            (2, "gone", Status.COMPLETED),
        ],
        key=str,
    )


async def test_a_part_that_is_not_there_now_completes_nothing(store: Store) -> None:
    whole, fewer = a_lead(destinations=("crm",)), split(parts=parts(ADA, BO))
    await store.absorb(a_batch(whole, fewer))
    done = await store.replay([stood(whole, 1), stood(fewer, 3)], lead_mark=0)
    assert (done.moved, done.unknown) == (0, 2)
    assert {status for *_, status in await standings(store)} == {Status.PENDING}
    assert await store.flaws() == []


async def test_a_request_that_went_whole_before_it_was_split_leaves_its_parts_to_a_person(
    store: Store,
) -> None:
    lead = split(parts=parts(ADA))
    await store.absorb(a_batch(lead))
    await store.replay([stood(lead, 0)], lead_mark=0)
    assert sorted(await standings(store)) == [
        (0, "crm", Status.COMPLETED),
        (1, "crm", Status.PENDING),
    ]


async def test_one_lead_of_several_can_be_named_by_its_number_in_the_request(store: Store) -> None:
    request, other = split(), a_lead()
    await store.absorb(a_batch(request, other))
    number = request.record.lead_number
    lead_id = str(UUID(bytes=request.record.lead_id))
    for ref in (f"{number}/2", f"{lead_id}/2", f"{lead_id.upper()}/2"):
        (view,) = await store.find(Selection(refs=(ref,)), limit=10)
        assert view.part == 2
    both = Selection(refs=(f"{number}/2", f"{lead_id}/3", str(other.record.lead_number)))
    assert sorted(view.part for view in await store.find(both, limit=10)) == [0, 2, 3]
    whole = Selection(refs=(f"{number}/2", str(number)))
    assert len(await store.find(whole, limit=10)) == 3

    held = await store.apply(
        Verb.HOLD, Selection(refs=(f"{number}/2",)), reason="look", actor="test"
    )
    assert held == 1
    shown = await store.lead(f"{number}/2")
    assert [one.contact for one in shown.parts] == [BO]
    assert [(view.part, view.status) for view in shown.deliveries] == [(2, Status.HELD)]
    assert {view.status for view in (await store.lead(f"{number}/3")).deliveries} == {
        Status.PENDING
    }


@pytest.mark.parametrize("part", ["4", "0", "x", "-1", "9999999999"])
async def test_a_lead_that_the_request_does_not_hold_is_an_error(store: Store, part: str) -> None:
    request = split()
    await store.absorb(a_batch(request))
    error = NotFound if part == "4" else UsageError
    with pytest.raises(error, match="lead"):
        await store.lead(f"{request.record.lead_number}/{part}")


async def test_a_lead_that_is_not_delivered_by_itself_has_no_delivery_to_name(store: Store) -> None:
    request = together()
    await store.absorb(a_batch(request))
    ref = f"{request.record.lead_number}/2"
    assert await store.find(Selection(refs=(ref,)), limit=10) == []
    assert [one.contact for one in (await store.lead(ref)).parts] == [BO]
