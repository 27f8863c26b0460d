"""Compares three records of one round: the vendors', the store's and the destination's."""

from collections.abc import Iterator, Sequence

from tests.faults.installation.rig import Destination, Installation, Vendor, Verdict, wait_until
from tests.faults.rig.experiment import Findings


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
) -> Findings:
    """What one round came to; everything that could be delivered has been."""
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
        redelivered=verdict.duplicates,
    )


class Vendors:
    """Several vendors at once, and what they remember together."""

    def __init__(
        self, count: int, port: int, numbers: Iterator[int], *, timeout_seconds: float = 10
    ) -> None:
        self._vendors = [
            Vendor(port, numbers, timeout_seconds=timeout_seconds) for _ in range(count)
        ]

    def answered_so_far(self) -> int:
        """How many were answered 2xx."""
        return sum(len(vendor.answered) for vendor in self._vendors)

    def stop(self) -> tuple[list[int], int]:
        """The numbers answered 2xx, and how many were posted."""
        answered = [number for vendor in self._vendors for number in vendor.stop()]
        return answered, sum(vendor.posted for vendor in self._vendors)
