"""Log lines are one JSON object each, and hostile text cannot forge another."""

import io
import json
import subprocess
import sys
import threading
from pathlib import Path

import structlog

from leadkeep.telemetry.logs import configure_logs
from leadkeep.telemetry.sink import LINES_MAX, Forgiving, LineThread
from tests.unit.journal.journal_parts import until


def test_off_a_terminal_each_line_is_a_json_object_that_names_its_process() -> None:
    stream = io.StringIO()
    configure_logs(level="info", form="auto", process="intake", stream=stream)
    structlog.get_logger("leadkeep.test").info("door open", connections=3)
    line = json.loads(stream.getvalue())
    assert (line["event"], line["process"], line["connections"]) == ("door open", "intake", 3)
    assert line["timestamp"].endswith("Z")


def test_text_from_outside_cannot_forge_a_line_or_move_the_cursor() -> None:
    stream = io.StringIO()
    configure_logs(level="info", form="text", process="intake", stream=stream)
    log = structlog.get_logger("leadkeep.test")
    # The renderer itself quotes a value with white space in it, and no other.
    for path in ("/a\n2026 forged\x1b[2J", "/a\x1b[2J", "/a\x9b2J"):
        log.info("no route", path=path)
    assert stream.getvalue().count("\n") == 3
    assert not {"\x1b", "\x9b"} & set(stream.getvalue())


def test_lines_below_the_level_are_not_written() -> None:
    stream = io.StringIO()
    configure_logs(level="warning", form="json", process="intake", stream=stream)
    structlog.get_logger("leadkeep.test").info("quiet")
    assert stream.getvalue() == ""


def test_a_full_disk_under_the_log_loses_lines_and_raises_nothing() -> None:
    with Path("/dev/full").open("w") as full:
        configure_logs(level="info", form="json", process="intake", stream=full)
        structlog.get_logger("leadkeep.test").error("nobody reads this")


class Fickle(io.StringIO):
    """A disk that is full, or hangs, until it is told otherwise."""

    def __init__(self) -> None:
        super().__init__()
        self.is_full = False
        self.goes_on = threading.Event()
        self.goes_on.set()

    def write(self, text: str, /) -> int:
        assert self.goes_on.wait(10)
        if self.is_full:
            raise OSError(28, "No space left on device")
        return super().write(text)


def test_how_many_lines_were_lost_is_said_once_there_is_room_again() -> None:
    stream = Fickle()
    configure_logs(level="info", form="json", process="intake", stream=stream)
    log = structlog.get_logger("leadkeep.test")
    stream.is_full = True
    for _ in range(3):
        log.info("lost")
    stream.is_full = False
    for _ in range(2):
        log.info("written")
    told = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [line["event"] for line in told] == ["written", "log lines were lost", "written"]
    assert (told[1]["lines"], told[1]["process"]) == (3, "intake")


def test_a_hung_disk_under_the_log_holds_nobody_up_and_its_lines_follow() -> None:
    stream = Fickle()
    stream.goes_on.clear()
    lines = LineThread(Forgiving(stream, lambda lost: f"lost {lost}\n"))
    lines.write("0\n")
    until(lambda: not lines._lines)  # The thread has it in its hand, and hangs.
    for number in range(1, LINES_MAX + 11):
        lines.write(f"{number}\n")
    assert stream.getvalue() == ""
    stream.goes_on.set()
    lines.close(10)
    told = stream.getvalue().splitlines()
    assert told[:3] == ["0", "1", "lost 10"]
    assert told[-1] == str(LINES_MAX)


def test_the_last_line_of_a_process_is_written(tmp_path: Path) -> None:
    code = (
        "from leadkeep.telemetry.logs import configure_logs\n"
        "import structlog\n"
        "configure_logs(level='info', form='json', process='worker', stays=True)\n"
        "structlog.get_logger('leadkeep.test').error('farewell')\n"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert b"farewell" in ended.stderr
