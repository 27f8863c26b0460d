"""However its bytes are cut, a request means the same; and no bytes can bring the door down."""

import random
import select
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from leadkeep.models import Record
from leadkeep.settings.model import IntakeSettings
from tests.integration.intake.rig import Client, RunningDoor, chunks_of, request

BODY = b'{"name":"Ada"}\r\n\r\nGET / HTTP/1.1\r\n\r\n\x00\xff'
REQUESTS = {
    "length": request(target="/a?b=%20", body=BODY, headers=["X-A: 1", "x-a: 2", "X-E:"]),
    "chunked": b"PUT /c HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"3;x=y\r\nabc\r\n10\r\n0123456789abcdef\r\n0\r\nT: u\r\n\r\n",
    "query": request("GET", "/q?name=Ada"),
    "upgrade": request(body=BODY, headers=["Connection: Upgrade", "Upgrade: h2c"]),
    "old": request(body=BODY, version="1.0", headers=["Connection: keep-alive"]),
}


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningDoor]:
    folder: Path = tmp_path_factory.mktemp("door")
    door = RunningDoor(folder=folder, intake=IntakeSettings(lame_duck_seconds=0.5)).start()
    yield door
    door.stop()


def content(record: Record) -> tuple[str, bytes, bytes, bytes]:
    return record.method, record.target, record.headers, record.body


def sent(door: RunningDoor, pieces: list[bytes]) -> list[Record]:
    """The leads that these pieces become, each read by the door by itself."""
    before = len(door.leads())
    with door.connect() as client:
        for piece in pieces:
            client.send(piece)
            # Until the door has read it: small pieces would else arrive as one.
            select.select([], [], [], 0.001)
        assert client.answer().status == 200
    return door.leads()[before:]


@pytest.mark.parametrize("kind", REQUESTS)
def test_a_request_cut_at_any_byte_is_the_same_lead(shared: RunningDoor, kind: str) -> None:
    raw = REQUESTS[kind]
    [whole] = sent(shared, [raw])
    with shared.connect() as client:
        before = len(shared.leads())
        for cut in range(1, len(raw)):
            client.send(raw[:cut])
            select.select([], [], [], 0.001)
            assert client.ask(raw[cut:]).status == 200
    records = shared.leads()[before:]
    assert len(records) == len(raw) - 1
    assert {content(record) for record in records} == {content(whole)}


@settings(deadline=None, max_examples=25, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_pipelined_requests_cut_anywhere_are_the_same_leads_in_order(
    shared: RunningDoor, data: st.DataObject
) -> None:
    kinds = data.draw(st.lists(st.sampled_from(sorted(REQUESTS)), min_size=1, max_size=8))
    raw = b"".join(REQUESTS[kind] for kind in kinds)
    cuts = data.draw(st.lists(st.integers(1, len(raw) - 1), max_size=10))
    before = len(shared.leads())
    with shared.connect() as client:
        for piece in chunks_of(raw, cuts):
            client.send(piece)
            select.select([], [], [], 0.001)
        numbers = [int(client.answer().json["lead_number"]) for _ in kinds]

    records = shared.leads()[before:]
    assert [record.lead_number for record in records] == numbers
    expected = {"length": "/a?b=%20", "chunked": "/c", "query": "/q?name=Ada"}
    assert [record.target.decode() for record in records] == [
        expected.get(kind, "/lead") for kind in kinds
    ]


def survives(door: RunningDoor, raw: bytes) -> None:
    """Whatever these bytes are, each 2xx with a lead number is a lead, and the door goes on."""
    before = {record.lead_number for record in door.leads()}
    received = b""
    with door.connect() as client:
        try:
            client.send(raw).half_close()
            while data := client.sock.recv(65536):
                received += data
        except ConnectionError:
            pass
    after = {record.lead_number for record in door.leads()}
    assert received.count(b'"lead_number"') == len(after - before)
    assert door.ask(request("GET", "/livez")).status == 200


@settings(deadline=None, max_examples=60, suppress_health_check=list(HealthCheck))
@given(raw=st.binary(max_size=300))
def test_random_bytes_do_no_harm(shared: RunningDoor, raw: bytes) -> None:
    survives(shared, raw)


@settings(deadline=None, max_examples=120, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 2**32))
def test_damaged_requests_do_no_harm(shared: RunningDoor, seed: int) -> None:
    chance = random.Random(seed)
    raw = bytearray(b"".join(chance.choices(list(REQUESTS.values()), k=3)))
    for _ in range(chance.randint(1, 6)):
        at = chance.randrange(len(raw))
        match chance.randrange(3):
            case 0:
                raw[at] = chance.randrange(256)
            case 1:
                del raw[at : at + chance.randint(1, 20)]
            case _:
                raw[at:at] = chance.choice([b"\r\n", b"\0", b"\n", b" ", b":", b"0\r\n\r\n"])
    survives(shared, bytes(raw))


def test_many_tiny_chunks_cost_no_more_than_their_bytes(shared: RunningDoor) -> None:
    head = b"POST /tiny HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    with Client(shared.port) as client:
        answer = client.ask(head + b"1\r\nx\r\n" * 50_000 + b"0\r\n\r\n")
    assert answer.status == 200
    assert shared.leads()[-1].body == b"x" * 50_000
