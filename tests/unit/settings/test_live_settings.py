"""Live answers and pings name what is there."""

from pathlib import Path

import pytest

from leadkeep.errors import SettingsError
from leadkeep.settings.load import load
from leadkeep.settings.model import Settings

BASE = """
[destinations.a]
url = "http://h/"
[destinations.b]
url = "http://h/"
"""


def loaded(folder: Path, text: str) -> Settings:
    (folder / "leadkeep.toml").write_text(BASE + text)
    return load(config=None, environ={}, flags={}, cwd=folder, check_files=False)


def test_a_source_is_queued_unless_it_says_otherwise(tmp_path: Path) -> None:
    source = loaded(tmp_path, '[sources.v]\npaths = "/v"\n').sources["v"]
    assert (source.answer, source.live_timeout_ms, source.ping_paths) == ("queued", 3_000, ())


def test_what_may_be_said_is_taken(tmp_path: Path) -> None:
    source = loaded(
        tmp_path,
        '[sources.v]\npaths = "/v"\nanswer = "live"\nlive_timeout_ms = "1500ms"\n'
        'destinations = ["a"]\nlive_destination = "a"\nping_paths = ["/ping"]\n'
        'ping_destination = "b"\n[sources.v.no_bid]\nstatus = 204\nbody = ""\n',
    ).sources["v"]
    assert (source.answer, source.live_timeout_ms, source.no_bid.status) == ("live", 1_500, 204)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ('answer = "maybe"', "sources.v.answer"),
        ('destinations = ["a"]\nlive_destination = "b"', "sources.v.live_destination"),
        ('ping_destination = "c"', "sources.v.ping_destination"),
        ('paths = "/v"\nping_paths = "/v/"', "sources.v.ping_paths"),
        ("live_timeout_ms = 10", "sources.v.live_timeout_ms"),
        ("[sources.v.no_bid]\nstatus = 404", "sources.v.no_bid.status"),
    ],
)
def test_what_cannot_be_is_named(tmp_path: Path, text: str, named: str) -> None:
    with pytest.raises(SettingsError, match=named):
        loaded(tmp_path, f"[sources.v]\n{text}\n")


def test_two_sources_cannot_have_the_same_ping_path(tmp_path: Path) -> None:
    text = '[sources.v]\nping_paths = "/ping"\n[sources.w]\nping_paths = "/ping"\n'
    with pytest.raises(SettingsError, match=r"sources\.w\.ping_paths: /ping is already claimed"):
        loaded(tmp_path, text)
