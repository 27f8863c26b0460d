"""Whatever happens to the worker or the door, who waits is answered in time and no lead is lost."""

import asyncio
import os
import signal
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from leadkeep.app import load_settings, open_store
from leadkeep.live import sockets
from leadkeep.live.frames import LeadAsk, framed
from leadkeep.models import CircuitMove
from leadkeep.states import CircuitState
from tests.fakes.postgres import Cluster
from tests.integration.intake.rig import request
from tests.integration.live.rig import Script, Served
from tests.integration.waiting import wait_until

QUEUED = "Lead queued for processing"


def test_a_worker_that_is_killed_in_the_middle_is_known_at_once(served: Served) -> None:
    served.configure(timeout_ms=60_000)
    served.brain.may_answer.clear()
    served.start()
    with served.client() as client:
        client.send(request("POST", "/lead", b"{}"))
        assert served.brain.arrived.wait(20)
        killed = served.pid("worker")
        os.kill(killed, signal.SIGKILL)
        assert QUEUED in client.answer().body.decode()
    served.brain.may_answer.set()
    # Not until its lease has run out: the one who is dead may have delivered it.
    assert served.live_answers() == {"lead no_worker": 1}
    wait_until("another serves", lambda: served.is_serving() and served.pid("worker") != killed)
    assert served.statuses() == {"processing": 1}
    assert served.post().body == served.brain.script.body


def test_a_worker_that_is_stopped_costs_the_timeout_and_nothing_is_tried_twice(
    served: Served,
) -> None:
    served.configure(timeout_ms=300)
    served.start()
    assert served.post().body == served.brain.script.body
    pid = served.pid("worker")
    os.kill(pid, signal.SIGSTOP)
    try:
        answers = [served.post() for _ in range(3)]
    finally:
        os.kill(pid, signal.SIGCONT)
    assert all(QUEUED in answer.body.decode() for answer in answers)
    assert served.live_answers() == {"lead relayed": 1, "lead timeout": 3}
    wait_until("all are delivered", lambda: served.all_completed(4))
    assert sorted(served.brain.keys.values()) == [1] * 4


def test_a_socket_that_a_dead_worker_left_is_no_worker(served: Served, tmp_path: Path) -> None:
    folder = tmp_path / "data/run"
    folder.mkdir(parents=True)
    sockets.listen(folder).close()
    assert (folder / sockets.NAME).is_socket()
    assert sockets.connect(folder) is None
    served.start()
    assert served.post().body == served.brain.script.body


def test_a_door_that_stops_answers_who_waits_before_it_goes(served: Served) -> None:
    served.configure(timeout_ms=60_000)
    served.brain.may_answer.clear()
    served.start()
    with served.client() as client:
        client.send(request("POST", "/lead", b"{}"))
        assert served.brain.arrived.wait(20)
        served.signal("intake", signal.SIGTERM)
        answer = client.answer()
        assert QUEUED in answer.body.decode()
        assert answer.closes
        assert client.is_closed()
    served.brain.may_answer.set()
    wait_until("the lead is delivered", lambda: served.all_completed(1))
    assert list(served.brain.keys.values()) == [1]


def test_new_settings_answer_who_waits_and_the_next_is_live_again(served: Served) -> None:
    served.configure(timeout_ms=60_000)
    served.brain.may_answer.clear()
    served.start()
    worker, door = served.pid("worker"), served.pid("intake")
    with served.client() as client:
        client.send(request("POST", "/lead", b"{}"))
        assert served.brain.arrived.wait(20)
        served.configure(timeout_ms=50_000)
        assert served.supervisor is not None
        served.supervisor.send_signal(signal.SIGHUP)
        assert QUEUED in client.answer().body.decode()
    served.brain.may_answer.set()
    wait_until("both are replaced", lambda: _replaced(served, worker, door))
    assert served.post().body == served.brain.script.body


def _replaced(served: Served, worker: int, door: int) -> bool:
    return (
        served.is_serving()
        and (served.pid("worker"), served.pid("intake")) > (0, 0)
        and (served.pid("worker") != worker and served.pid("intake") != door)
    )


def test_the_socket_is_for_its_owner_alone(served: Served) -> None:
    served.start()
    mode = (served.folder / "data/run" / sockets.NAME).stat().st_mode
    assert stat.S_ISSOCK(mode)
    assert stat.S_IMODE(mode) == 0o600


def test_who_speaks_nonsense_to_the_worker_is_hung_up_on_and_others_are_served(
    served: Served,
) -> None:
    served.start()
    folder = served.folder / "data/run"
    for nonsense in (b"\xff\xff\xff\xff", b"\x00\x00\x00\x04junk", b"GET / HTTP/1.1\r\n\r\n"):
        sock = _connected(folder)
        sock.sendall(nonsense)
        assert sock.recv(1) == b""
        sock.close()
    silent = [_connected(folder) for _ in range(20)]
    half = _connected(folder)
    half.sendall(framed(LeadAsk(1, bytes(16), "", 60_000))[:7])
    assert served.post().body == served.brain.script.body
    for sock in (*silent, half):
        sock.close()


def test_who_fills_the_worker_with_questions_is_forgotten_when_it_leaves(served: Served) -> None:
    served.start()
    sock = _connected(served.folder / "data/run")
    asks = b"".join(framed(LeadAsk(n, bytes(16), "", 60_000)) for n in range(3_000))
    sock.sendall(asks)
    assert sock.recv(1)  # The first that it does not take is answered: so it is full.
    assert QUEUED in served.post().body.decode()
    assert served.live_answers() == {"lead busy": 1}
    sock.close()
    wait_until("others are asked again", lambda: QUEUED not in served.post().body.decode())


def _connected(folder: Path) -> socket.socket:
    sock = sockets.connect(folder)
    assert sock is not None
    sock.settimeout(20)
    return sock


_AS_NOBODY = """
import os, socket, sys
folder = os.open(sys.argv[1], os.O_PATH | os.O_DIRECTORY)
os.setuid(65534)
sock = socket.socket(socket.AF_UNIX)
sock.connect(f"/proc/self/fd/{folder}/live")
sock.settimeout(20)
sys.exit(0 if sock.recv(1) == b"" else 1)
"""


@pytest.mark.root
def test_another_user_is_hung_up_on_even_if_the_file_lets_it_in(served: Served) -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root")
    served.start()
    folder = served.folder / "data/run"
    folder.chmod(0o755)
    (folder / sockets.NAME).chmod(0o666)
    ran = subprocess.run([sys.executable, "-c", _AS_NOBODY, str(folder)], check=False, timeout=30)
    assert ran.returncode == 0
    assert served.post().body == served.brain.script.body


def test_an_open_circuit_is_not_asked_and_nobody_waits_for_it(served: Served) -> None:
    served.configure(
        destination="[destinations.brain.breaker]\nconsecutive_failures = 3\n",
        more='[sources.vendor.no_bid]\nbody = "none"\n',
    )
    served.brain.script = Script(status=503)
    served.start()
    for _ in range(3):
        served.post()
    wait_until("its circuit opens", lambda: _asked_no_more(served))
    assert served.post("/ping").body == b"none"
    assert served.live_answers()["ping circuit_open"] == 1


def _asked_no_more(served: Served) -> bool:
    """Posts a lead; True if its vendor was told at once, because the circuit is open."""
    assert QUEUED in served.post().body.decode()
    return bool(served.live_answers().get("lead not_due"))


def test_a_circuit_that_ramps_lets_no_more_through_because_somebody_waits(served: Served) -> None:
    served.configure(timeout_ms=500)
    served.brain.may_answer.clear()
    served.start()
    asyncio.run(_let_it_ramp(served))
    wait_until("one is under way and the next is not asked", lambda: _asked_no_more(served))
    served.brain.may_answer.set()


async def _let_it_ramp(served: Served) -> None:
    settings = load_settings(None, {"data": str(served.folder / "data")})
    async with open_store(settings) as store:
        opened = CircuitMove(CircuitState.OPEN, due_in_ms=600_000, openings=1)
        assert await store.move_circuit("brain", 0, opened)
        ramps = CircuitMove(CircuitState.RAMPING, due_in_ms=600_000, ramp_limit=1)
        assert await store.move_circuit("brain", 1, ramps)


def test_live_answers_come_back_beside_the_claims_of_a_database(served: Served) -> None:
    """A claim passes over what another is about to commit, which says nothing of the lead."""
    with Cluster(durable=True) as cluster:
        url = asyncio.run(cluster.new_database())
        served.configure(
            more=f'[store]\nurl = "{url}"\n',
        )
        served.brain.script = Script(status=201, body=b"bought")
        served.start()
        for _ in range(10):
            answer = served.post()
            assert (answer.status, answer.body) == (201, b"bought"), served.live_answers()
        served.stop()
