"""SIGKILL at each statement of a migration: the next process finishes it, with the same schema."""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_a_migration_killed_at_any_statement_is_finished_by_the_next_process(
    tmp_path: Path,
) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.store.migration_to_be_killed", tmp_path],
        check=True,
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={"PYTHONPATH": f"{ROOT / 'src'}:{ROOT}"},
    )
    found = [json.loads(line) for line in done.stdout.splitlines()]
    killed = [one for one in found if one["killed"]]
    # Every CREATE of the first migration, and what stands around it.
    assert len(killed) > 20
    assert [one["statement"] for one in killed] == [*range(1, len(killed) + 1)]
    assert {one["schema"] for one in found} == {found[-1]["schema"]}
    assert not found[-1]["killed"]
