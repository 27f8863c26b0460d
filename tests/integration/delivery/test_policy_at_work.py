"""What the retry policy of a destination does to real leads in a real store."""

from itertools import pairwise

from structlog.testing import capture_logs

from leadkeep.delivery import metrics
from leadkeep.models import Selection
from leadkeep.settings.model import RetrySettings
from leadkeep.settings.statuses import StatusRange
from leadkeep.states import Status, Verb
from tests.integration.delivery.raw_server import OK, Answer, Visit, raw_server
from tests.integration.delivery.workbench import SOON, Workbench, eventually


def answers(*statuses: int) -> Answer:
    """One status after another, over all connections; then 200."""
    left = iter(statuses)

    async def script(visit: Visit) -> None:
        while await visit.request():
            status = next(left, 200)
            line = b"HTTP/1.1 %d X\r\nContent-Length: 0\r\n\r\n" % status
            await visit.send(OK if status == 200 else line)

    return script


async def test_a_terminal_outcome_fails_at_once_and_waits_for_a_person(bench: Workbench) -> None:
    policy = RetrySettings(
        first_seconds=0.02, longest_seconds=0.1, terminal=(StatusRange(410, 410),)
    )
    async with raw_server(answers(503, 410)) as server:
        await bench.add_leads(1)
        async with bench.running({"brain": server.url}, retry=policy):
            await eventually(lambda: bench.count(Status.FAILED))
            [lead] = await bench.deliveries()
            assert lead.attempts == 2
            assert lead.error_message == (
                "brain answered 410 Gone; not tried again, since retry.terminal names 410"
            )
            selection = Selection(statuses=(Status.FAILED,))
            await bench.store.apply(Verb.RETRY, selection, reason="mended", actor="me")
            await eventually(bench.all_completed)


async def test_a_refusal_is_said_aloud_and_counted_and_any_other_failure_is_not(
    bench: Workbench,
) -> None:
    def to_mend() -> float:
        found = metrics.TO_MEND.labels("brain", "http_4xx")._value.get()
        return float(found)

    before = to_mend()
    policy = RetrySettings(first_seconds=0.02, longest_seconds=0.1, refused_first_seconds=0)
    with capture_logs() as logs:
        async with raw_server(answers(503, 429, 404)) as server:
            await bench.add_leads(1)
            async with bench.running({"brain": server.url}, retry=policy):
                await eventually(bench.all_completed)
    said = [(entry["log_level"], entry.get("error_class")) for entry in logs]
    assert ("info", "http_503") in said and ("info", "http_429") in said
    assert ("warning", "http_404") in said
    assert to_mend() - before == 1


async def test_a_list_of_waits_is_kept_between_tries(bench: Workbench) -> None:
    policy = RetrySettings(
        kind="list", waits_seconds=(0.1, 0.3), jitter="none", refused_first_seconds=0
    )
    async with raw_server(answers(503, 503, 503)) as server:
        await bench.add_leads(1)
        async with bench.running({"brain": server.url}, retry=policy):
            await eventually(bench.all_completed)
    [lead] = await bench.deliveries()
    tries = (await bench.store.lead(lead.lead_id)).attempts[lead.delivery_id]
    starts = [one.started_at_ms for one in tries]
    waits = [later - earlier for earlier, later in pairwise(starts)]
    assert len(waits) == 3
    assert all(wait >= least for wait, least in zip(waits, (100, 300, 300), strict=True))


async def test_a_lead_that_failed_by_its_age_has_its_whole_age_again_when_a_person_retries_it(
    bench: Workbench,
) -> None:
    async with raw_server(answers(503, 503)) as server:
        await bench.add_leads(1)
        urls = {"brain": server.url}
        async with bench.running(urls, retry=RetrySettings(age_seconds=0)):
            await eventually(lambda: bench.count(Status.FAILED))
        selection = Selection(statuses=(Status.FAILED,))
        await bench.store.apply(Verb.RETRY, selection, reason="mended", actor="me")
        async with bench.running(urls, retry=SOON):
            await eventually(bench.all_completed)
    [lead] = await bench.deliveries()
    assert lead.attempts == 3
