"""A lead that cannot be sent at all is held with its reason, and no try is spent on it."""

from collections.abc import Sequence
from pathlib import Path

from structlog.testing import capture_logs

from leadkeep.journal.outcomes import OutcomeLine, OutcomeLog
from leadkeep.models import Decision, Selection
from leadkeep.states import Status, Verb
from tests.integration.delivery.raw_server import OK, raw_server, replies
from tests.integration.delivery.workbench import Workbench, eventually

CLIMBS = b"/../admin"


async def test_what_cannot_be_sent_is_held_and_the_others_go_on(bench: Workbench) -> None:
    async with raw_server(replies(OK)) as server:
        (bad,) = await bench.add_leads(1, target=CLIMBS)
        await bench.add_leads(3)
        with capture_logs() as said:
            async with bench.running({"brain": server.url}, forward_path="append"):
                await eventually(lambda: _counts(bench, completed=3, held=1))
    lead = await bench.store.lead(bad)
    (view,) = lead.deliveries
    assert (view.status, view.attempts, lead.attempts[view.delivery_id]) == (Status.HELD, 0, ())
    assert view.error_message.startswith("the lead cannot be sent to brain: its path contains")
    assert len(server.requests) == 3
    (line,) = (one for one in said if one["event"] == "a lead cannot be sent and is held")
    assert (line["lead_id"], line["reason"]) == (bad, view.error_message)


async def test_it_is_in_the_log_of_actions_with_who_and_why(bench: Workbench) -> None:
    await bench.add_leads(1, target=CLIMBS)
    async with bench.running({"brain": "http://127.0.0.1:1"}, forward_path="append", name="w1"):
        await eventually(lambda: _counts(bench, held=1))
    _, rows = await bench.store.query("SELECT actor, verb, reason FROM actions", limit=9)
    ((actor, verb, reason),) = rows
    assert (actor, verb) == ("w1", "set_aside")
    assert "its path contains" in reason


async def test_a_person_may_resume_it_once_the_settings_are_mended(bench: Workbench) -> None:
    async with raw_server(replies(OK)) as server:
        await bench.add_leads(1, target=CLIMBS)
        async with bench.running({"brain": server.url}, forward_path="append"):
            await eventually(lambda: _counts(bench, held=1))
        everything = Selection(everything=True)
        await bench.store.apply(Verb.RESUME, everything, reason="mended", actor="ada")
        async with bench.running({"brain": server.url}, forward_path="replace"):
            await eventually(bench.all_completed)
    (view,) = await bench.deliveries()
    assert view.attempts == 1


async def test_a_run_of_what_is_due_counts_it_apart(bench: Workbench) -> None:
    await bench.add_leads(2, target=CLIMBS)
    async with bench.worker({"brain": "http://127.0.0.1:1"}, forward_path="append") as worker:
        run = await worker.deliver_due_once()
    assert (run.set_aside, run.attempted) == (2, 0)


async def test_the_log_of_outcomes_has_it_as_held_and_not_as_a_try(
    bench: Workbench, tmp_path: Path
) -> None:
    told: list[Decision] = []

    async def on_decided(decisions: Sequence[Decision]) -> None:
        told.extend(decisions)

    bench.store._on_decided = on_decided
    bench.outcome_log = OutcomeLog(tmp_path / "outcomes")
    (lead,) = await bench.add_leads(1, target=CLIMBS)
    async with bench.running({"brain": "http://127.0.0.1:1"}, forward_path="append"):
        await eventually(lambda: _counts(bench, held=1))
    assert [(one.lead_id, one.destination, one.status) for one in told] == [
        (lead, "brain", Status.HELD)
    ]
    lines = list(OutcomeLog(tmp_path / "outcomes").read())
    assert not [line for line in lines if isinstance(line, OutcomeLine)]


async def _counts(bench: Workbench, *, completed: int = 0, held: int = 0) -> bool:
    counts = await bench.store.counts()
    return (counts[Status.COMPLETED], counts[Status.HELD]) == (completed, held)
