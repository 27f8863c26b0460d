"""Durable before answered: group commit, the next journal, and 503 when there is none."""

import socket
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from leadkeep.clock import SystemClock
from leadkeep.errors import JournalUnavailable
from leadkeep.journal.disk import DiskJournal
from leadkeep.journal.doorbell import Doorbell
from leadkeep.journal.numbers import LeadNumbers
from leadkeep.models import Position, RecordKind
from tests.integration.intake.conftest import OpenDoor
from tests.integration.intake.rig import (
    DEADLINE_SECONDS,
    SEGMENT_BYTES,
    Client,
    disk_journal,
    records_in,
    request,
    wait_until,
)


class FaultyJournal(DiskJournal):
    """A real journal that can be told to fail, to hang, or to take its time."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, segment_bytes=SEGMENT_BYTES, clock=SystemClock())
        self.fails = False
        self.raises: Exception | None = None
        self.goes_on = threading.Event()
        self.goes_on.set()
        self.groups: list[int] = []
        self.tries = 0

    def commit(self, records: Sequence[bytes]) -> Position:
        self.tries += 1
        assert self.goes_on.wait(DEADLINE_SECONDS)
        if self.raises is not None:
            raise self.raises
        if self.fails:
            raise JournalUnavailable("told to fail")
        self.groups.append(len(records))
        return super().commit(records)


@pytest.fixture
def first(tmp_path: Path) -> FaultyJournal:
    return FaultyJournal(tmp_path / "journal")


@pytest.fixture
def second(tmp_path: Path) -> FaultyJournal:
    return FaultyJournal(tmp_path / "second")


def bodies(folder: Path) -> list[bytes]:
    return [record.body for record in records_in(folder) if record.kind is RecordKind.LEAD]


def test_no_answer_is_given_before_the_commit(open_door: OpenDoor, first: FaultyJournal) -> None:
    door = open_door(journals=[first], deadline_ms=10_000)
    first.goes_on.clear()
    with door.connect() as client:
        client.send(request(body=b"x"))
        assert client.is_silent(0.3)
        assert door.leads() == []
        first.goes_on.set()
        assert client.answer().status == 200
    assert len(door.leads()) == 1


def test_what_arrives_during_a_commit_goes_into_the_next(
    open_door: OpenDoor, first: FaultyJournal
) -> None:
    door = open_door(journals=[first], deadline_ms=10_000)
    first.goes_on.clear()
    clients = [door.connect().send(request(body=b"0"))]
    wait_until(lambda: door.door.details()["waiting_bytes"], "the first lead")
    time.sleep(0.05)
    clients += [door.connect().send(request(body=b"%d" % n)) for n in range(1, 30)]
    wait_until(lambda: int(str(door.door.details()["waiting_bytes"])) > 30 * 64, "thirty leads")
    time.sleep(0.1)
    first.goes_on.set()
    assert [client.answer().status for client in clients] == [200] * 30
    assert first.groups == [1, 29]
    for client in clients:
        client.sock.close()


def test_a_commit_is_bounded_in_bytes(open_door: OpenDoor, first: FaultyJournal) -> None:
    door = open_door(journals=[first], deadline_ms=10_000, batch_max_bytes=64 * 1024)
    first.goes_on.clear()
    with door.connect() as client:
        client.send(b"".join(request(body=b"%d" % n * 30_000) for n in range(7)))
        wait_until(lambda: int(str(door.door.details()["waiting_bytes"])) > 7 * 30_000, "all")
        first.goes_on.set()
        assert [client.answer().status for _ in range(7)] == [200] * 7
    assert sum(first.groups) == 7
    assert max(first.groups) == 2
    assert [body[:1] for body in bodies(first.folder)] == [b"%d" % n for n in range(7)]


def test_a_failing_journal_is_passed_over(
    open_door: OpenDoor, first: FaultyJournal, second: FaultyJournal
) -> None:
    door = open_door(journals=[first, second])
    first.fails = True
    assert door.ask(request(body=b"to the second")).status == 200
    assert bodies(first.folder) == []
    assert bodies(second.folder) == [b"to the second"]


def test_a_journal_that_breaks_in_an_unforeseen_way_is_passed_over(
    open_door: OpenDoor, first: FaultyJournal, second: FaultyJournal
) -> None:
    door = open_door(journals=[first, second])
    first.raises = ZeroDivisionError("a bug")
    assert door.ask(request(body=b"x")).status == 200
    assert bodies(second.folder) == [b"x"]


def test_a_journal_that_works_again_is_used_again(
    open_door: OpenDoor, first: FaultyJournal, second: FaultyJournal
) -> None:
    door = open_door(journals=[first, second])
    first.fails = True
    with door.connect() as client:
        assert client.ask(request(body=b"a")).status == 200
        first.fails = False
        wait_until(lambda: door.door._trusted()[first.name], "trust in the first journal")
        assert client.ask(request(body=b"b")).status == 200
    assert bodies(first.folder) == [b"b"]
    assert bodies(second.folder) == [b"a"]


def test_a_hung_journal_holds_nobody_up_for_longer_than_its_deadline(
    open_door: OpenDoor, first: FaultyJournal, second: FaultyJournal
) -> None:
    door = open_door(journals=[first, second], deadline_ms=100)
    first.goes_on.clear()
    with door.connect() as client:
        assert client.ask(request(body=b"slow")).status == 200
        assert client.ask(request(body=b"at once")).status == 200
        assert bodies(second.folder) == [b"slow", b"at once"]
        assert bodies(first.folder) == []
        # What hung becomes durable there as well, under the same id; then the journal is proved.
        first.goes_on.set()
        wait_until(lambda: door.door._trusted()[first.name], "trust in the first journal")
        assert client.ask(request(body=b"back")).status == 200
    assert bodies(first.folder) == [b"slow", b"back"]
    ids = [r.lead_id for r in records_in(first.folder) if r.body == b"slow"]
    assert ids == [r.lead_id for r in records_in(second.folder) if r.body == b"slow"]


def test_without_any_journal_the_answer_is_503_and_never_anything_else(
    open_door: OpenDoor, first: FaultyJournal, second: FaultyJournal
) -> None:
    door = open_door(journals=[first, second])
    first.fails = second.fails = True
    with door.connect() as client:
        for _ in range(3):
            answer = client.ask(request(body=b"x"))
            assert answer.status == 503
            assert answer.headers["retry-after"] == "5"
            assert answer.json["success"] is False
    assert door.door.counts.refused["unavailable"] == 3
    first.fails = False
    assert door.ask(request(body=b"x")).status == 200


def test_with_the_only_journal_hung_everybody_is_told_to_come_again(
    open_door: OpenDoor, first: FaultyJournal
) -> None:
    door = open_door(journals=[first], deadline_ms=100)
    first.goes_on.clear()
    with door.connect() as client:
        client.send(request(body=b"hangs") + request("GET", "/livez") + request(body=b"hangs too"))
        assert [client.answer().status for _ in range(3)] == [503, 200, 503]
        assert client.ask(request(body=b"at once")).status == 503
        assert client.ask(request("GET", "/readyz")).status == 503
        first.goes_on.set()
        wait_until(lambda: door.door._trusted()[first.name], "trust")
        assert client.ask(request(body=b"back")).status == 200
    assert b"back" in bodies(first.folder)


def test_answers_stay_in_order_when_commits_fail(open_door: OpenDoor, first: FaultyJournal) -> None:
    door = open_door(journals=[first], batch_max_bytes=64 * 1024)
    first.fails = True
    wire = (request(body=b"x" * 20_000) + request("GET", "/livez")) * 20
    with door.connect() as client:
        client.send(wire)
        statuses = [client.answer().status for _ in range(40)]
    assert statuses == [503, 200] * 20


def test_too_much_waiting_for_a_hung_disk_is_refused(
    open_door: OpenDoor, first: FaultyJournal
) -> None:
    door = open_door(journals=[first], deadline_ms=60_000, max_body_bytes=32 * 1024**2)
    first.goes_on.clear()
    clients: list[Client] = []
    body = b"x" * (31 * 1024**2)
    for _ in range(12):
        client = door.connect().send(request(body=body))
        clients.append(client)
        if not client.is_silent(0.05):
            break
    assert clients[-1].answer().status == 503
    for client in clients:
        client.sock.close()
    first.goes_on.set()


def test_without_lead_numbers_leads_are_taken_all_the_same(
    open_door: OpenDoor, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("in the way")
    numbers = LeadNumbers(tmp_path / "file" / "numbers", SystemClock())
    door = open_door(numbers=numbers)
    answer = door.ask(request(body=b"x"))
    assert answer.status == 200
    assert answer.json["lead_number"] == ""
    assert door.leads()[0].lead_number == 0


def test_the_doorbell_rings_after_a_commit(open_door: OpenDoor, tmp_path: Path) -> None:
    import os

    bell = Doorbell(tmp_path / "run" / "doorbell")
    listening = bell.open_for_listening()
    try:
        door = open_door(doorbell=Doorbell(tmp_path / "run" / "doorbell"))
        for _ in range(20):
            assert door.ask(request(body=b"x")).status == 200
            wait_until(lambda: Doorbell.drain(listening), "a ring")
    finally:
        os.close(listening)


def test_two_doors_of_one_installation_never_give_the_same_number(
    open_door: OpenDoor, tmp_path: Path
) -> None:
    first = open_door(journals=[disk_journal(tmp_path / "a")])
    second = open_door(journals=[disk_journal(tmp_path / "b")])
    numbers = [door.ask(request(body=b"x")).json["lead_number"] for door in (first, second) * 5]
    assert len(set(numbers)) == 10


def test_an_answer_that_cannot_be_made_holds_up_nobody_else(
    open_door: OpenDoor, first: FaultyJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError

    door = open_door(journals=[first], deadline_ms=10_000)
    monkeypatch.setattr("leadkeep.intake.replies.ReplyTemplate._render_any", fail)
    first.goes_on.clear()
    with door.connect() as broken, door.connect() as good:
        broken.send(request(target="/webhook.php", body=b"x"))
        good.send(request(body=b"y"))
        wait_until(lambda: int(str(door.door.details()["waiting_bytes"])) > 150, "both leads")
        first.goes_on.set()
        assert good.answer().status == 200
        assert broken.is_closed()
    assert sorted(lead.body for lead in door.leads()) == [b"x", b"y"]


def test_an_answer_without_a_record_never_overtakes_one_with_a_record(
    open_door: OpenDoor, first: FaultyJournal
) -> None:
    door = open_door(journals=[first], deadline_ms=10_000)
    first.goes_on.clear()
    with door.connect() as client:
        client.send(request(body=b"x"))
        wait_until(lambda: door.door.details()["waiting_bytes"], "the lead")
        wait_until(lambda: door.door._reception.committer.lanes[0].busy, "its commit")  # type: ignore[union-attr]  # it runs
        client.send(request("GET", "/livez") * 3)
        assert client.is_silent(0.2)
        first.goes_on.set()
        assert "lead_id" in client.answer().json
        assert [client.answer().json["status"] for _ in range(3)] == ["alive"] * 3


def test_what_arrives_together_is_committed_together(
    open_door: OpenDoor, first: FaultyJournal
) -> None:
    door = open_door(journals=[first])
    with door.connect() as client:
        client.send(request(body=b"x") * 50)
        assert [client.answer().status for _ in range(50)] == [200] * 50
    assert first.groups == [50]


def test_a_journals_trial_makes_nobody_elses_lead_durable(
    open_door: OpenDoor, first: FaultyJournal
) -> None:
    door = open_door(journals=[first], deadline_ms=10_000)
    first.fails = True
    with door.connect() as client:
        assert client.ask(request(body=b"lost on us")).status == 503
        first.goes_on.clear()
        first.fails = False
        lane = door.door._reception.committer.lanes[0]  # type: ignore[union-attr]  # it runs
        wait_until(lambda: lane.busy, "the trial")
        client.send(request(body=b"waits for the trial"))
        assert client.is_silent(0.2)
        first.goes_on.set()
        assert client.answer().status == 200
    assert bodies(first.folder) == [b"waits for the trial"]


def test_a_broken_journal_is_not_tried_more_often_the_more_leads_come(
    open_door: OpenDoor, first: FaultyJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("leadkeep.intake.committer._PROOF_SECONDS", 0.05)
    door = open_door(journals=[first])
    first.fails = True
    with door.connect() as client:
        for _ in range(100):
            assert client.ask(request(body=b"x")).status == 503
    tried, begin = first.tries, time.monotonic()
    wait_until(lambda: first.tries >= tried + 2 and time.monotonic() > begin + 0.5, "trials")
    assert first.tries - tried <= 2 + (time.monotonic() - begin) / 0.05


def test_what_was_taken_is_made_durable_before_the_door_is_gone(
    open_door: OpenDoor, first: FaultyJournal
) -> None:
    door = open_door(journals=[first], deadline_ms=10_000)
    first.goes_on.clear()
    for number in range(3):
        with door.connect() as client:
            client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            client.send(request(body=b"%d" % number))
            wait_until(
                lambda: int(str(door.door.details()["waiting_bytes"])) > number * 100,  # noqa: B023 - called at once
                "the lead",
            )
    wait_until(lambda: door.door.counts.connections == 0, "the senders' leaving")
    door.begin_to_stop()
    wait_until(lambda: door.door.details()["is_stopping"], "the door to stop")
    time.sleep(0.1)
    first.goes_on.set()
    door.stop()
    assert sorted(bodies(first.folder)) == [b"0", b"1", b"2"]
