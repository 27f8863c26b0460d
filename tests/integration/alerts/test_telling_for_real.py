"""Processes as they run: the worker tells what it finds, and that it cannot use its store."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.alerts.mailbox import Mailbox, a_mailbox
from tests.integration.cli.sink import a_sink
from tests.integration.waiting import wait_until

LEADKEEP = (sys.executable, "-P", "-m", "leadkeep")


@pytest.fixture
def box() -> Iterator[Mailbox]:
    with a_mailbox() as running:
        yield running


def configure(folder: Path, box: Mailbox, url: str, more: str = "") -> None:
    (folder / "leadkeep.toml").write_text(
        f'forward_to = "{url}"\n'
        '[worker]\nadmin_listen = "off"\nballast_bytes = 0\n'
        '[alerts]\nmail_to = ["owner@example.test"]\nsmtp_security = "none"\n'
        f'smtp_port = {box.port}\nname = "night shift"\n' + more
    )


def leadkeep(folder: Path, *words: str, stdin: bytes = b"") -> "subprocess.CompletedProcess[bytes]":
    return subprocess.run(
        [*LEADKEEP, *words], cwd=folder, input=stdin, capture_output=True, check=False
    )


def test_a_worker_that_runs_tells_and_so_does_one_of_cron(tmp_path: Path, box: Mailbox) -> None:
    with a_sink() as sink:
        sink.status = 422
        configure(tmp_path, box, sink.url)
        leadkeep(tmp_path, "push", "-", stdin=b'{"name": "Zachariah Canary"}')
        assert leadkeep(tmp_path, "process-queue").returncode == 3
        box.wait_for(1)
        sink.status = 200
        leadkeep(tmp_path, "leads", "cancel", "--everything", "--yes")
        (tmp_path / "data" / "store-trouble.json").write_bytes(
            b'{"since_ms": 1, "told_at_ms": 1, "told": 1, "what": "it was gone"}'
        )
        worker = subprocess.Popen([*LEADKEEP, "worker"], cwd=tmp_path, stderr=subprocess.PIPE)
        try:
            box.wait_for(2)
        finally:
            worker.terminate()
            _, said = worker.communicate(timeout=40)
    assert worker.returncode == 0, said
    assert box.subjects[0] == "[night shift] FIRING: default refuses 1 lead, though it works"
    assert "the store cannot be used" in box.subjects[1]
    assert box.subjects[1].startswith("[night shift] RESOLVED")
    assert not (tmp_path / "data" / "store-trouble.json").exists()
    text = str(box.mails[0])
    assert "leadkeep alerts acknowledge 1 --config" in text.replace("=\n", "")
    assert "Canary" not in text


def test_a_worker_that_cannot_use_its_store_says_so_once(tmp_path: Path, box: Mailbox) -> None:
    with a_sink() as sink:
        configure(tmp_path, box, sink.url)
        leadkeep(tmp_path, "push", "-", stdin=b"{}")
        assert leadkeep(tmp_path, "process-queue").returncode == 0
        store = tmp_path / "data" / "leadkeep.db"
        store.unlink()
        for _ in range(2):
            assert leadkeep(tmp_path, "worker").returncode == 1
    assert box.subjects == ["[night shift] FIRING: the store cannot be used: nothing is delivered"]
    assert "leadkeep rebuild" in str(box.mails[0])
    assert "The door goes on" in str(box.mails[0]) or "the door goes on" in str(box.mails[0])


def test_the_heartbeat_is_heard_while_the_worker_looks(tmp_path: Path, box: Mailbox) -> None:
    with a_sink() as sink:
        beats = sink.url.replace("/webhook.php", "/beat")
        configure(tmp_path, box, sink.url, f'heartbeat_url = "{beats}"\n')
        worker = subprocess.Popen([*LEADKEEP, "worker"], cwd=tmp_path, stderr=subprocess.PIPE)
        try:
            wait_until("it beats", lambda: sink.asked)
        finally:
            worker.terminate()
            worker.communicate(timeout=40)
    assert sink.asked[0] == "/beat"
