"""A lead's page and its JSON say for whom it waits and whether it went out of order."""

from pathlib import Path

from leadkeep.cli.lead_page import lead_json, lead_lines
from leadkeep.models import LeadOrder, LeadView
from leadkeep.states import Status
from leadkeep.store.sqlite.opening import open_sqlite
from tests.fakes.clock import FakeClock
from tests.store.builders import a_batch, a_lead, an_outcome

ORDER = LeadOrder(key=b"k" * 16, wait_ms=900_000)


def page(lead: LeadView) -> str:
    return "\n".join(line.plain for line in lead_lines(lead, reveal=False))


async def test_the_page_says_for_whom_a_lead_waits_and_that_it_overtook(tmp_path: Path) -> None:
    clock = FakeClock()
    store = await open_sqlite(tmp_path / "leadkeep.db", clock=clock, busy_timeout_ms=1_000)
    early, late = a_lead(order=ORDER), a_lead(order=ORDER)
    lost = a_lead(order=LeadOrder(key=b"l" * 16, wait_ms=900_000, refers_to_name=b"n" * 16))
    await store.absorb(a_batch(early, late, lost))

    async def seen(number: int) -> LeadView:
        return await store.lead(str(number))

    waiting = await seen(late.record.lead_number)
    assert f"waits for lead {early.record.lead_number}, until" in page(waiting)
    assert "next try" not in page(waiting)
    assert "waits for a lead that has not come yet" in page(await seen(lost.record.lead_number))

    async def claim_and_end(status: Status) -> None:
        claims = await store.claim(
            "default", limit=1, lease_ms=60_000, longest_wait_ms=9_000_000, worker="w"
        )
        later = clock.now_ms + 2_000_000 if status is Status.PENDING else None
        await store.record([an_outcome(one, status, next_attempt_at_ms=later) for one in claims])

    await claim_and_end(Status.PENDING)
    clock.advance(900)
    await claim_and_end(Status.COMPLETED)
    overtook = await seen(late.record.lead_number)
    assert "completed, out of order: sent before a lead that it had to wait for" in page(overtook)
    (delivery,) = lead_json(overtook, reveal=False)["deliveries"]  # type: ignore[misc]
    assert delivery["out_of_order"] == "overtook"  # type: ignore[has-type]
    assert "out of order" not in page(await seen(early.record.lead_number))

    await claim_and_end(Status.COMPLETED)
    clock.advance(2_000)
    await claim_and_end(Status.COMPLETED)
    overtaken = page(await seen(early.record.lead_number))
    assert "out of order: a later lead of its key was sent before it" in overtaken
    await store.close()
