"""A queue as one would write it in an afternoon: it stores leads and says which it has stored."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.faults.rig.waiting import wait_until

_ANSWERS = 20
"""So many are waited for at a time, however slow the machine."""


class PlainQueue:
    """One such process, for the time of a block.

    Args:
        program: Python; prints the number of each lead that it takes for stored, one a line.
        args: of the program.
        said: the file it prints into.
    """

    def __init__(self, program: str, *args: str, said: Path) -> None:
        self._said = said
        with said.open("wb") as out:
            self._process = subprocess.Popen(
                [sys.executable, "-c", program, *args], stdout=out, stderr=subprocess.DEVNULL
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._process.kill()
        self._process.wait()

    def wait_for(self, what: str, condition: Callable[[], bool]) -> None:
        """Until it is so, or the process has given up."""
        wait_until(what, lambda: condition() or self._process.poll() is not None)

    def wait_for_answers(self) -> None:
        """Until it has stored some more leads, or has given up."""
        enough = self._answers() + _ANSWERS
        self.wait_for("it takes leads", lambda: self._answers() >= enough)

    def answered(self) -> set[int]:
        """The leads that it took for stored."""
        return {int(line) for line in self._said.read_bytes().split(b"\n")[:-1]}

    def _answers(self) -> int:
        return self._said.read_bytes().count(b"\n")
