"""`push` and `process-queue`: from a file to the application, without anything running."""

import asyncio
import json
import os
import pty
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from leadkeep.app import QueueRun
from leadkeep.cli.queue import summary
from tests.integration.cli.installation import Installation
from tests.integration.cli.sink import Sink, a_sink


@pytest.fixture
def sink() -> Iterator[Sink]:
    with a_sink() as running:
        yield running


def test_a_pushed_file_reaches_the_application_byte_for_byte(
    installation: Installation, sink: Sink
) -> None:
    body = b'{"name": "Ada",\r\n\t"caf\xc3\xa9": 1}'
    file = installation.folder / "lead.json"
    file.write_bytes(body)
    number, lead_id = installation.ok("push", file).split()
    assert len(number) == 13
    told = installation.json("process-queue", "--forward-to", sink.url)
    assert told == {
        "absorbed": 1,
        "completed": 1,
        "retry_later": 0,
        "failed": 0,
        "still_waiting": 0,
        "set_aside": 0,
    }
    assert sink.bodies == [body]
    assert "✓ completed" in installation.ok("leads", "show", lead_id)


def test_an_empty_queue_is_success(installation: Installation, sink: Sink) -> None:
    assert "0 deliveries completed" in installation.ok("process-queue", "--forward-to", sink.url)


def test_leads_that_wait_for_another_try_are_exit_code_3(
    installation: Installation, sink: Sink
) -> None:
    sink.status = 503
    installation.ok("push", "-", stdin=b"{}")
    result = installation.run("process-queue", "--forward-to", sink.url, "--json")
    assert result.exit_code == 3
    assert json.loads(result.stdout)["retry_later"] == 1
    assert "503" in installation.ok("leads", "list")


def test_limit_leaves_the_rest_waiting_and_says_so(installation: Installation, sink: Sink) -> None:
    for number in range(3):
        installation.ok("push", "-", stdin=b"%d" % number)
    result = installation.run("process-queue", "--limit", 2, "--forward-to", sink.url, "--json")
    assert result.exit_code == 3
    assert json.loads(result.stdout)["still_waiting"] == 1
    assert len(sink.bodies) == 2


def test_a_held_destination_gets_nothing_until_it_is_resumed(
    installation: Installation, sink: Sink
) -> None:
    to = ("--forward-to", sink.url)
    installation.ok("hold", "default", *to)
    installation.ok("push", "-", stdin=b"{}")
    assert installation.run("process-queue", *to).exit_code == 3
    assert sink.bodies == []
    assert installation.json("leads", "list")[0]["attempts"] == 0
    installation.ok("resume", "default", *to)
    installation.ok("process-queue", *to)
    assert sink.bodies == [b"{}"]


def test_two_at_once_deliver_each_lead_once(installation: Installation, sink: Sink) -> None:
    for number in range(20):
        installation.ok("push", "-", stdin=b"%d" % number)
    installation.ok("migrate")
    words = [sys.executable, "-m", "leadkeep", "process-queue", "--forward-to", sink.url]
    both = [
        subprocess.Popen(
            [*words, "--data", str(installation.data)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    errors = [process.communicate(timeout=60)[1] for process in both]
    assert all(process.returncode in (0, 3) for process in both), errors
    installation.run("process-queue", "--forward-to", sink.url)
    assert sorted(sink.bodies, key=int) == [b"%d" % number for number in range(20)]


def test_on_a_terminal_a_bar_is_drawn_on_stderr_alone(
    installation: Installation, sink: Sink
) -> None:
    for _ in range(3):
        installation.ok("push", "-", stdin=b"{}")
    ours, theirs = pty.openpty()
    words = [sys.executable, "-m", "leadkeep", "process-queue", "--forward-to", sink.url]
    process = subprocess.Popen(
        [*words, "--data", str(installation.data)],
        stdout=subprocess.PIPE,
        stderr=theirs,
        env={**os.environ, "TERM": "xterm-256color"},
    )
    os.close(theirs)
    drawn = b""
    while chunk := _read(ours):
        drawn += chunk
    assert process.stdout is not None
    printed = process.stdout.read()
    process.stdout.close()
    os.close(ours)
    assert process.wait(timeout=60) == 0
    assert b"Delivering" in drawn
    assert b"3/3" in drawn
    assert printed.startswith(b"3 leads taken into the store\n3 deliveries completed\n")
    assert b"\x1b" not in printed


def _read(fd: int) -> bytes:
    try:
        return os.read(fd, 65_536)
    except OSError:  # Linux says so when the other end of a terminal is closed
        return b""


@pytest.mark.parametrize(
    ("run", "code"),
    [
        (QueueRun(absorbed=1, completed=1, retry_later=0, failed=0, still_waiting=0), 0),
        (QueueRun(absorbed=1, completed=0, retry_later=1, failed=0, still_waiting=1), 3),
        (QueueRun(absorbed=1, completed=0, retry_later=0, failed=1, still_waiting=0), 3),
        (QueueRun(absorbed=0, completed=0, retry_later=0, failed=0, still_waiting=1), 3),
    ],
)
def test_only_an_empty_queue_without_failures_is_success(
    installation: Installation, monkeypatch: pytest.MonkeyPatch, run: QueueRun, code: int
) -> None:
    async def done(*_: object, **__: object) -> QueueRun:
        await asyncio.sleep(0)
        return run

    monkeypatch.setattr("leadkeep.app.process_queue", done)
    result = installation.run("process-queue")
    assert result.exit_code == code
    assert result.stdout.splitlines() == summary(run)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("lead.json", "application/json"),
        ("lead.form", "application/x-www-form-urlencoded"),
        ("lead.xml", "application/xml"),
        ("lead", "application/json"),
    ],
)
def test_the_content_type_follows_the_name_of_the_file(
    installation: Installation, name: str, kind: str
) -> None:
    file = Path(installation.folder / name)
    file.write_bytes(b"x")
    lead_id = installation.json("push", file)["lead_id"]
    installation.run("process-queue")
    told = installation.json("leads", "show", lead_id)
    assert f"Content-Type: {kind}" in told["headers"]


def test_a_source_that_is_not_configured_is_exit_code_5(installation: Installation) -> None:
    result = installation.run("push", "-", "--source", "nobody", stdin=b"{}")
    assert result.exit_code == 5
    assert "nobody" in result.stderr
