"""What a person asks for happens to what they selected, in chunks, and to nothing else."""

import pytest

from leadkeep.errors import UsageError
from leadkeep.models import Selection
from leadkeep.states import GRAPH, Disposition, Status, Verb
from leadkeep.store.base import Store
from tests.fakes.clock import FakeClock
from tests.store.builders import (
    a_batch,
    a_lead,
    a_quarantined_lead,
    an_outcome,
    an_unrouted_lead,
)

EVERYTHING = Selection(everything=True)
PERSONS_VERBS = (Verb.HOLD, Verb.RESUME, Verb.RETRY, Verb.CANCEL)


async def a_delivery_in(store: Store, status: Status) -> None:
    """One delivery that got to `status` by the verbs."""
    await store.absorb(a_batch(a_lead()))
    if status in {Status.HELD, Status.CANCELLED}:
        verb = Verb.HOLD if status is Status.HELD else Verb.CANCEL
        await store.apply(verb, EVERYTHING, reason="", actor="test")
    elif status is not Status.PENDING:
        (claim,) = await store.claim(
            "default", limit=1, lease_ms=1_000, longest_wait_ms=1_000, worker="w"
        )
        if status is not Status.PROCESSING:
            await store.record([an_outcome(claim, status)])


@pytest.mark.parametrize("status", list(Status))
@pytest.mark.parametrize("verb", PERSONS_VERBS)
async def test_a_verb_does_what_the_graph_says_and_nothing_else(
    store: Store, verb: Verb, status: Status
) -> None:
    await a_delivery_in(store, status)
    after = GRAPH[verb].get(status)

    would = await store.apply(verb, EVERYTHING, reason="", actor="ada", dry_run=True)
    done = await store.apply(verb, EVERYTHING, reason="", actor="ada")

    assert would == done == (0 if after is None else 1)
    (delivery,) = await store.find(EVERYTHING, limit=2)
    assert delivery.status is (after or status)


@pytest.mark.parametrize("verb", [verb for verb in Verb if verb not in PERSONS_VERBS])
async def test_a_workers_verb_is_not_a_persons(store: Store, verb: Verb) -> None:
    with pytest.raises(UsageError):
        await store.apply(verb, EVERYTHING, reason="", actor="ada")


async def test_an_empty_selection_is_refused(store: Store) -> None:
    with pytest.raises(UsageError):
        await store.apply(Verb.CANCEL, Selection(), reason="", actor="ada")
    with pytest.raises(UsageError):
        await store.route(Selection(), ["crm"], actor="ada")


async def test_retry_is_due_at_once_and_starts_the_age_again(
    store: Store, clock: FakeClock
) -> None:
    await store.absorb(a_batch(a_lead()))
    (claim,) = await store.claim("default", limit=1, lease_ms=9, longest_wait_ms=9, worker="w")
    far = clock.now_ms + 800
    await store.record([an_outcome(claim, Status.PENDING, next_attempt_at_ms=far)])
    clock.advance(0.1)

    assert await store.apply(Verb.RETRY, EVERYTHING, reason="fixed", actor="ada") == 1

    assert await store.next_due_at_ms("default") == clock.now_ms
    (again,) = await store.claim("default", limit=1, lease_ms=9, longest_wait_ms=9, worker="w")
    assert (again.attempt, again.first_attempt_at_ms) == (2, None)


async def test_resume_is_due_at_once_and_starts_the_age_again(
    store: Store, clock: FakeClock
) -> None:
    await a_delivery_in(store, Status.FAILED)
    await store.apply(Verb.HOLD, EVERYTHING, reason="", actor="ada")
    clock.advance(3_600)
    await store.apply(Verb.RESUME, EVERYTHING, reason="", actor="ada")
    (delivery,) = await store.find(EVERYTHING, limit=2)
    assert delivery.next_attempt_at_ms == clock.now_ms
    assert delivery.error_message == "the destination answered 503"
    (claim,) = await store.claim("default", limit=1, lease_ms=9, longest_wait_ms=9, worker="w")
    assert (claim.attempt, claim.first_attempt_at_ms) == (2, None)


@pytest.mark.parametrize("verb", [Verb.HOLD, Verb.CANCEL])
async def test_the_reason_is_shown_beside_the_delivery(store: Store, verb: Verb) -> None:
    await store.absorb(a_batch(a_lead()))
    await store.apply(verb, EVERYTHING, reason="asked by the vendor", actor="ada")
    (delivery,) = await store.find(EVERYTHING, limit=2)
    assert delivery.error_message == "asked by the vendor"


async def test_every_change_is_in_the_log_of_actions(store: Store, clock: FakeClock) -> None:
    await store.absorb(a_batch(a_lead(), a_lead()))
    await store.apply(Verb.HOLD, EVERYTHING, reason="why", actor="ada")
    await store.apply(Verb.HOLD, EVERYTHING, reason="again", actor="ada")
    await store.hold_destination("default", reason="down", actor="bob")
    columns, rows = await store.query(
        "SELECT at_ms, actor, verb, destination, reason FROM actions ORDER BY id", limit=10
    )
    assert columns == ["at_ms", "actor", "verb", "destination", "reason"]
    assert rows == [
        (clock.now_ms, "ada", "hold", None, "why"),
        (clock.now_ms, "ada", "hold", None, "why"),
        (clock.now_ms, "bob", "hold", "default", "down"),
    ]


async def test_thousands_are_changed_in_chunks_up_to_the_limit(store: Store) -> None:
    await store.absorb(a_batch(*(a_lead() for _ in range(1_300))))
    assert await store.apply(Verb.HOLD, EVERYTHING, reason="", actor="a", dry_run=True) == 1_300
    assert await store.apply(Verb.HOLD, EVERYTHING, reason="", actor="a", limit=1_200) == 1_200
    assert (await store.counts())[Status.HELD] == 1_200
    assert await store.apply(Verb.HOLD, EVERYTHING, reason="", actor="a") == 100


async def test_retry_of_everything_counts_each_delivery_once(store: Store) -> None:
    await store.absorb(a_batch(a_lead(), a_lead(), a_lead()))
    claims = await store.claim("default", limit=2, lease_ms=9, longest_wait_ms=9, worker="w")
    await store.record([an_outcome(claim, Status.FAILED) for claim in claims])
    assert await store.apply(Verb.RETRY, EVERYTHING, reason="", actor="ada") == 3


async def test_only_what_is_selected_changes(store: Store, clock: FakeClock) -> None:
    now_us = clock.now_us()
    await store.absorb(
        a_batch(
            a_lead(source="lqf", received_at_us=now_us),
            a_lead(source="lqf", destinations=("crm",), received_at_us=now_us),
            a_lead(source="meta", received_at_us=now_us - 60_000_000),
        )
    )
    wanted = Selection(
        sources=("lqf",),
        destinations=("crm",),
        received_from_ms=now_us // 1_000,
        received_before_ms=now_us // 1_000 + 1,
        statuses=(Status.PENDING,),
    )
    assert await store.apply(Verb.CANCEL, wanted, reason="", actor="ada") == 1
    (cancelled,) = await store.find(Selection(statuses=(Status.CANCELLED,)), limit=5)
    assert (cancelled.source, cancelled.destination) == ("lqf", "crm")


async def test_a_lead_without_destination_is_routed_before_it_is_resumed(store: Store) -> None:
    await store.absorb(a_batch(a_quarantined_lead(), a_lead()))
    held = Selection(statuses=(Status.HELD,))
    assert await store.apply(Verb.RESUME, held, reason="", actor="ada", dry_run=True) == 0
    assert await store.apply(Verb.RESUME, held, reason="", actor="ada") == 0

    assert await store.route(held, ["crm", "dialer"], actor="ada", dry_run=True) == 1
    assert await store.route(held, ["crm", "dialer"], actor="ada") == 1

    assert await store.route(held, ["crm"], actor="ada") == 0
    assert await store.apply(Verb.RESUME, held, reason="", actor="ada") == 2
    waiting = {one.destination for one in await store.find(EVERYTHING, limit=9)}
    assert waiting == {"crm", "dialer", "default"}
    lead = await store.lead((await store.find(EVERYTHING, limit=9))[-1].lead_id)
    assert lead.disposition is Disposition.ROUTED


async def test_retry_does_not_touch_a_lead_without_destination(store: Store) -> None:
    await store.absorb(a_batch(an_unrouted_lead()))
    assert await store.apply(Verb.RETRY, EVERYTHING, reason="", actor="ada") == 0


async def test_routing_needs_a_destination(store: Store) -> None:
    with pytest.raises(UsageError):
        await store.route(EVERYTHING, [], actor="ada")
