"""Leads of another system's queue begin where they stood there, and nobody sees them before."""

from typing import Any
from uuid import UUID

import pytest

from leadkeep.models import LeadView, NewLead, Origin, RecordFlag, Selection
from leadkeep.states import Disposition, LeadClass, Status, Verb
from leadkeep.store.base import Store
from tests.fakes.clock import FakeClock
from tests.store.builders import RECEIVED_AT_US, a_batch, a_lead

PROCESSED_AT_US = RECEIVED_AT_US + 5_000_000


def an_imported_lead(
    standing: Status, *, origin: dict[str, Any] | None = None, **of: Any
) -> NewLead:
    known = Origin(queue="q", row="7", standing=standing, **(origin or {}))
    return a_lead(origin=known, flags=RecordFlag.PUSHED | RecordFlag.IMPORTED, **of)


async def absorbed(store: Store, lead: NewLead) -> LeadView:
    await store.absorb(a_batch(lead))
    return await store.lead(str(UUID(bytes=lead.record.lead_id)))


async def claimable(store: Store, destination: str = "default") -> int:
    found = await store.claim(
        destination, limit=10, lease_ms=60_000, longest_wait_ms=900_000, worker="w"
    )
    return len(found)


async def test_completed_there_is_completed_here_and_never_claimed(store: Store) -> None:
    lead = an_imported_lead(
        Status.COMPLETED, origin={"attempts": 3, "processed_at_us": PROCESSED_AT_US}
    )

    view = await absorbed(store, lead)

    (delivery,) = view.deliveries
    assert delivery.status is Status.COMPLETED
    assert delivery.processed_at_ms == PROCESSED_AT_US // 1_000
    assert delivery.attempts == 3
    assert RecordFlag.IMPORTED in view.flags
    assert await claimable(store) == 0
    assert (await store.counts())[Status.COMPLETED] == 1


async def test_completed_there_without_a_destination_is_nobodys_to_deliver(store: Store) -> None:
    lead = an_imported_lead(Status.COMPLETED, destinations=(), disposition=Disposition.UNROUTED)

    (delivery,) = (await absorbed(store, lead)).deliveries

    assert delivery.status is Status.COMPLETED
    assert delivery.processed_at_ms == RECEIVED_AT_US // 1_000  # no other time is known
    assert await store.adopt_unrouted(["default"]) == 0


async def test_failed_there_is_failed_here_until_somebody_retries_it(store: Store) -> None:
    lead = an_imported_lead(Status.FAILED, origin={"attempts": 5, "error": "HTTP 500"})

    view = await absorbed(store, lead)

    (delivery,) = view.deliveries
    assert delivery.status is Status.FAILED
    assert delivery.error_message == "HTTP 500"
    (attempt,) = view.attempts[delivery.delivery_id]
    assert (attempt.attempt, attempt.error_message) == (5, "HTTP 500")
    assert await claimable(store) == 0
    assert await store.apply(
        Verb.RETRY, Selection(refs=(view.lead_id,)), reason="mended", actor="ada"
    )
    assert await claimable(store) == 1


async def test_failed_there_fails_at_each_destination(store: Store) -> None:
    lead = an_imported_lead(Status.FAILED, destinations=("brain", "crm"))
    view = await absorbed(store, lead)
    assert [one.status for one in view.deliveries] == [Status.FAILED] * 2


async def test_tries_there_count_and_the_next_one_is_made_here(store: Store) -> None:
    lead = an_imported_lead(Status.PENDING, origin={"attempts": 2, "error": "timed out"})

    (before,) = (await absorbed(store, lead)).deliveries
    (claim,) = await store.claim(
        "default", limit=1, lease_ms=60_000, longest_wait_ms=900_000, worker="w"
    )

    assert (before.status, before.error_message) == (Status.PENDING, "timed out")
    assert claim.attempt == 3
    assert claim.first_attempt_at_ms is None  # its age is counted from the first try made here


async def test_a_held_one_stays_held_whatever_it_was_there(store: Store) -> None:
    lead = an_imported_lead(Status.FAILED, origin={"attempts": 5}, hold_reason="look at it")
    (delivery,) = (await absorbed(store, lead)).deliveries
    assert (delivery.status, delivery.error_message) == (Status.HELD, "look at it")


@pytest.mark.parametrize("standing", [Status.PENDING, Status.COMPLETED, Status.FAILED])
async def test_the_second_time_it_is_known_and_left_alone(
    store: Store, clock: FakeClock, standing: Status
) -> None:
    lead = an_imported_lead(standing, origin={"attempts": 2})
    first = await absorbed(store, lead)
    report = await store.absorb(a_batch(lead))
    assert (report.absorbed, report.already_known) == (0, 1)
    assert await store.lead(first.lead_id) == first


async def test_the_census_counts_them_where_they_stand(store: Store) -> None:
    batch = [
        an_imported_lead(standing)
        for standing in (Status.COMPLETED, Status.FAILED, Status.PENDING, Status.PENDING)
    ]
    await store.absorb(a_batch(*batch))
    counts = await store.counts()
    assert counts[Status.COMPLETED] == counts[Status.FAILED] == 1
    assert counts[Status.PENDING] == 2
    census = await store.census()
    (classes,) = census.classes.values()
    assert classes == {LeadClass.COMPLETED: 1, LeadClass.FAILED: 1, LeadClass.PENDING: 2}
    assert census.without_delivery == {}
