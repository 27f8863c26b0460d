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


def test_a_hung_disk_under_the_log_holds_nobody_up_and_its_lines_follow() -> None:
    class Hung(io.StringIO):
        goes_on = threading.Event()

        def write(self, text: str, /) -> int:
            assert self.goes_on.wait(10)
            return super().write(text)

    stream = Hung()
    lines = LineThread(Forgiving(stream))
    for number in range(LINES_MAX + 10):
        lines.write(f"{number}\n")
    assert stream.getvalue() == ""
    assert lines.lost in (9, 10), "one may be in the thread's hand"
    stream.goes_on.set()
    lines.close(10)
    assert stream.getvalue().splitlines()[:3] == ["0", "1", "2"]
    assert len(stream.getvalue().splitlines()) == LINES_MAX + 10 - lines.lost


def test_the_last_line_of_a_process_is_written(tmp_path: Path) -> None:
    code = (
        "from leadkeep.telemetry.logs import configure_logs\n"
        "import structlog\n"
        "configure_logs(level='info', form='json', process='worker', stays=True)\n"
        "structlog.get_logger('leadkeep.test').error('farewell')\n"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert b"farewell" in ended.stderr
