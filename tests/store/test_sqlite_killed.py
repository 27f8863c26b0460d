"""A worker killed at any moment leaves a store in which everything is whole."""

import random
import sqlite3
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from leadkeep.store.sqlite.migrations import migrate
from tests.store.soundness import faults_of
from tests.store.worker_to_be_killed import LEADS_PER_BATCH

ROUNDS = 10
ROOT = Path(__file__).parents[2]


def run_until_killed(database: Path, lines: int) -> list[list[str]]:
    """Start a worker, kill it while it is at work, and return what it had said."""
    worker = subprocess.Popen(
        [sys.executable, "-m", "tests.store.worker_to_be_killed", str(database)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert worker.stdout is not None
    with worker.stdout as output:
        said = [output.readline().split() for _ in range(lines)]
        worker.kill()
        said += [line.split() for line in output if line.endswith("\n")]
    worker.wait(timeout=30)
    assert said[0], "the worker did not start"
    return said


def test_whatever_a_killed_worker_was_promised_is_in_the_store(database: Path) -> None:
    chance = random.Random(20260815)
    absorbed: Counter[str] = Counter()
    completed: set[int] = set()
    for _ in range(ROUNDS):
        for line in run_until_killed(database, lines=chance.randrange(1, 60)):
            if line[0] == "absorbed":
                absorbed[line[1]] = int(line[2])
            else:
                completed.add(int(line[1]))
        assert faults_of(database) == []

    connection = sqlite3.connect(database)
    stored = dict(connection.execute("SELECT segment, leads FROM segments"))
    done = {row for (row,) in connection.execute("SELECT id FROM deliveries WHERE processed_at_ms")}
    connection.close()
    assert len(absorbed) == ROUNDS
    for segment, leads in absorbed.items():
        assert stored[segment] in {leads, leads + LEADS_PER_BATCH}
    assert completed <= done
    assert completed


@pytest.mark.parametrize(
    ("damage", "fault"),
    [
        (
            "DELETE FROM deliveries WHERE id = 1",
            "a lead without deliveries",
        ),
        (
            "UPDATE delivery_counts SET n = n + 1",
            "a counter that is not what is counted",
        ),
        (
            "UPDATE segments SET leads = leads + 1",
            "a segment whose leads are not what it says",
        ),
        (
            "UPDATE deliveries SET status = 'completed', next_attempt_at_ms = NULL,"
            " processed_at_ms = 1 WHERE status = 'pending'",
            "a completed delivery that no attempt completed",
        ),
    ],
)
def test_what_must_hold_is_really_looked_at(database: Path, damage: str, fault: str) -> None:
    migrate(database)
    run_until_killed(database, lines=3)
    assert faults_of(database) == []
    connection = sqlite3.connect(database)
    for (name,) in connection.execute(
        "SELECT name FROM sqlite_schema WHERE type = 'trigger' AND name LIKE 'refuse%'"
    ).fetchall():
        connection.execute(f"DROP TRIGGER {name}")
    connection.execute(damage)
    connection.commit()
    connection.close()
    assert fault in faults_of(database)
