"""Restarts, new versions, bad settings and failing migrations, while vendors post."""

import itertools
import random
import socket
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from tests.faults.rig.brain import Brain
from tests.faults.rig.experiment import Control, Experiment, Findings
from tests.faults.rig.installation import FAULTY, Installation
from tests.faults.rig.judging import judge, settle
from tests.faults.rig.vendors import Vendors
from tests.faults.rig.waiting import wait_until

STEPS = 5
VENDORS = 3


def upgrade_under_load(folder: Path, seed: int, *, holds_the_socket: bool = True) -> Findings:
    """One upgrade after the other; not one request may fail.

    Args:
        holds_the_socket: as systemd's socket activation does; False: the control.
    """
    chance = random.Random(seed)
    with Brain() as brain, Installation(folder, brain, FAULTY) as installation, ExitStack() as held:
        installation.faults = {"bad_migration": str(folder / "bad-migration")}
        if holds_the_socket:
            listening = socket.create_server(("127.0.0.1", installation.port), backlog=1_024)
            installation.held_socket = held.enter_context(listening)
        installation.start()
        vendors = Vendors(VENDORS, installation.port, itertools.count(1))
        for _ in range(STEPS):
            step = chance.choice(_UPGRADES) if holds_the_socket else _restart
            step(installation)
        answered = vendors.stop()
        installation.stop()
        settle(installation)
        posted = vendors.posted
        failed = posted - len(answered)
        return judge(installation, brain, answered, posted=posted, faults=STEPS, failed=failed)


def _restart(installation: Installation) -> None:
    """A new supervisor with everything below it."""
    installation.stop()
    installation.start()


def _new_version(installation: Installation) -> None:
    """Intake and worker are replaced one after the other, from what is installed now."""
    before = installation.generation()
    installation.reload()
    wait_until("the new ones serve", lambda: installation.generation() > before)


def _bad_settings(installation: Installation) -> None:
    """The new settings are wrong; the old ones stay in force."""
    good = installation.config.read_text()
    installation.config.write_text(good + "[intake.nonsense]\n")
    _is_refused(installation, installation.reload)
    installation.config.write_text(good)


def _bad_migration(installation: Installation) -> None:
    """The new version cannot bring the store to its schema; the old one goes on."""
    bad = installation.folder / "bad-migration"
    bad.touch()
    _is_refused(installation, installation.reload)
    bad.unlink()


def _is_refused(installation: Installation, upgrade: Callable[[], None]) -> None:
    before, said = installation.generation(), installation.said("the old one")
    upgrade()
    wait_until("it is refused aloud", lambda: installation.said("the old one") > said)
    assert installation.generation() == before


_UPGRADES = (_restart, _new_version, _bad_settings, _bad_migration)

EXPERIMENT = Experiment(
    name="upgrades",
    claim="No restart and no upgrade, however it fails, fails a single request.",
    fault="upgrades",
    run=upgrade_under_load,
    controls=(
        Control(
            "the socket is not held over a restart",
            partial(upgrade_under_load, holds_the_socket=False),
        ),
    ),
    long_rounds=25,
)
