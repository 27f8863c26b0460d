"""What the archive asks before it lets a segment go."""

from uuid import uuid4

from leadkeep.models import Selection
from leadkeep.states import Status, Verb
from leadkeep.store.base import Store
from tests.store.builders import a_batch, a_lead, a_quarantined_lead, an_outcome


async def test_a_segment_is_unsettled_until_each_delivery_is_completed_or_cancelled(
    store: Store,
) -> None:
    segment, other = uuid4(), uuid4()
    await store.absorb(a_batch(a_lead(destinations=("crm", "default")), segment=segment))
    await store.absorb(a_batch(a_lead(destinations=("elsewhere",)), segment=other))
    await store.absorb(a_batch(a_quarantined_lead(), segment=segment, expected_offset=4096))
    assert await store.unsettled(segment) == 3
    assert await store.unsettled(other) == 1

    for destination in ("crm", "default"):
        (claim,) = await store.claim(
            destination, limit=1, lease_ms=9, longest_wait_ms=9, worker="w"
        )
        assert await store.unsettled(segment) > 1
        await store.record([an_outcome(claim)])
    assert await store.unsettled(segment) == 1

    held = Selection(statuses=(Status.HELD,))
    await store.apply(Verb.CANCEL, held, reason="", actor="ada")
    assert await store.unsettled(segment) == 0
    assert await store.unsettled(other) == 1


async def test_a_segment_without_leads_or_unknown_is_settled(store: Store) -> None:
    segment = uuid4()
    await store.absorb(a_batch(segment=segment))
    assert await store.unsettled(segment) == 0
    assert await store.unsettled(uuid4()) == 0


async def test_failed_leads_keep_their_segment(store: Store) -> None:
    segment = uuid4()
    await store.absorb(a_batch(a_lead(), segment=segment))
    (claim,) = await store.claim("default", limit=1, lease_ms=9, longest_wait_ms=9, worker="w")
    await store.record([an_outcome(claim, Status.FAILED)])
    assert await store.unsettled(segment) == 1


async def test_a_forgotten_segment_keeps_its_counts(store: Store) -> None:
    segment = uuid4()
    await store.absorb(a_batch(a_lead(), segment=segment, finished=True))
    await store.forget_segment(segment)
    await store.forget_segment(uuid4())
    assert (await store.progress())[segment].leads == 1
    _, rows = await store.query(
        "SELECT count(*) FROM segments WHERE forgotten_at_ms IS NOT NULL", limit=1
    )
    assert rows == [(1,)]


async def test_a_checkpoint_says_that_it_is_done(store: Store) -> None:
    await store.absorb(a_batch(a_lead()))
    assert await store.checkpoint()


async def test_the_highest_number_of_an_empty_store_is_0(store: Store) -> None:
    assert await store.highest_lead_number() == 0
