"""Several processes that begin their work at the same moment."""

import subprocess
import sys
from collections.abc import Sequence


def run_together(module: str, arguments: Sequence[Sequence[str]]) -> list[list[str]]:
    """Run a module once for each of these arguments; returns the lines that each printed.

    Each says `ready` and waits; then all are let go.
    """
    running = [
        subprocess.Popen(
            [sys.executable, "-m", module, *some],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for some in arguments
    ]
    try:
        for one in running:
            assert one.stdout is not None
            assert one.stdout.readline() == "ready\n"
        for one in running:
            assert one.stdin is not None
            one.stdin.write("go\n")
            one.stdin.flush()
        said = [one.communicate(timeout=60)[0].split() for one in running]
    finally:
        for one in running:
            one.kill()
            one.wait()
    assert [one.returncode for one in running] == [0] * len(running)
    return said
