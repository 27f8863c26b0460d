"""A command that is run for somebody: signals and codes pass through."""

import asyncio
import os
import signal
from pathlib import Path

import pytest

from leadkeep.cli.passing import Signals, run_passing

TRAP = """
import signal, sys, time
def noted(number, frame):
    open(sys.argv[1], "a").write(f"{number} ")
    if number == signal.SIGTERM:
        sys.exit(5)
for number in (signal.SIGHUP, signal.SIGTERM):
    signal.signal(number, noted)
open(sys.argv[1], "a").write("ready ")
while True:
    time.sleep(0.01)
"""


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["true"], 0),
        (["sh", "-c", "exit 7"], 7),
        (["sh", "-c", "kill -9 $$"], 137),
        (["./not-there"], 127),
        (["/etc/hostname"], 126),
    ],
)
async def test_the_code_is_the_one_a_shell_tells(words: list[str], code: int) -> None:
    with Signals() as signals:
        assert await run_passing(words, signals) == code


async def test_signals_are_passed_on_while_the_command_runs(tmp_path: Path) -> None:
    noted = tmp_path / "noted"
    with Signals() as signals:
        running = asyncio.create_task(run_passing(["python3", "-c", TRAP, str(noted)], signals))
        while not (noted.exists() and "ready" in noted.read_text()):
            await asyncio.sleep(0.01)
        os.kill(os.getpid(), signal.SIGHUP)
        while str(signal.SIGHUP.value) not in noted.read_text().split():
            await asyncio.sleep(0.01)
        os.kill(os.getpid(), signal.SIGTERM)
        assert await running == 5
    assert signals.stopped_by is None


async def test_a_signal_that_comes_while_the_command_is_started_is_for_it() -> None:
    with Signals() as signals, signals.passed_on():
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.sleep(0.01)
        process = await asyncio.create_subprocess_exec("sleep", "60")
        signals.are_for(process)
        assert await process.wait() == -signal.SIGTERM


async def test_without_a_command_a_signal_is_a_wish_to_stop() -> None:
    async def work() -> int | None:
        with Signals() as signals:
            os.kill(os.getpid(), signal.SIGTERM)
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                return signals.stopped_by
        return None

    assert await asyncio.create_task(work()) == signal.SIGTERM
