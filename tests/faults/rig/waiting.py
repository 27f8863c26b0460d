"""Waiting for something to become so, with one deadline for all of the rig."""

import time
from collections.abc import Callable

DEADLINE_SECONDS = 60.0


def wait_until(
    what: str, condition: Callable[[], bool], possible: Callable[[], bool] = lambda: True
) -> None:
    """Poll until it is so.

    Raises:
        AssertionError: it was not so within the deadline, or is not possible any more.
    """
    give_up_at = time.monotonic() + DEADLINE_SECONDS
    while not condition():
        assert possible() and time.monotonic() < give_up_at, f"never: {what}"
        time.sleep(0.02)
