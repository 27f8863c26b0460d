"""`leadkeep`, dying by SIGKILL before a step that lasts.

`python dying_leadkeep.py NTH COMMAND …` dies before its NTH step: a sync, a rename, a new folder, a
link, a removal, a commit of SQLite. With 0 it lives and says on stderr how many steps it took.
"""

import os
import signal
import sys
from collections.abc import Callable
from typing import Any

import apsw

from leadkeep.cli import main

_dies_before = int(sys.argv[1])
_steps = 0


def step() -> None:
    """Count, and perhaps die."""
    global _steps  # noqa: PLW0603 - one count for everything that the process does
    _steps += 1
    if _steps == _dies_before:
        os.kill(os.getpid(), signal.SIGKILL)


def counted(call: Callable[..., Any]) -> Callable[..., Any]:
    """The same call, as a step."""

    def before(*args: Any, **kwargs: Any) -> Any:
        step()
        return call(*args, **kwargs)

    return before


for name in ("fsync", "rename", "mkdir", "link", "unlink", "rmdir"):
    setattr(os, name, counted(getattr(os, name)))


def _at_commit() -> bool:
    step()
    return False


apsw.connection_hooks.append(lambda connection: connection.set_commit_hook(_at_commit))

if __name__ == "__main__":
    sys.argv[:] = ["leadkeep", *sys.argv[2:]]
    try:
        main()
    finally:
        if _dies_before == 0:
            sys.stderr.write(f"steps: {_steps}\n")
