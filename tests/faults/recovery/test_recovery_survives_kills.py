"""Backup, restore and rebuild die anywhere: what is there is whole or is not there, and the same
command does it. Nothing is ever delivered that a person has not let go."""

import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.cli.conftest import installation
from tests.integration.cli.installation import Installation
from tests.integration.cli.sink import a_sink
from tests.integration.recovery.scene import Scene

DYING = [sys.executable, "-P", str(Path(__file__).with_name("dying_leadkeep.py"))]
POINTS = 18
"""So many places to die, spread over all there are."""

__all__ = ["installation"]


@pytest.fixture
def scene(installation: Installation, tmp_path: Path) -> Iterator[Scene]:
    with a_sink() as sink:
        made = Scene(tmp_path, installation, sink)
        made.push(3)
        made.deliver()
        made.tidy()
        sink.status = 503
        made.push(3)
        made.deliver()
        made.here.ok("leads", "cancel", made.lead_ids(["pending"])[0])
        made.push(2)
        sink.status = 200
        yield made


STATUSES = ["completed"] * 3 + ["cancelled"] + ["held"] * 4


def run(scene: Scene, nth: int, *words: object, data: Path) -> subprocess.CompletedProcess[str]:
    command = [*DYING, str(nth), *map(str, words), "--data", str(data)]
    return subprocess.run(
        command, cwd=scene.folder, capture_output=True, text=True, timeout=60, check=False
    )


def places_to_die(scene: Scene, *words: object, data: Path) -> list[int]:
    """Steps spread over the whole command, the first and the last of all among them."""
    counted = run(scene, 0, *words, data=data)
    assert counted.returncode == 0, counted.stderr
    found = re.search(r"steps: (\d+)", counted.stderr)
    assert found is not None
    steps = int(found[1])
    assert steps > POINTS
    return sorted({1 + round(i * (steps - 1) / (POINTS - 1)) for i in range(POINTS)})


@pytest.mark.timeout(240)
def test_a_killed_backup_leaves_no_backup_and_the_next_is_whole(scene: Scene) -> None:
    here = scene.here.data
    places = places_to_die(scene, "backup", scene.folder / "b0", data=here)
    for nth in places:
        target = scene.folder / f"b{nth}"
        died = run(scene, nth, "backup", target, data=here)
        assert died.returncode == -signal.SIGKILL
        # Before the last sync it may have its name already: then it must be whole.
        if target.exists():
            scene.here.ok("verify", target)
            continue
        scene.here.ok("backup", target)
        scene.here.ok("verify", target)
    assert list(scene.folder.glob(".leadkeep-unfinished-*")) == []


@pytest.mark.timeout(240)
def test_a_killed_restore_is_finished_by_the_same_command_and_delivers_nothing(
    scene: Scene,
) -> None:
    backup = scene.backup()
    expected = scene.restore(backup, "undisturbed")
    places = places_to_die(scene, "restore", backup, data=scene.folder / "r0")
    for nth in places:
        there = scene.there(f"r{nth}")
        assert run(scene, nth, "restore", backup, data=there.data).returncode == -signal.SIGKILL
        if (there.data / "leadkeep.db").exists():
            # It died while tidying up: the installation is complete.
            assert scene.delivers_nothing_by_itself(there)
        else:
            before = len(scene.sink.bodies)
            if (there.data / "restoring").exists():
                assert scene.deliver(there).exit_code == 1
            again = run(scene, -1, "restore", backup, data=there.data)
            assert again.returncode == 0, again.stderr
            assert len(scene.sink.bodies) == before
        assert scene.requests(there) == scene.requests(expected), nth
        assert scene.statuses(there) == STATUSES
        assert scene.delivers_nothing_by_itself(there)
        there.ok("verify")


@pytest.mark.timeout(240)
@pytest.mark.parametrize("damaged", [False, True])
def test_a_killed_rebuild_is_done_by_the_same_command_and_delivers_nothing(
    scene: Scene, damaged: bool
) -> None:
    here = scene.here
    words = ["rebuild", "--replace", "--yes"] if damaged else ["rebuild"]
    scene.deliver()
    expected = scene.requests()

    def lose() -> None:
        if damaged:
            (here.data / "leadkeep.db-wal").write_bytes(b"a log that is not the new store's")
            (here.data / "leadkeep.db").write_bytes(b"damaged")
        else:
            scene.lose_the_store()

    lose()
    for nth in places_to_die(scene, *words, data=here.data):
        lose()
        assert run(scene, nth, *words, data=here.data).returncode == -signal.SIGKILL
        before = len(scene.sink.bodies)
        if not (here.data / "leadkeep.db").exists():
            assert scene.deliver().exit_code == 1
        if scene.here.run("verify").exit_code != 0:
            again = run(scene, -1, *words, data=here.data)
            assert again.returncode == 0, again.stderr
        assert len(scene.sink.bodies) == before
        assert scene.requests() == expected, nth
        assert set(scene.statuses()) == {"completed", "cancelled", "held"}
        assert scene.delivers_nothing_by_itself(here)
        here.ok("verify")
