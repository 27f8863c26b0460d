"""Killed, replaced, short of files: what was answered is in the journal, and nobody is refused."""

import json
import resource
import signal
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import pytest

from leadkeep.models import RecordKind
from tests.integration.intake.conftest import OpenDoor
from tests.integration.intake.rig import (
    Client,
    DoorProcess,
    RunningDoor,
    records_in,
    request,
    wait_until,
)


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0), backlog=1024) as sock:
        yield sock


class Vendors:
    """Threads that post numbered leads and remember which were answered 2xx, under which id."""

    def __init__(self, port: int, *, count: int, kept_alive: bool, patient: bool) -> None:
        self.answered: dict[bytes, UUID] = {}
        self.failures: list[str] = []
        self._port = port
        self._kept_alive = kept_alive
        self._patient = patient
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._post, args=(n,)) for n in range(count)]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End them."""
        self._stop.set()
        for thread in self._threads:
            thread.join(30)
            assert not thread.is_alive()

    def _post(self, vendor: int) -> None:
        client: Client | None = None
        for number in range(1_000_000):
            if self._stop.is_set():
                break
            body = b"lead %d of %d" % (number, vendor)
            try:
                if client is None:
                    client = Client(self._port)
                answer = client.ask(request(body=body))
            except OSError as error:
                self.failures.append(repr(error))
                if client is not None:
                    client.sock.close()
                client = None
                if not self._patient:
                    return
                time.sleep(0.01)
                continue
            if answer.status == 200:
                self.answered[body] = UUID(answer.json["lead_id"])
            else:
                self.failures.append(str(answer.status))
            if answer.closes or not self._kept_alive:
                client.sock.close()
                client = None
        if client is not None:
            client.sock.close()


def wait_for_answers(vendors: list[Vendors]) -> None:
    """Wait until each of them has got another answer."""
    seen = [len(one.answered) for one in vendors]
    wait_until(
        lambda: all(len(one.answered) > n for one, n in zip(vendors, seen, strict=True)), "answers"
    )


def lost(folder: Path, answered: dict[bytes, UUID]) -> list[str]:
    """What was answered and is not exactly once in the journal, as it was answered."""
    stored: Counter[tuple[bytes, UUID]] = Counter(
        (record.body, UUID(bytes=record.lead_id))
        for record in records_in(folder / "journal")
        if record.kind is RecordKind.LEAD
    )
    return [
        f"{body!r} is {stored[body, lead_id]} times in the journal"
        for body, lead_id in answered.items()
        if stored[body, lead_id] != 1
    ]


def kill_under_load(folder: Path, listener: socket.socket, *faults: str) -> list[str]:
    """Run a door under load, kill it, and say what was lost."""
    door = DoorProcess(folder, listener, faults).start()
    vendors = Vendors(listener.getsockname()[1], count=8, kept_alive=True, patient=False)
    wait_until(lambda: len(vendors.answered) > 100, "a hundred answers")
    door.kill()
    # Nobody else listens for those who wait in the queue.
    listener.close()
    vendors.stop()
    return lost(folder, vendors.answered)


@pytest.mark.parametrize("attempt", range(3))
def test_what_was_answered_before_a_kill_is_in_the_journal_once(
    tmp_path: Path, listener: socket.socket, attempt: int
) -> None:
    assert kill_under_load(tmp_path, listener, *["slow-commit"][: attempt % 2]) == []


def test_the_kill_test_catches_a_door_that_answers_before_its_commit(
    tmp_path: Path, listener: socket.socket
) -> None:
    assert kill_under_load(tmp_path, listener, "slow-commit", "answer-early") != []


def test_a_door_is_replaced_under_load_without_one_failed_request(
    tmp_path: Path, listener: socket.socket
) -> None:
    port = listener.getsockname()[1]
    old = DoorProcess(tmp_path, listener).start()
    vendors = [
        Vendors(port, count=4, kept_alive=True, patient=True),
        Vendors(port, count=2, kept_alive=False, patient=True),
    ]
    for _ in range(3):
        wait_for_answers(vendors)
        new = DoorProcess(tmp_path, listener).start()
        assert old.terminate() == 0
        old = new
    for vendor in vendors:
        vendor.stop()
    assert old.terminate() == 0

    assert [failure for vendor in vendors for failure in vendor.failures] == []
    assert lost(tmp_path, {k: v for vendor in vendors for k, v in vendor.answered.items()}) == []


def test_a_door_alone_ends_well_under_load(tmp_path: Path, listener: socket.socket) -> None:
    door = DoorProcess(tmp_path, listener).start()
    vendors = Vendors(listener.getsockname()[1], count=4, kept_alive=True, patient=False)
    wait_until(lambda: len(vendors.answered) > 50, "answers")
    door.process.send_signal(signal.SIGTERM)
    listener.close()
    assert door.process.wait(30) == 0
    vendors.stop()
    assert lost(tmp_path, vendors.answered) == []


def test_while_stopping_open_connections_are_answered_and_then_closed(door: RunningDoor) -> None:
    with door.connect() as used, door.connect() as silent:
        assert not used.ask(request(body=b"before")).closes
        door.begin_to_stop()
        wait_until(lambda: door.door.details()["is_stopping"], "the door to stop")
        for client in (used, silent):
            answer = client.ask(request(body=b"after"))
            assert answer.status == 200
            assert answer.closes
            assert client.is_closed()
    door.stop()
    assert len(door.leads()) == 3


def test_while_stopping_a_request_under_way_may_finish(door: RunningDoor) -> None:
    with door.connect() as client:
        raw = request(body=b"0123456789")
        client.send(raw[:-1])
        door.begin_to_stop()
        wait_until(lambda: door.door.details()["is_stopping"], "the door to stop")
        time.sleep(0.7)  # Longer than the lame-duck time.
        answer = client.ask(raw[-1:])
        assert answer.status == 200
        assert answer.closes
    door.stop()
    assert len(door.leads()) == 1


def test_while_stopping_a_sender_that_does_not_finish_is_told_to_come_again(
    open_door: OpenDoor,
) -> None:
    door = open_door(drain_seconds=0.2)
    with door.connect() as client:
        client.send(request(body=b"0123456789")[:-1])
        door.begin_to_stop()
        assert client.answer().status == 503
    door.stop()
    assert door.records() == []


def test_a_stopped_door_has_sealed_its_journal(door: RunningDoor) -> None:
    from leadkeep.journal.base import SegmentState
    from leadkeep.journal.reader import DiskJournalReader

    door.ask(request(body=b"x"))
    door.stop()
    [segment] = DiskJournalReader(door.folder / "journal").segments()
    assert segment.state is SegmentState.SEALED


def test_a_door_short_of_files_refuses_some_and_goes_on(
    tmp_path: Path, listener: socket.socket
) -> None:
    door = DoorProcess(tmp_path, listener)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    door.start()
    # What a host with a low limit does: as far as the door knows, from the beginning.
    resource.prlimit(door.process.pid, resource.RLIMIT_NOFILE, (64, 64))
    port = listener.getsockname()[1]
    with Client(port) as good:
        assert good.ask(request(body=b"before")).status == 200
        crowd = [socket.create_connection(("127.0.0.1", port)) for _ in range(100)]
        assert good.ask(request(body=b"in the crowd")).status == 200
        for sock in crowd:
            sock.close()
        wait_until(lambda: _is_served(port), "new connections to be served again")
    assert (soft, hard) == resource.getrlimit(resource.RLIMIT_NOFILE)
    assert door.terminate() == 0


def _is_served(port: int) -> bool:
    try:
        with Client(port) as client:
            return client.ask(request(body=b"after")).status == 200
    except OSError:
        return False


def test_what_the_admin_listener_tells(open_door: OpenDoor) -> None:
    admin = socket.create_server(("127.0.0.1", 0))
    port = admin.getsockname()[1]
    door = open_door(admin=admin)
    canary = b"canary-7f3a"
    door.ask(request(target="/p?q=canary-7f3a", body=canary, headers=["X-Canary: canary-7f3a"]))

    def get(path: str) -> bytes:
        with Client(port) as client:
            client.send(f"GET {path} HTTP/1.0\r\n\r\n".encode())
            received = b""
            while data := client.sock.recv(65536):
                received += data
        return received.partition(b"\r\n\r\n")[2]

    metrics, details = get("/metrics"), json.loads(get("/details"))
    assert b'leadkeep_intake_leads_total{source="default"} 1.0' in metrics
    assert b'leadkeep_intake_answers_total{status="200"} 1.0' in metrics
    assert b"leadkeep_intake_commit_seconds_bucket" in metrics
    assert details["leads"] == {"default": 1}
    assert details["journals"][0]["in_use"] is True
    assert canary not in metrics
    assert "canary" not in json.dumps(details)
