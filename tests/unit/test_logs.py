"""Log lines are one JSON object each, and hostile text cannot forge another."""

import io
import json

import structlog

from leadkeep.telemetry.logs import configure_logs


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
