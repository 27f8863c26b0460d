"""A batch in the store is its leads, each once, whatever its size and whichever way it goes in."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from leadkeep.models import Record
from leadkeep.states import Status
from leadkeep.store.base import Store
from leadkeep.store.sqlite.opening import open_sqlite
from tests.fakes.clock import FakeClock
from tests.store.builders import a_batch, a_lead, a_quarantined_lead, a_record


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    opened = await open_sqlite(tmp_path / "store.db", clock=FakeClock(), busy_timeout_ms=5_000)
    yield opened
    await opened.close()


def text_of(record: Record) -> str:
    digits = record.lead_id.hex()
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


@pytest.mark.parametrize("size", [1, 99, 100, 101, 250])
async def test_every_lead_of_a_batch_is_stored_with_its_own_values(store: Store, size: int) -> None:
    leads = [a_lead(body=b"%d" % n, destinations=("one", "two")[: 1 + n % 2]) for n in range(size)]

    report = await store.absorb(a_batch(*leads))

    assert report.absorbed == size
    for lead in leads:
        stored = await store.lead(text_of(lead.record))
        assert stored.lead_number == lead.record.lead_number
        assert stored.body == lead.record.body
        assert {delivery.destination for delivery in stored.deliveries} == set(lead.destinations)
    assert (await store.counts())[Status.PENDING] == sum(len(lead.destinations) for lead in leads)


@pytest.mark.parametrize("acknowledged_first", [True, False])
async def test_of_two_copies_in_a_batch_the_acknowledged_one_counts(
    store: Store, *, acknowledged_first: bool
) -> None:
    record = a_record()
    answered = a_lead(record=record)
    unanswered = a_quarantined_lead(record=record, acknowledged=False)
    copies = (answered, unanswered) if acknowledged_first else (unanswered, answered)

    report = await store.absorb(a_batch(*copies))

    assert (report.absorbed, report.already_known) == (1, 1)
    assert (await store.lead(text_of(record))).acknowledged


async def test_an_older_batch_beside_newer_leads_goes_in_and_not_twice(store: Store) -> None:
    older, newer = [a_lead() for _ in range(120)], [a_lead() for _ in range(3)]
    await store.absorb(a_batch(*newer))

    first = await store.absorb(a_batch(*older[:60]))
    again = await store.absorb(a_batch(*older, *newer))

    assert (first.absorbed, first.already_known, first.renumbered) == (60, 0, 0)
    assert (again.absorbed, again.already_known, again.renumbered) == (60, 63, 0)
