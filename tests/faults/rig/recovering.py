"""What a person does after a recovery, and what must not have happened by itself until then."""

from collections import Counter

from tests.faults.rig.installation import Installation
from tests.faults.rig.leads import number_in
from tests.faults.rig.waiting import wait_until


def statuses(installation: Installation) -> dict[int, str]:
    """Number of each of the vendors' leads in the store → the status of its delivery."""
    sql = "SELECT l.body, d.status FROM leads AS l JOIN deliveries AS d ON d.lead = l.id"
    found = ((number_in(body), status) for body, status in installation.rows(sql))
    return {number: status for number, status in found if number is not None}


def completed(installation: Installation) -> set[int]:
    """The leads that the store says are delivered."""
    return {number for number, status in statuses(installation).items() if status == "completed"}


def unasked(installation: Installation, before: Counter[int], now: Counter[int]) -> int:
    """What has happened by itself since a recovery.

    Args:
        before: how often the destination had each lead before.
        now: how often it has it now.

    Returns:
        Deliveries of leads that the destination had already, and leads that are completed although
        it does not have them.
    """
    again = sum(now[number] - times for number, times in before.items())
    return again + len(completed(installation) - set(now))


def nothing_is_under_way(installation: Installation) -> bool:
    """Whether no delivery waits or is tried: each is over, or held for a person."""
    sql = "SELECT count(*) FROM deliveries WHERE status IN ('pending', 'processing')"
    return installation.rows(sql) == [(0,)]


def let_go(installation: Installation) -> None:
    """A person lets everything go that is held, and it is delivered."""
    installation.command("leads", "resume", "--everything", "--yes")

    def nothing_is_left() -> bool:
        installation.process_queue()
        return not installation.waiting()

    wait_until("all is delivered", nothing_is_left)
