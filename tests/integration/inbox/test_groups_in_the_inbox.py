"""What a door commits to the inbox is read again byte for byte, and what is harmed is named."""

import asyncio
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest

from leadkeep.errors import JournalUnavailable
from leadkeep.journal.base import Damage, Group, SegmentState
from leadkeep.journal.inbox.writer import InboxJournal
from leadkeep.models import Record
from tests.fakes.postgres import Cluster
from tests.faults.rig.waiting import wait_until
from tests.integration.inbox.conftest import Inbox, put, read, records_of
from tests.store.builders import a_record


@pytest.fixture
def hanging(cluster: Cluster) -> Iterator[Cluster]:
    """A server that may be frozen; it goes on when the test ends."""
    yield cluster
    cluster.signal(signal.SIGCONT)


def test_a_group_is_read_as_it_was_committed(inbox: Inbox) -> None:
    records = [a_record(body=bytes(range(256)) * size) for size in (0, 1, 40)]
    journal = inbox.journal()
    put(journal, *records[:2])
    put(journal, records[2])
    reader = inbox.reader()
    (info,) = reader.segments()
    assert info.state is SegmentState.LIVE
    assert records_of(read(reader, info)) == records


def test_reading_goes_on_where_it_ended(inbox: Inbox) -> None:
    journal, reader = inbox.journal(), inbox.reader()
    put(journal, a_record())
    (info,) = reader.segments()
    assert info.durable is not None
    later = a_record()
    put(journal, later)
    refreshed = reader.refresh(info)
    assert refreshed is not None
    assert records_of(read(reader, refreshed, info.durable)) == [later]
    # As it was listed first, it ends where it ended then.
    assert read(reader, info, info.durable) == []


def test_groups_larger_than_a_window_are_read(inbox: Inbox) -> None:
    records = [a_record(body=bytes([number]) * 1_500_000) for number in range(4)]
    journal, reader = inbox.journal(), inbox.reader()
    for record in records:
        put(journal, record)
    (info,) = reader.segments()
    assert records_of(read(reader, info)) == records


def test_a_door_that_closes_ends_its_segment(inbox: Inbox) -> None:
    journal, reader = inbox.journal(), inbox.reader()
    put(journal, a_record())
    journal.close()
    (info,) = reader.segments()
    assert info.state is SegmentState.SEALED
    assert len(records_of(read(reader, info))) == 1


def test_a_door_whose_segment_was_ended_by_another_begins_a_new_one(inbox: Inbox) -> None:
    first, second = a_record(), a_record()
    journal, reader = inbox.journal(), inbox.reader()
    put(journal, first)
    inbox.sql("UPDATE inbox_segments SET sealed_at = now()")
    put(journal, second)
    ended, begun = reader.segments()
    assert (ended.state, begun.state) == (SegmentState.SEALED, SegmentState.LIVE)
    assert records_of(read(reader, ended)) == [first]
    assert records_of(read(reader, begun)) == [second]


def test_a_door_takes_no_longer_than_its_deadline_while_the_database_hangs(
    inbox: Inbox, hanging: Cluster
) -> None:
    journal = inbox.journal(deadline_ms=200)
    put(journal, a_record())
    hanging.signal(signal.SIGSTOP)
    with pytest.raises(JournalUnavailable):
        put(journal, a_record())
    with pytest.raises(JournalUnavailable):
        put(journal, a_record())


def test_a_group_that_was_given_up_and_came_all_the_same_is_not_acknowledged(
    inbox: Inbox, hanging: Cluster
) -> None:
    known, given_up, later = a_record(), a_record(), a_record()
    journal = inbox.journal(deadline_ms=300)
    put(journal, known)
    hanging.signal(signal.SIGSTOP)
    with pytest.raises(JournalUnavailable):
        put(journal, given_up)
    hanging.signal(signal.SIGCONT)
    wait_until("it is used again", lambda: _takes(journal, later))
    reader = inbox.reader()
    doubtful, begun = reader.segments()
    assert doubtful.state is SegmentState.POISONED
    told = {
        record.lead_id: entry.acknowledged
        for entry in read(reader, doubtful)
        if isinstance(entry, Group)
        for record in entry.records
    }
    assert told[known.lead_id]
    # Whether it came is chance; what the vendor was told is not.
    assert told.get(given_up.lead_id, False) is False
    assert records_of(read(reader, begun)) == [later]


def _takes(journal: InboxJournal, record: Record) -> bool:
    try:
        put(journal, record)
    except JournalUnavailable:
        return False
    return True


def test_a_database_that_can_only_be_read_takes_nothing(inbox: Inbox) -> None:
    inbox.sql(f"ALTER DATABASE {inbox.name} SET default_transaction_read_only = on")
    with pytest.raises(JournalUnavailable, match="standby"):
        put(inbox.journal(), a_record())


def test_another_session_follows_one_that_the_server_has_ended(inbox: Inbox) -> None:
    first, second = a_record(), a_record()
    journal = inbox.journal()
    put(journal, first)
    inbox.sql(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    wait_until("it is used again", lambda: _takes(journal, second))
    reader = inbox.reader()
    found = [one for info in reader.segments() for one in records_of(read(reader, info))]
    assert found == [first, second]


@pytest.mark.parametrize(
    "harm",
    [
        "DELETE FROM inbox WHERE begins = 8192",
        "UPDATE inbox SET bytes = set_byte(bytes, 80, 255 - get_byte(bytes, 80)) "
        "WHERE begins = 8192",
        "UPDATE inbox SET bytes = substr(bytes, 1, 70) WHERE begins = 8192",
    ],
)
def test_a_group_that_was_harmed_is_named_and_the_others_are_read(inbox: Inbox, harm: str) -> None:
    records = [a_record(), a_record(), a_record()]
    journal, reader = inbox.journal(), inbox.reader()
    for record in records:
        put(journal, record)
    inbox.sql(harm)
    (info,) = reader.segments()
    entries = read(reader, info)
    damage = [entry for entry in entries if isinstance(entry, Damage)]
    assert [(one.offset, one.end) for one in damage] == [(8192, 12288)]
    whole = [entry.records for entry in entries if isinstance(entry, Group)]
    assert whole == [(records[0],), (records[2],)]


def test_what_has_left_the_inbox_is_not_damaged(inbox: Inbox) -> None:
    journal, reader = inbox.journal(), inbox.reader()
    put(journal, a_record())
    (info,) = reader.segments()
    inbox.sql("DELETE FROM inbox")
    inbox.sql("DELETE FROM inbox_segments")
    with pytest.raises(JournalUnavailable, match="has left"):
        read(reader, info)


def test_only_one_node_at_a_time_is_shown_what_it_may_absorb(inbox: Inbox) -> None:
    put(inbox.journal(), a_record())
    one, other, looking = inbox.reader("one"), inbox.reader("other"), inbox.reader()
    (mine,) = one.segments()
    assert len(records_of(read(one, mine))) == 1
    (theirs,) = other.segments()
    assert (theirs.state, theirs.durable) == (SegmentState.LIVE, None)
    assert read(other, theirs) == []
    assert len(records_of(read(looking, looking.segments()[0]))) == 1


def test_the_turn_of_a_node_that_is_gone_passes_to_another(inbox: Inbox) -> None:
    put(inbox.journal(), a_record())
    inbox.reader("one").segments()
    inbox.sql("UPDATE inbox_turn SET absorbs_until = now() - interval '1 second'")
    other = inbox.reader("other")
    (info,) = other.segments()
    assert len(records_of(read(other, info))) == 1


def test_a_commit_waits_for_the_disk_though_the_database_is_set_not_to(inbox: Inbox) -> None:
    inbox.sql(f"ALTER DATABASE {inbox.name} SET synchronous_commit = off")
    inbox.sql("CREATE TABLE seen (said text)")
    inbox.sql(
        "CREATE FUNCTION see() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        "INSERT INTO seen VALUES (current_setting('synchronous_commit')); RETURN new; END $$"
    )
    inbox.sql("CREATE TRIGGER see AFTER INSERT ON inbox FOR EACH ROW EXECUTE FUNCTION see()")
    put(inbox.journal(), a_record())
    assert inbox.sql("SELECT DISTINCT said FROM seen") == [("on",)]


def test_a_commit_that_somebody_ended_while_it_waited_for_a_standby_is_not_acknowledged() -> None:
    """The server calls it a success, with a warning: it is on one disk only."""
    with Cluster(durable=True) as alone, ExitStack() as resources:
        inbox = Inbox(asyncio.run(alone.new_database()), resources)
        journal = inbox.journal(deadline_ms=30_000)
        put(journal, a_record())
        alone.set("synchronous_standby_names", "nobody")
        waits = "FROM pg_stat_activity WHERE wait_event = 'SyncRep'"
        with ThreadPoolExecutor(1) as door:
            commit = door.submit(put, journal, a_record())
            wait_until("it waits", lambda: inbox.sql(f"SELECT count(*) {waits}") == [(1,)])
            inbox.sql(f"SELECT pg_cancel_backend(pid) {waits}")
            with pytest.raises(JournalUnavailable, match="one disk only"):
                commit.result()
        alone.set("synchronous_standby_names", "")
