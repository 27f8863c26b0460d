"""The database fails over to its standby: what was answered 2xx is stored once, and delivered."""

import asyncio
import itertools
import signal
from pathlib import Path

from leadkeep.journal.inbox.wire import Wire
from leadkeep.journal.inbox.worth import worth_of
from leadkeep.store.postgres.hosts import is_outdated
from leadkeep.store.postgres.links import Target
from tests.faults.rig.brain import Brain
from tests.faults.rig.vendors import Vendors
from tests.faults.rig.waiting import wait_until
from tests.integration.failover.conftest import Pair, judged, node, stored

CONCURRENCY = 16
"""Deliveries that one worker has under way at once."""


def test_a_synchronous_standby_has_every_lead_that_was_answered(
    tmp_path: Path, brain: Brain, pair: Pair
) -> None:
    with (
        node(tmp_path / "a", brain, pair, disk=False) as one,
        node(tmp_path / "b", brain, pair, disk=False) as other,
    ):
        one.start()
        other.start()
        pair.waits_for_standby()
        numbers = itertools.count(1)
        vendors = [Vendors(2, it.port, numbers) for it in (one, other)]
        for some in vendors:
            some.wait_for_answers(100)
        assert "and on that of a synchronous standby" in one.status()[1]["a_200_is_worth"]
        pair.primary.stop()
        pair.promote()
        for some in vendors:
            some.wait_for_answers(100)  # By themselves the nodes find the new primary.
        answered = [number for some in vendors for number in some.stop()]
        wait_until("all is absorbed", lambda: stored(pair) >= len(answered))
        found = judged(pair, brain, answered)
        assert (found.lost, found.twice, found.changed, found.undelivered) == (0, 0, 0, 0)
        assert one.unexplained() == 0


def test_a_primary_that_hangs_and_comes_back_after_the_failover_takes_nothing(
    tmp_path: Path, brain: Brain, pair: Pair
) -> None:
    with node(tmp_path / "a", brain, pair, disk=False) as one:
        one.start()
        pair.waits_for_standby()
        vendors = Vendors(3, one.port, itertools.count(1))
        vendors.wait_for_answers(100)
        pair.primary.signal(signal.SIGSTOP)
        pair.promote()
        vendors.wait_for_answers(100)
        pair.primary.signal(signal.SIGCONT)
        vendors.wait_for_answers(200)
        answered = vendors.stop()
        wait_until("all is absorbed", lambda: stored(pair) >= len(answered))
        found = judged(pair, brain, answered)
        assert (found.lost, found.twice, found.changed, found.undelivered) == (0, 0, 0, 0)


def test_who_may_not_see_how_a_standby_follows_is_told_of_no_risk(pair: Pair) -> None:
    pair.waits_for_standby()
    pair.asked("CREATE ROLE plain LOGIN")
    wire = Wire(Target(pair.url.replace("leadkeep@", "plain@")))
    (said,) = wire.rows("what_a_commit_is_worth", seconds=10)
    wire.close()
    worth = worth_of(said, first=True, falls_back=False)
    assert worth.risks == ()
    assert "a synchronous standby" in worth.sentence


async def test_the_server_that_was_promoted_last_is_believed(pair: Pair) -> None:
    """Both can be written to, and the old one does not know better."""
    target = Target(pair.url, connect_seconds=5)
    before = await target.connect()
    try:
        assert not is_outdated(before)
        await asyncio.to_thread(pair.promote)
        for _ in range(5):
            after = await target.connect()
            assert await after.fetchval("SHOW data_directory") == str(pair.standby.data)
            assert not is_outdated(after)
            after.terminate()
        assert is_outdated(before)
    finally:
        before.terminate()


def lagging(tmp_path: Path, brain: Brain, pair: Pair, *, disk: bool) -> list[int]:
    """Leads are answered while the standby stands still; then it takes over."""
    with node(tmp_path / "a", brain, pair, disk=disk) as one:
        one.start()
        wait_until("the standby has the tables", lambda: stored(pair) == 0)
        pair.standby.signal(signal.SIGSTOP)
        vendors = Vendors(3, one.port, itertools.count(1))
        vendors.wait_for_answers(200)
        wait_until("they are in the store", lambda: stored(pair) >= 200)
        if not disk:
            assert "a failover can lose the latest leads" in one.status()[1]["a_200_is_worth"]
        pair.primary.stop()
        pair.standby.signal(signal.SIGCONT)
        pair.promote()
        vendors.wait_for_answers(100)
        answered = vendors.stop()
        if disk:
            wait_until("all is absorbed", lambda: stored(pair) >= len(answered))
        found = judged(pair, brain, answered)
        assert (found.twice, found.changed) == (0, 0)
        if disk:
            assert (found.lost, found.undelivered) == (0, 0)
            # Each once more, and what was under way once more again.
            assert found.redelivered <= len(answered) + 2 * CONCURRENCY
            assert one.unexplained() == 0
        return [found.lost]


def test_leads_on_the_doors_own_disk_outlast_a_standby_that_lags(
    tmp_path: Path, brain: Brain, pair: Pair
) -> None:
    assert lagging(tmp_path, brain, pair, disk=True) == [0]


def test_control_a_standby_that_lags_loses_what_was_in_the_inbox(
    tmp_path: Path, brain: Brain, pair: Pair
) -> None:
    (lost,) = lagging(tmp_path, brain, pair, disk=False)
    assert lost > 0
