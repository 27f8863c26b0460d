"""The door is abused while good vendors post on connections of their own."""

import itertools
import random
import socket
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

from tests.faults.rig.abuse import ABUSES, FAULTS
from tests.faults.rig.brain import Brain
from tests.faults.rig.experiment import Control, Experiment, Findings
from tests.faults.rig.installation import FAULTY, Installation
from tests.faults.rig.judging import judge, settle
from tests.faults.rig.processes import free_port
from tests.faults.rig.vendors import Vendors
from tests.faults.rig.waiting import wait_until

VENDORS = 3
_ABUSES = tuple(ABUSES)
_TOGETHER = (tuple(way for way in ABUSES if way not in FAULTS), *((way,) for way in FAULTS))
"""Those that one installation suffers in the short run."""


def abuse_the_door(folder: Path, seed: int) -> Findings:
    """The door is abused in one way.

    Args:
        seed: picks it: so many seeds in a row go through all of them.
    """
    return _abuse(folder, seed, (_ABUSES[seed % len(_ABUSES)],))


def abuse_the_door_in_many_ways(folder: Path, seed: int) -> Findings:
    """One door is abused in every way, one after the other; two seeds go through all."""
    return _abuse(folder, seed, _TOGETHER[seed % len(_TOGETHER)])


def _abuse(folder: Path, seed: int, ways: Sequence[str]) -> Findings:
    """Every request of the good vendors is answered 2xx, and the door goes on afterwards."""
    with Brain() as brain, Installation(folder, brain, FAULTY) as installation:
        for way in ways:
            installation.faults.update(FAULTS.get(way, {}))
        installation.start()
        pid = installation.pid("intake")
        assert pid is not None
        vendors = Vendors(VENDORS, installation.port, itertools.count(1))
        vendors.wait_for_answers()  # So that all of them are connected.
        done = 0
        for way in ways:
            done += ABUSES[way](installation.port, pid, random.Random(seed))
            assert installation.pid("intake") == pid, f"the door has died of {way}"
        answered, posted = vendors.stop(), vendors.posted
        failed = posted - len(answered)
        newcomer = Vendors(1, installation.port, itertools.count(1_000_000_000))
        newcomer.wait_for_answers(1)
        answered += newcomer.stop()
        posted += newcomer.posted
        installation.stop()
        settle(installation)
        return judge(installation, brain, answered, posted=posted, faults=done, failed=failed)


SINGLE_MINDED = """
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
class Door(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()
    def log_message(self, *args):
        pass
HTTPServer.request_queue_size = 512
HTTPServer(("127.0.0.1", int(sys.argv[1])), Door).serve_forever()
"""


def abuse_a_plain_server(folder: Path, seed: int) -> Findings:
    """A server that hears one connection at a time."""
    port = free_port()
    command = [sys.executable, "-c", SINGLE_MINDED, str(port)]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        wait_until("it serves", lambda: _serves(port))
        abuse = threading.Thread(
            target=ABUSES["slow headers"], args=(port, process.pid, random.Random(seed))
        )
        abuse.start()
        # Less patient than the abuse is long: who is not heard meanwhile gives up.
        vendors = Vendors(VENDORS, port, itertools.count(1), timeout_seconds=0.5)
        abuse.join()
        answered, posted = vendors.stop(), vendors.posted
    finally:
        process.kill()
        process.wait()
    return Findings(
        rounds=1,
        faults=1,
        posted=posted,
        answered=len(answered),
        failed=posted - len(answered),
    )


def _serves(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


EXPERIMENT = Experiment(
    name="abuse",
    claim=f"In none of {len(ABUSES)} ways to abuse the door does a good vendor's request fail.",
    fault="abuses",
    run=abuse_the_door,
    controls=(Control("a server that hears one connection at a time", abuse_a_plain_server),),
    short=abuse_the_door_in_many_ways,
    short_rounds=len(_TOGETHER),
    long_rounds=5 * len(ABUSES),
    long_control_rounds=2,
)
