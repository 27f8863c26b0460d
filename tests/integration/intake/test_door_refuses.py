"""What cannot be taken whole: refused, recorded, and never stored as if it were a lead."""

import contextlib
import socket
import threading
import time

import pytest

from leadkeep.models import RecordKind
from tests.integration.intake.conftest import OpenDoor
from tests.integration.intake.rig import Client, RunningDoor, request, wait_until


def test_a_cut_off_body_is_never_stored(door: RunningDoor) -> None:
    with door.connect() as client:
        client.send(request(body=b"0123456789")[:-1])

    [rejection] = door.rejections()
    assert rejection.detail == "cut off"
    assert rejection.body == b""
    assert rejection.target == b"/lead"
    assert door.leads() == []


def test_a_cut_off_body_is_answered_400_if_somebody_still_listens(door: RunningDoor) -> None:
    with door.connect() as client:
        answer = client.send(request(body=b"0123456789")[:-1]).half_close().answer()
        assert answer.status == 400
        assert answer.closes
        assert client.is_closed()
    assert door.leads() == []
    assert len(door.rejections()) == 1


def test_a_chunked_body_without_its_last_chunk_is_never_stored(door: RunningDoor) -> None:
    with door.connect() as client:
        client.send(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n")
    [rejection] = door.rejections()
    assert rejection.detail == "cut off"
    assert door.leads() == []


def test_a_reset_in_the_middle_of_a_body_is_never_a_lead(door: RunningDoor) -> None:
    client = door.connect()
    client.send(request(body=b"0123456789")[:-5])
    client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    client.sock.close()
    assert door.rejections()[0].detail == "cut off"
    assert door.leads() == []


def test_a_body_announced_too_large_is_refused_before_it_comes(open_door: OpenDoor) -> None:
    door = open_door(max_body_bytes=1024)
    with door.connect() as client:
        answer = client.ask(b"POST /big HTTP/1.1\r\nHost: a\r\nContent-Length: 1025\r\n\r\n")
        assert answer.status == 413
        assert answer.closes
    [rejection] = door.rejections()
    assert (rejection.detail, rejection.target) == ("body too large", b"/big")
    assert rejection.answer_status == 413
    assert door.leads() == []


def test_the_largest_body_allowed_is_taken(open_door: OpenDoor) -> None:
    door = open_door(max_body_bytes=1024)
    assert door.ask(request(body=b"x" * 1024)).status == 200
    assert door.ask(request(body=b"x" * 1025)).status == 413


def test_a_chunked_body_that_grows_too_large_is_refused(open_door: OpenDoor) -> None:
    door = open_door(max_body_bytes=1024)
    chunk = b"200\r\n" + b"x" * 512 + b"\r\n"
    with door.connect() as client:
        client.send(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
        client.send(chunk * 2)
        assert client.is_silent()
        assert client.ask(chunk).status == 413
    assert door.rejections()[0].detail == "body too large"
    assert door.leads() == []


def test_a_sender_that_goes_on_after_413_can_still_read_it(open_door: OpenDoor) -> None:
    door = open_door(max_body_bytes=1024)
    with door.connect() as client:
        client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 20000000\r\n\r\n")
        for _ in range(20):
            client.send(b"x" * 1_000_000)
        assert client.answer().status == 413


def test_a_large_body_arrives_byte_for_byte(door: RunningDoor) -> None:
    body = bytes(range(256)) * 20_000
    assert door.ask(request(body=body)).status == 200
    [lead] = door.leads()
    assert lead.body == body
    assert door.door.details()["unfinished_bytes"] == 0


@pytest.mark.parametrize("pieces", [1, 7])
def test_headers_beyond_the_limit_are_refused(open_door: OpenDoor, pieces: int) -> None:
    door = open_door(max_header_bytes=1024)
    raw = request(body=b"x", headers=[f"X-{n}: {'v' * 100}" for n in range(10)])
    with door.connect() as client:
        for start in range(0, len(raw), len(raw) // pieces + 1):
            client.send(raw[start : start + len(raw) // pieces + 1])
            time.sleep(0.01)
        answer = client.answer()
        assert answer.status == 431
        assert answer.closes
    assert door.rejections()[0].detail == "headers too large"
    assert door.leads() == []


def test_a_header_without_end_is_refused(open_door: OpenDoor) -> None:
    door = open_door(max_header_bytes=1024)
    with door.connect() as client:
        client.send(b"POST / HTTP/1.1\r\nX-Long: ")
        end = time.monotonic() + 10
        while client.is_silent(0) and time.monotonic() < end:
            client.send(b"v" * 500)
        assert client.answer().status == 431


def test_trailers_without_end_are_refused(open_door: OpenDoor) -> None:
    door = open_door(max_header_bytes=1024)
    with door.connect() as client:
        client.send(b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\nX-Long: ")
        end = time.monotonic() + 10
        while client.is_silent(0) and time.monotonic() < end:
            client.send(b"v" * 50_000)
        assert client.answer().status == 431
    assert door.leads() == []


def test_what_is_no_http_is_refused_after_what_was_right(door: RunningDoor) -> None:
    with door.connect() as client:
        client.send(request(body=b"good") + b"\x16\x03\x01 this is not http\r\n\r\n")
        assert client.answer().status == 200
        answer = client.answer()
        assert answer.status == 400
        assert answer.closes
        assert client.is_closed()
    assert [lead.body for lead in door.leads()] == [b"good"]
    assert door.rejections()[0].detail == "malformed"


def test_bytes_after_a_last_request_are_not_read(door: RunningDoor) -> None:
    last = request(body=b"last", headers=["Connection: close"])
    with door.connect() as client:
        client.send(last + request(body=b"more"))
        assert client.answer().status == 200
        assert client.is_closed()
    assert [lead.body for lead in door.leads()] == [b"last"]


def test_rejections_cannot_fill_the_disk(door: RunningDoor) -> None:
    for _ in range(200):
        assert door.ask(b"nonsense\r\n\r\n").status == 400
    # A rejection is answered at once; its record follows.
    wait_until(lambda: len(door.records(RecordKind.REJECTION)) >= 100, "rejections recorded")
    door.stop()
    assert len(door.records(RecordKind.REJECTION)) <= 150
    assert door.door.counts.refused["malformed"] == 200


def test_slow_headers_are_ended(open_door: OpenDoor) -> None:
    door = open_door(header_timeout_seconds=0.2)
    with door.connect() as client:
        client.send(b"POST /slow HTTP/1.1\r\nHost")
        answer = client.answer()
        assert answer.status == 408
        assert answer.closes
    assert door.rejections()[0].detail == "too slow"


def test_a_sender_that_drips_headers_is_ended_all_the_same(open_door: OpenDoor) -> None:
    door = open_door(header_timeout_seconds=0.3)
    with door.connect() as client:
        client.send(b"POST / HTTP/1.1\r\nX: ")
        end = time.monotonic() + 10
        while client.is_silent(0.02) and time.monotonic() < end:
            client.send(b"x")
        assert client.answer().status == 408


def test_a_slow_body_is_ended(open_door: OpenDoor) -> None:
    door = open_door(body_timeout_seconds=0.2)
    with door.connect() as client:
        client.send(request(body=b"0123456789")[:-1])
        assert client.answer().status == 408
    assert door.leads() == []
    assert door.rejections()[0].detail == "too slow"


def test_an_idle_connection_is_closed_without_a_word(open_door: OpenDoor) -> None:
    door = open_door(idle_timeout_seconds=0.2)
    with door.connect() as fresh, door.connect() as used:
        assert used.ask(request(body=b"x")).status == 200
        assert fresh.is_closed()
        assert used.is_closed()
    assert door.records(RecordKind.REJECTION) == []


def test_one_connection_too_many_is_told_to_come_again(open_door: OpenDoor) -> None:
    door = open_door(max_connections=3)
    clients = [door.connect() for _ in range(3)]
    for client in clients:
        assert client.ask(request(body=b"x")).status == 200
    with door.connect() as extra:
        answer = extra.ask(request(body=b"one too many"))
        assert answer.status == 503
        assert answer.headers["retry-after"] == "5"
        assert answer.closes
    for client in clients:
        assert client.ask(request(body=b"x")).status == 200
    clients.pop().sock.close()
    wait_until(lambda: door.door.counts.connections < 3, "the connection's end")
    assert door.ask(request(body=b"room again")).status == 200
    assert len(door.leads()) == 7
    for client in clients:
        client.sock.close()


def test_many_slow_senders_do_not_keep_a_good_one_out(door: RunningDoor) -> None:
    slow = [door.connect().send(b"POST /slow HTTP/1.1\r\nX: ") for _ in range(200)]
    bodies = [door.connect().send(request(body=b"x" * 1000)[:-1]) for _ in range(200)]
    assert door.ask(request(body=b"good")).status == 200
    assert [lead.body for lead in door.leads()] == [b"good"]
    for client in slow + bodies:
        client.sock.close()


def test_a_sender_that_never_reads_its_answers_is_read_no_further(door: RunningDoor) -> None:
    client = door.connect()
    client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sent = 0

    def flood() -> None:
        nonlocal sent
        client.sock.settimeout(1)
        try:
            while sent < 400_000:
                client.sock.sendall(request(body=b"x") * 100)
                sent += 100
        except OSError:
            return

    flooding = threading.Thread(target=flood)
    flooding.start()
    flooding.join(60)
    assert sent < 400_000
    assert door.ask(request(body=b"good")).status == 200
    client.sock.close()


def test_unfinished_bodies_are_bounded_in_memory(open_door: OpenDoor) -> None:
    door = open_door(max_body_bytes=32 * 1024**2)
    clients: list[Client] = []
    refused = False
    for _ in range(12):
        client = door.connect()
        clients.append(client)
        with contextlib.suppress(OSError):
            client.send(request(body=b"x" * (31 * 1024**2))[:-1])
        if not client.is_silent(0.05):
            refused = client.answer().status == 503
            break
    assert refused
    assert door.ask(request(body=b"small")).status == 200
    for client in clients:
        client.sock.close()
    wait_until(lambda: door.door.details()["unfinished_bytes"] == 0, "the memory's release")


def test_far_too_many_connections_are_cut_without_a_word(
    open_door: OpenDoor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("leadkeep.intake.limits.REFUSED_AT_ONCE", 1)
    door = open_door(max_connections=1)
    with door.connect() as good, door.connect() as extra:
        assert good.ask(request(body=b"x")).status == 200
        wait_until(lambda: door.door.counts.connections == 2, "both connections")
        with door.connect() as cut:
            assert cut.is_closed()
        assert extra.ask(request(body=b"x")).status == 503
        assert good.ask(request(body=b"x")).status == 200


def test_a_fault_of_ours_is_never_told_as_theirs(
    door: RunningDoor, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("leadkeep.intake.reception.encode_lead", fail)
    with door.connect() as client:
        answer = client.ask(request(body=b"x"))
        assert answer.status == 503
        assert answer.closes
    assert door.leads() == []


def test_a_refused_sender_that_stays_is_cut_in_the_end(
    open_door: OpenDoor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("leadkeep.intake.limits.LINGER_SECONDS", 0.1)
    door = open_door(header_timeout_seconds=0.4)
    with door.connect() as client:
        assert client.ask(b"nonsense\r\n\r\n").status == 400
        wait_until(lambda: door.door.counts.connections == 0, "the connection's end")
