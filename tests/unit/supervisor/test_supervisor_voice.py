"""The supervisor's lines have the same form as the other processes'."""

import io
import json
import logging
from collections.abc import Iterator

import pytest

from leadkeep.supervisor.voice import LOGGER, Voice


@pytest.fixture(autouse=True)
def quiet_afterwards() -> Iterator[None]:
    yield
    logging.getLogger(LOGGER).handlers.clear()


def test_off_a_terminal_each_line_is_a_json_object() -> None:
    stream = io.StringIO()
    Voice(level="info", form="auto", stream=stream).say("error", "worker died", how="exit\ncode 1")
    (line,) = stream.getvalue().splitlines()
    told = json.loads(line)
    assert (told["event"], told["level"], told["how"]) == ("worker died", "error", "exit\ncode 1")
    assert told["timestamp"].endswith("Z")


def test_text_stays_on_one_line() -> None:
    stream = io.StringIO()
    Voice(level="info", form="text", stream=stream).say("error", "refused", reason="a\nb\x1b[2J")
    assert stream.getvalue().count("\n") == 1
    assert "\x1b" not in stream.getvalue()


def test_what_is_below_the_level_is_not_said() -> None:
    stream = io.StringIO()
    Voice(level="warning", form="json", stream=stream).say("info", "worker is ready")
    assert stream.getvalue() == ""


def test_a_stderr_that_is_gone_stops_nothing() -> None:
    stream = io.StringIO()
    voice = Voice(level="info", form="json", stream=stream)
    stream.close()
    voice.say("error", "nobody hears this")
