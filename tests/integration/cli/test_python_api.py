"""`from leadkeep import Queue`: what a program can do."""

import asyncio
import subprocess
import sys
import threading
from pathlib import Path

import pytest

import leadkeep
from leadkeep import Queue, Selection, Status
from leadkeep.api import PAGE
from leadkeep.errors import JournalUnavailable, NotFound, SettingsError, UsageError
from tests.integration.cli.installation import Installation
from tests.store.builders import a_lead


def an_open_queue(installation: Installation) -> Queue:
    return Queue.open(data=str(installation.data))


def test_importing_the_package_loads_nothing_until_queue_is_asked_for() -> None:
    program = (
        "import sys, leadkeep; before = 'leadkeep.api' in sys.modules\n"
        "from leadkeep import Queue; assert not before and Queue.__module__ == 'leadkeep.api'"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
    with pytest.raises(AttributeError):
        _ = leadkeep.Nothing


def test_pending_failed_and_held_are_iterated_newest_first(installation: Installation) -> None:
    views = installation.absorb(*(a_lead() for _ in range(4)))
    installation.attempt("default", Status.FAILED)
    installation.ok("leads", "hold", views[2].lead_id)
    with an_open_queue(installation) as queue:
        assert len(list(queue.failed())) == 1
        assert [view.lead_id for view in queue.held()] == [views[2].lead_id]
        pending = [view.delivery_id for view in queue.pending()]
        assert len(pending) == 2
        assert pending == sorted(pending, reverse=True)
        assert queue.counts()[Status.FAILED] == 1
        assert queue.destinations()[0].name == "default"


def test_iterating_fetches_pages_until_the_last(installation: Installation) -> None:
    installation.absorb(*(a_lead() for _ in range(PAGE + 7)))
    with an_open_queue(installation) as queue:
        seen = [view.delivery_id for view in queue.pending()]
        assert len(seen) == len(set(seen)) == PAGE + 7
        first = next(iter(queue.find(Selection(everything=True))))
        assert first.delivery_id == max(seen)


def test_verbs_take_a_number_an_id_a_delivery_a_lead_or_a_selection(
    installation: Installation,
) -> None:
    (view,) = installation.absorb(a_lead())
    with an_open_queue(installation) as queue:
        lead = queue.lead(view.lead_number)
        assert queue.lead(view.lead_id) == lead == queue.lead(str(view.lead_number))
        assert queue.hold(view) == 1
        assert queue.resume(lead) == 1
        assert queue.cancel(view.lead_number, reason="test") == 1
        assert queue.retry(view.lead_id) == 1
        assert queue.retry(Selection(statuses=(Status.FAILED,))) == 0
        with pytest.raises(UsageError):
            queue.cancel(Selection())
        with pytest.raises(NotFound):
            queue.retry("1786800049001")


def test_a_delivery_means_only_its_own_destination(installation: Installation) -> None:
    brain, _ = installation.absorb(a_lead(destinations=("brain", "dialer")))
    with an_open_queue(installation) as queue:
        assert queue.cancel(brain) == 1
    assert installation.statuses() == ["cancelled", "pending"]


def test_a_destination_is_held_and_resumed(installation: Installation) -> None:
    installation.absorb(a_lead())
    with an_open_queue(installation) as queue:
        queue.hold_destination("default", reason="upgrade")
        assert queue.destinations()[0].hold_reason == "upgrade"
        queue.resume_destination("default")
        assert not queue.destinations()[0].held


def test_a_pushed_lead_is_absorbed_with_its_exact_bytes(installation: Installation) -> None:
    with an_open_queue(installation) as queue:
        pushed = [
            queue.push(b"\x00\xff", content_type="application/octet-stream"),
            queue.push('{"name": "Ada"}', target="/x?y=1", headers={"X-Vendor": "7"}),
        ]
        assert len({lead.lead_number for lead in pushed}) == 2
        installation.run("process-queue")
        first, second = (queue.lead(lead.lead_id) for lead in pushed)
    assert first.body == b"\x00\xff"
    assert second.body == b'{"name": "Ada"}'
    assert second.target == b"/x?y=1"
    assert b"X-Vendor: 7\r\n" in second.headers
    assert second.lead_number == pushed[1].lead_number


def test_pushing_works_while_the_store_cannot_be_opened(installation: Installation) -> None:
    installation.absorb(a_lead())
    (installation.data / "leadkeep.db").write_bytes(b"no database" * 1_000)
    with an_open_queue(installation) as queue:
        assert queue.push(b"{}").lead_id


def test_a_lead_that_cannot_be_made_durable_is_refused(installation: Installation) -> None:
    installation.data.mkdir()
    (installation.data / "journal").write_text("a file where the folder should be")
    with an_open_queue(installation) as queue, pytest.raises(JournalUnavailable):
        queue.push(b"{}")


def test_wrong_settings_are_refused_at_once(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="worker"):
        Queue.open(data=str(tmp_path), worker__no_such_thing="x")


def test_overrides_reach_nested_settings(tmp_path: Path) -> None:
    with Queue.open(data=str(tmp_path), worker__default_region="GB") as queue:
        assert queue.settings.worker.default_region == "GB"


def test_a_closed_queue_refuses_and_leaves_no_thread(installation: Installation) -> None:
    before = threading.active_count()
    queue = an_open_queue(installation)
    queue.counts()
    queue.push(b"{}")
    queue.close()
    queue.close()
    assert threading.active_count() == before
    with pytest.raises(UsageError, match="closed"):
        queue.counts()


async def test_it_is_used_from_asyncio_by_threads(installation: Installation) -> None:
    def push(queue: Queue, number: int) -> int:
        return queue.push(b"%d" % number).lead_number

    queue = an_open_queue(installation)
    try:
        numbers = await asyncio.gather(
            *(asyncio.to_thread(push, queue, number) for number in range(8))
        )
    finally:
        await asyncio.to_thread(queue.close)
    assert len(set(numbers)) == 8


def test_the_shell_has_the_queue_loaded(installation: Installation) -> None:
    installation.absorb(a_lead())
    done = subprocess.run(
        [sys.executable, "-m", "leadkeep", "shell", "--data", str(installation.data)],
        input="print('pending:', queue.counts()[Status.PENDING], len(list(queue.find("
        "Selection(everything=True)))))\n",
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert "pending: 1 1" in done.stdout
