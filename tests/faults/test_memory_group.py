"""That the limit of the abuse with little memory bites."""

import signal
import subprocess
import sys

import pytest

from tests.faults.rig.memory_group import memory_limited, why_not_here

MIB = 1024**2
TAKING = """
import sys
sys.stdin.readline()
taken = b"x" * int(sys.argv[1])
"""


def take(mib: int) -> int:
    """How a process ends that takes so much where 64 MiB are allowed."""
    assert why_not_here() == ""
    process = subprocess.Popen(
        [sys.executable, "-c", TAKING, str(mib * MIB)], stdin=subprocess.PIPE
    )
    with memory_limited(process.pid, 64 * MIB):
        process.communicate(b"now\n", timeout=60)
    return process.returncode


@pytest.mark.root
def test_who_takes_more_than_its_group_may_is_killed_and_who_takes_less_is_not() -> None:
    assert take(32) == 0
    assert take(128) == -signal.SIGKILL
