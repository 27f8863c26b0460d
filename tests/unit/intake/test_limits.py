"""The door asks for the files it needs, and takes fewer connections where it cannot have them."""

import resource

import pytest

from leadkeep.intake.limits import Limits
from leadkeep.settings.model import IntakeSettings, JournalSettings


@pytest.fixture
def allowed(monkeypatch: pytest.MonkeyPatch) -> dict[str, tuple[int, int]]:
    """The limit on open files, as it stands and as it is set."""
    state = {"files": (1024, 4096)}
    monkeypatch.setattr("resource.getrlimit", lambda _which: state["files"])
    monkeypatch.setattr("resource.setrlimit", lambda _which, pair: state.update(files=pair))
    return state


def connections(wanted: int) -> int:
    return Limits.of(IntakeSettings(max_connections=wanted), JournalSettings()).connections


def test_the_limit_on_open_files_is_raised_as_needed(allowed: dict[str, tuple[int, int]]) -> None:
    assert connections(2_000) == 2_000
    assert allowed["files"] == (2_000 + 256 + 128, 4096)


def test_fewer_connections_are_taken_where_files_are_short(
    allowed: dict[str, tuple[int, int]],
) -> None:
    taken = connections(10_000)
    assert allowed["files"] == (4096, 4096)
    assert 3_000 < taken < 4096 - 128


@pytest.mark.parametrize("files", [200, 300, 1_000, 4_096])
def test_those_that_are_refused_leave_the_journal_its_files(
    allowed: dict[str, tuple[int, int]], files: int
) -> None:
    allowed["files"] = (files, files)
    limits = Limits.of(IntakeSettings(max_connections=10_000), JournalSettings())
    assert limits.connections + limits.refused == files - 128
    assert 0 < limits.refused < limits.connections


def test_a_sufficient_limit_is_left_alone(allowed: dict[str, tuple[int, int]]) -> None:
    allowed["files"] = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
    assert connections(10_000) == 10_000
    assert allowed["files"] == (resource.RLIM_INFINITY, resource.RLIM_INFINITY)


def test_short_deadlines_make_short_ticks() -> None:
    found = Limits.of(IntakeSettings(header_timeout_seconds=0.2), JournalSettings())
    assert found.tick_seconds == pytest.approx(0.05)
    assert found.header_ticks == 5
    assert Limits.of(IntakeSettings(), JournalSettings()).tick_seconds == 1.0
