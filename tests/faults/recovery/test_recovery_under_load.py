"""While vendors post and the worker delivers: back up and restore, lose the store and rebuild."""

import itertools
import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.faults.installation.rig import (
    LEADKEEP,
    Brain,
    Installation,
    Vendor,
    payload,
    wait_until,
)

VENDORS = 3
LEADS_BEFORE = 150
"""Accepted before the backup begins."""
FORGETFUL = (sys.executable, "-P", str(Path(__file__).with_name("forgetful_leadkeep.py")))


@pytest.fixture
def brain() -> Iterator[Brain]:
    made = Brain()
    yield made
    made.shutdown()
    made.server_close()


@pytest.fixture
def running(tmp_path: Path, brain: Brain) -> Iterator[Installation]:
    installation = Installation(tmp_path, brain)
    installation.start()
    yield installation
    installation.abandon()


class Posting:
    """Vendors who post until they are told to stop."""

    def __init__(self, port: int) -> None:
        numbers = itertools.count(1)
        self._vendors = [Vendor(port, numbers) for _ in range(VENDORS)]

    def answered(self) -> set[int]:
        return {number for vendor in self._vendors for number in list(vendor.answered)}

    def stop(self) -> set[int]:
        return {number for vendor in self._vendors for number in vendor.stop()}


def command(
    folder: Path, *words: str, program: Sequence[str] = LEADKEEP
) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [*program, *words], cwd=folder, capture_output=True, text=True, timeout=120, check=False
    )


def done(folder: Path, *words: str, program: Sequence[str] = LEADKEEP) -> Any:
    """Run a command that must succeed; what it told."""
    result = command(folder, *words, "--json", program=program)
    assert result.returncode == 0, result.stdout + result.stderr
    return json.loads(result.stdout)


def stored(folder: Path, data: str) -> dict[int, tuple[bytes, str]]:
    """Number of each lead → its body, and the status of its delivery."""
    sql = "SELECT hex(l.body) AS body, d.status AS status FROM leads AS l "
    sql += "JOIN deliveries AS d ON d.lead = l.id"
    rows = done(folder, "sql", sql, "--limit", "1000000", "--data", data)
    found = {}
    for row in rows:
        body = bytes.fromhex(row["body"])
        number = json.loads(body)["number"]
        assert number not in found
        found[number] = (body, row["status"])
    return found


def what_is_wrong(
    folder: Path, data: str, wanted: set[int], brain: Brain, program: Sequence[str] = LEADKEEP
) -> dict[str, object]:
    """What must not be true of a recovered installation; nothing: an empty dictionary."""
    found = stored(folder, data)
    before = brain.received.copy()
    command(folder, "process-queue", "--data", data)
    wrong = {
        "lost": wanted - set(found),
        "changed": {n for n, (body, _) in found.items() if body != payload(n)},
        "completed though nobody got it": {
            n for n, (_, status) in found.items() if status == "completed" and not before[n]
        },
        "to be delivered by itself": {
            n for n, (_, status) in found.items() if status in {"pending", "processing"}
        },
        "delivered again": {n for n, times in brain.received.items() if times > before[n]},
    }
    return {what: numbers for what, numbers in wrong.items() if numbers}


@pytest.mark.timeout(240)
def test_a_backup_under_load_comes_back_elsewhere_whole_and_delivers_nothing(
    running: Installation, brain: Brain
) -> None:
    folder = running.folder
    posting = Posting(running.port)
    wait_until("leads were delivered", lambda: len(brain.received) >= LEADS_BEFORE)
    before = posting.answered()
    made = done(folder, "backup", str(folder / "backup"))
    verified = done(folder, "verify")  # beside the running one, too
    after = posting.stop()
    wait_until("all is delivered", lambda: not running.waiting())
    running.stop()

    assert len(before) >= LEADS_BEFORE
    assert after > before
    assert made["findings"] == verified["findings"] == []
    restored = done(folder, "restore", str(folder / "backup"), "--data", "elsewhere")
    assert what_is_wrong(folder, "elsewhere", before, brain) == {}
    assert done(folder, "verify", "--data", "elsewhere")["ok"]
    statuses = [status for _, status in stored(folder, "elsewhere").values()]
    assert set(statuses) <= {"completed", "held"}
    assert statuses.count("held") == restored["settled"]["held"]
    # What a person lets go arrives.
    command(folder, "leads", "resume", "--everything", "--yes", "--data", "elsewhere")
    command(folder, "process-queue", "--data", "elsewhere")
    assert {status for _, status in stored(folder, "elsewhere").values()} == {"completed"}


def lose_the_store(installation: Installation) -> None:
    for path in installation.store.parent.glob("leadkeep.db*"):
        path.unlink()


@pytest.mark.timeout(240)
def test_a_lost_store_is_rebuilt_while_the_door_goes_on_taking_leads(
    running: Installation, brain: Brain
) -> None:
    folder = running.folder
    posting = Posting(running.port)
    wait_until("leads were delivered", lambda: len(brain.received) >= LEADS_BEFORE)
    running.stop()
    lose_the_store(running)
    delivered = brain.received.copy()
    running.start(("intake",))
    count = len(posting.answered())
    wait_until("leads are taken without a store", lambda: len(posting.answered()) > count + 20)
    assert not running.store.exists()
    assert brain.received == delivered

    rebuilt = done(folder, "rebuild")

    running.wait_until_it_serves()
    count = len(brain.received)
    wait_until("new leads are delivered", lambda: len(brain.received) > count + 20)
    answered = posting.stop()
    wait_until("all is delivered or held", lambda: not pending(running))
    running.stop()
    assert rebuilt["findings"] == []
    assert rebuilt["settled"]["deliveries"]["pending"] == 0
    assert what_is_wrong(folder, "data", answered, brain) == {}
    assert [number for number, times in brain.received.items() if times > 1] == []
    held = {n for n, (_, status) in stored(folder, "data").items() if status == "held"}
    assert len(held) >= 20


def pending(installation: Installation) -> int:
    sql = "SELECT count(*) FROM deliveries WHERE status IN ('pending', 'processing')"
    ((waiting,),) = installation.rows(sql)
    return int(waiting)


def cut_the_log(installation: Installation, lines: int) -> None:
    """A power cut took the end of the log of outcomes."""
    (log,) = (installation.store.parent / "archive" / "outcomes").glob("*.jsonl")
    kept = log.read_bytes().splitlines(keepends=True)[:lines]
    log.write_bytes(b"".join(kept))


@pytest.mark.timeout(240)
@pytest.mark.parametrize("program", [LEADKEEP, FORGETFUL], ids=["leadkeep", "control"])
def test_what_the_log_does_not_prove_is_held_and_a_rebuild_that_leaves_it_pending_is_caught(
    running: Installation, brain: Brain, program: Sequence[str]
) -> None:
    folder = running.folder
    posting = Posting(running.port)
    wait_until("leads were delivered", lambda: len(brain.received) >= LEADS_BEFORE)
    answered = posting.stop()
    wait_until("all is delivered", lambda: not running.waiting())
    running.stop()
    lose_the_store(running)
    cut_the_log(running, lines=50)

    done(folder, "rebuild", program=program)

    wrong = what_is_wrong(folder, "data", answered, brain)
    if program is LEADKEEP:
        assert wrong == {}
        held = [status for _, status in stored(folder, "data").values() if status == "held"]
        assert len(held) == len(answered) - 50
    else:
        assert set(wrong) == {"to be delivered by itself", "delivered again"}
