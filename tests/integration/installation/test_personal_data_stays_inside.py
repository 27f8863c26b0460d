"""What a lead contains is in its bytes, the store and the delivery, and nowhere else."""

import http.client
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.rig.brain import Brain
from tests.faults.rig.installation import Installation
from tests.faults.rig.processes import free_port
from tests.faults.rig.waiting import wait_until

CANARY = "canary-4711-personal"
BODY = f'{{"number": 1, "name": "{CANARY}", "email": "{CANARY}@example.com"}}'.encode()


@pytest.fixture
def brain() -> Iterator[Brain]:
    with Brain() as made:
        yield made


def post(port: int, target: str, body: bytes) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("POST", target, body, {"X-Person": CANARY, "Cookie": CANARY})
    status = connection.getresponse().status
    connection.close()
    return status


def test_a_canary_in_leads_is_in_no_log_line_metric_or_detail(tmp_path: Path, brain: Brain) -> None:
    installation = Installation(tmp_path, brain)
    admins = [free_port(), free_port()]
    config = installation.config.read_text()
    for port in admins:
        config = config.replace('admin_listen = "off"', f'admin_listen = "127.0.0.1:{port}"', 1)
    # One source delivers, one cannot, and one path belongs to nobody.
    config = config.replace('paths = ["*"]\n', 'paths = ["/hooks/lqf"]\ndestinations = ["brain"]\n')
    config += (
        f'[destinations.closed]\nurl = "http://127.0.0.1:{free_port()}/in?key={CANARY}"\n'
        '[sources.other]\npaths = ["/other"]\ndestinations = ["closed"]\n'
    )
    installation.config.write_text(config)
    installation.log_level = "debug"
    installation.start()
    try:
        for target in ("/hooks/lqf", "/other", "/nobody"):
            assert post(installation.port, f"{target}?who={CANARY}", BODY) == 200
        wait_until("it is delivered", lambda: bool(brain.received))
        wait_until("the other failed", lambda: _failed_attempts(installation))
        told = [
            urllib.request.urlopen(f"http://127.0.0.1:{port}/{page}", timeout=10).read().decode()
            for port in admins
            for page in ("metrics", "details")
        ]
        installation.stop()
    finally:
        installation.abandon()
    log = (tmp_path / "log").read_text()
    assert "attempt failed" in log
    assert all("leadkeep" in text or "absorbed" in text or "connections" in text for text in told)
    assert CANARY not in log
    assert [text for text in told if CANARY in text] == []


def _failed_attempts(installation: Installation) -> bool:
    return bool(installation.rows("SELECT id FROM attempts WHERE error_class <> ''"))
