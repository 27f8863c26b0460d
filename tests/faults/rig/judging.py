"""Compares three records of one round: the vendors', the store's and the destination's."""

from collections import Counter
from collections.abc import Sequence
from typing import Any, Protocol

from tests.faults.rig.brain import Destination
from tests.faults.rig.experiment import Findings
from tests.faults.rig.installation import Installation
from tests.faults.rig.leads import is_as_posted, number_in
from tests.faults.rig.waiting import wait_until


class Stored(Protocol):
    """Where leads are stored."""

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """Ask the store."""


class Verdict:
    """What became of the answered leads, from the store and from the destination."""

    def __init__(self, answered: Sequence[int], installation: Stored, brain: Destination) -> None:
        bodies = (body for (body,) in installation.rows("SELECT body FROM leads"))
        stored = [(number, body) for body in bodies if (number := number_in(body)) is not None]
        times = Counter(number for number, _ in stored)
        self.answered = len(answered)
        self.lost = sorted(number for number in answered if not times[number])
        self.twice = sorted(number for number, count in times.items() if count > 1)
        self.changed = sorted(number for number, body in stored if not is_as_posted(body))
        self.undelivered = sorted(set(answered) - set(brain.received))
        self.duplicates = sum(count - 1 for count in brain.received.values() if count > 1)


def settle(installation: Installation) -> None:
    """Start it without faults, let everything be absorbed and delivered, and stop it."""
    installation.faults = {
        key: fault for key, fault in installation.faults.items() if key in {"boot_id", "clock_file"}
    }
    installation.start()
    wait_until("the store exists", installation.store.exists)
    wait_until("all is delivered", lambda: not installation.waiting())
    installation.stop()

    def nothing_is_left() -> bool:
        installation.process_queue()
        return not installation.waiting()

    wait_until("all is delivered", nothing_is_left)


def judge(
    installation: Installation,
    brain: Destination,
    answered: Sequence[int],
    *,
    posted: int,
    faults: int,
    failed: int = 0,
) -> Findings:
    """What one round came to; everything that could be delivered has been.

    Args:
        answered: the leads that were answered 2xx.
        posted: how many there were altogether.
        faults: how much was done to them.
        failed: what was not answered as it must be.
    """
    verdict = Verdict(answered, installation, brain)
    return Findings(
        rounds=1,
        faults=faults,
        posted=posted,
        answered=verdict.answered,
        lost=len(verdict.lost),
        twice=len(verdict.twice),
        changed=len(verdict.changed),
        undelivered=len(verdict.undelivered),
        unexplained=installation.unexplained(),
        failed=failed,
        redelivered=verdict.duplicates,
    )
