"""The door's side of live answers, against workers that answer well, badly, late, or not at all."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from leadkeep.errors import JournalUnavailable
from leadkeep.intake.line import UNSENT_MAX
from leadkeep.live.frames import ASK_MAX, ASKS, Answer, Ask, Incoming, LeadAsk, PingAsk, framed
from leadkeep.live.sockets import listen
from leadkeep.models import RecordFlag, RecordKind
from leadkeep.settings.model import IntakeSettings, SourceSettings
from leadkeep.settings.replies import NoBidSettings
from tests.integration.intake.rig import RunningDoor, disk_journal, request, wait_until

SOURCES = {
    "v": SourceSettings(
        paths=("/lead",),
        ping_paths=("/ping",),
        answer="live",
        live_timeout_ms=400,
        no_bid=NoBidSettings(status=202, body="none"),
    ),
    "plain": SourceSettings(paths=("/plain",)),
}
QUEUED = b"Lead queued for processing"


class Worker:
    """Hears a door and answers as it is told."""

    def __init__(self, folder: Path, reply: Callable[[Ask], bytes]) -> None:
        self.asks: list[Ask] = []
        self._reply = reply
        self._listener = listen(folder / "run")
        self._listener.setblocking(True)
        self._lines: list[socket.socket] = []
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                line, _ = self._listener.accept()
            except OSError:
                return
            self._lines.append(line)
            threading.Thread(target=self._hear, args=(line,), daemon=True).start()

    def _hear(self, line: socket.socket) -> None:
        incoming: Incoming[Ask] = Incoming(ASKS, longest=ASK_MAX)
        try:
            while data := line.recv(65_536):
                for ask in incoming.take(data):
                    self.asks.append(ask)
                    line.sendall(self._reply(ask))
        except OSError:
            return

    def close(self) -> None:
        """Die."""
        for sock in (self._listener, *self._lines):
            sock.shutdown(socket.SHUT_RDWR)
            sock.close()


@contextmanager
def a_worker(folder: Path, reply: Callable[[Ask], bytes]) -> Iterator[Worker]:
    worker = Worker(folder, reply)
    try:
        yield worker
    finally:
        worker.close()


@pytest.fixture
def door(tmp_path: Path) -> Iterator[RunningDoor]:
    running = RunningDoor(tmp_path, IntakeSettings(), SOURCES).start()
    try:
        yield running
    finally:
        running.stop()


def ends(door: RunningDoor) -> dict[tuple[str, str], int]:
    """How live questions ended."""
    return dict(door.door.counts.live_answers)


def good(ask: Ask) -> bytes:
    return framed(Answer(ask.ask, 201, "", "text/plain", {"Content-Language": "en"}, b"welcome"))


def test_a_lead_is_durable_before_the_worker_is_asked(door: RunningDoor, tmp_path: Path) -> None:
    durable: list[bytes] = []

    def look(ask: Ask) -> bytes:
        durable.extend(record.lead_id for record in door.leads())
        return good(ask)

    with a_worker(tmp_path, look) as worker:
        answer = door.ask(request("POST", "/lead", b"{}"))
    assert (answer.status, answer.body) == (201, b"welcome")
    assert answer.headers["content-language"] == "en"
    (ask,) = worker.asks
    assert isinstance(ask, LeadAsk)
    assert durable == [ask.lead_id]
    (lead,) = door.leads()
    assert lead.flags & RecordFlag.LIVE


def test_a_ping_is_durable_whole_without_a_number_and_no_lead(
    door: RunningDoor, tmp_path: Path
) -> None:
    with a_worker(tmp_path, good) as worker:
        answer = door.ask(request("POST", "/ping?a=%7E", b"\x00\xff", headers=["X-Odd: 1"]))
    assert answer.body == b"welcome"
    (ask,) = worker.asks
    assert isinstance(ask, PingAsk)
    assert (ask.method, ask.target, ask.body) == ("POST", b"/ping?a=%7E", b"\x00\xff")
    (ping,) = door.records(RecordKind.PING)
    assert (ping.lead_id, ping.lead_number, ping.body) == (ask.ping_id, 0, b"\x00\xff")
    assert (ping.source, ping.answer_status) == ("v", 202)
    assert door.leads() == []


@pytest.mark.parametrize("status", [0, 100, 199, 300, 404, 410, 500, 70_000])
def test_what_is_no_success_is_answered_as_queued(
    door: RunningDoor, tmp_path: Path, status: int
) -> None:
    with a_worker(tmp_path, lambda ask: framed(Answer(ask.ask, status, body=b"no"))):
        answer = door.ask(request("POST", "/lead", b"{}"))
    assert (answer.status, QUEUED in answer.body) == (200, True)


@pytest.mark.parametrize(
    "nonsense", [b"\xff" * 8, b"\x00\x00\x00\x02hi", framed(LeadAsk(1, b"", "", 1))]
)
def test_a_worker_that_talks_nonsense_is_hung_up_on_at_once(
    door: RunningDoor, tmp_path: Path, nonsense: bytes
) -> None:
    with a_worker(tmp_path, lambda ask: nonsense):
        assert QUEUED in door.ask(request("POST", "/lead", b"{}")).body
    assert ends(door) == {("lead", "no_worker"): 1}


def test_answers_to_nobodys_questions_and_second_answers_are_ignored(
    door: RunningDoor, tmp_path: Path
) -> None:
    def twice(ask: Ask) -> bytes:
        other = framed(Answer(ask.ask + 1_000, 201, body=b"other"))
        return other + good(ask) + framed(Answer(ask.ask, 201, body=b"again"))

    with a_worker(tmp_path, twice), door.connect() as client:
        for _ in range(3):
            assert client.ask(request("POST", "/lead", b"{}")).body == b"welcome"
        assert client.is_silent()


def test_a_worker_that_never_answers_costs_the_timeout(door: RunningDoor, tmp_path: Path) -> None:
    with a_worker(tmp_path, lambda ask: b""), door.connect() as client:
        assert QUEUED in client.ask(request("POST", "/lead", b"{}")).body
        assert client.ask(request("POST", "/ping", b"{}")).body == b"none"
    assert ends(door) == {("lead", "timeout"): 1, ("ping", "timeout"): 1}


def test_a_worker_that_does_not_read_is_asked_no_more_than_is_bounded(tmp_path: Path) -> None:
    listener = listen(tmp_path / "run")
    door = RunningDoor(tmp_path, IntakeSettings(), SOURCES).start()
    body = b"x" * (ASK_MAX - 4_096)
    clients = [door.connect() for _ in range(16)]
    try:
        for client in clients:
            client.send(request("POST", "/ping", body))
        assert all(client.answer().body == b"none" for client in clients)
        found = ends(door)
        assert found["ping", "timeout"] <= UNSENT_MAX // len(body) + 2
        assert found["ping", "busy"] == 16 - found["ping", "timeout"] > 0
    finally:
        for client in clients:
            client.sock.close()
        door.stop()
        listener.close()


def test_a_worker_that_stops_is_left_for_its_successor(door: RunningDoor, tmp_path: Path) -> None:
    def stopping(ask: Ask) -> bytes:
        return framed(Answer(ask.ask, reason="stopping"))

    with a_worker(tmp_path, stopping):
        assert QUEUED in door.ask(request("POST", "/lead", b"{}")).body
        with a_worker(tmp_path, good):
            assert door.ask(request("POST", "/lead", b"{}")).body == b"welcome"


def test_what_cannot_be_made_durable_is_not_asked_and_not_accepted(tmp_path: Path) -> None:
    journal = disk_journal(tmp_path / "journal")

    def fail(records: object) -> None:
        raise JournalUnavailable("no disk")

    journal.commit = fail  # type: ignore[assignment,method-assign]
    door = RunningDoor(tmp_path, IntakeSettings(), SOURCES, journals=[journal]).start()
    try:
        with a_worker(tmp_path, good) as worker:
            for path in ("/lead", "/ping"):
                assert door.ask(request("POST", path, b"{}")).status == 503
            assert worker.asks == []
    finally:
        door.stop()


def test_a_probe_of_a_ping_path_is_a_probe(door: RunningDoor) -> None:
    assert door.ask(request("GET", "/ping")).json == {"status": "ready"}
    wait_until(lambda: door.records(RecordKind.PROBE), "the probe's record")
    assert door.records(RecordKind.PING) == []


def test_head_is_answered_without_a_body(door: RunningDoor, tmp_path: Path) -> None:
    with a_worker(tmp_path, good), door.connect() as client:
        answer = client.send(request("HEAD", "/lead?n=1")).answer(head_only=True)
        assert (answer.status, answer.headers["content-length"]) == (201, "7")
        assert client.ask(request("POST", "/plain", b"{}")).status == 200


def test_answers_keep_their_order_when_they_come_in_another(tmp_path: Path) -> None:
    waiting: list[Ask] = []

    def backwards(ask: Ask) -> bytes:
        waiting.append(ask)
        if len(waiting) < 3:
            return b""
        return b"".join(
            framed(Answer(one.ask, 200, body=b"%d" % one.ask)) for one in reversed(waiting)
        )

    door = RunningDoor(tmp_path, IntakeSettings(), SOURCES).start()
    try:
        with a_worker(tmp_path, backwards), door.connect() as client:
            client.send(
                request("POST", "/lead", b"1")
                + request("POST", "/plain", b"2")
                + request("POST", "/lead", b"3")
                + request("POST", "/plain", b"4")
                + request("POST", "/lead", b"5", headers=["Connection: close"])
            )
            answers = [client.answer() for _ in range(5)]
            assert client.is_closed()
    finally:
        door.stop()
    assert [answers[index].body for index in (0, 2, 4)] == [b"1", b"2", b"3"]
    assert all(QUEUED in answers[index].body for index in (1, 3))
    assert [answer.closes for answer in answers] == [False] * 4 + [True]
