"""Doors that are opened by a test and closed after it."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from leadkeep.settings.model import IntakeSettings
from tests.integration.intake.rig import RunningDoor

OpenDoor = Callable[..., RunningDoor]


@pytest.fixture
def open_door(tmp_path: Path) -> Iterator[OpenDoor]:
    """Opens doors; keywords of `RunningDoor`, all others are settings of the intake."""
    doors: list[RunningDoor] = []

    def open_one(**given: Any) -> RunningDoor:
        own = {key: given.pop(key) for key in list(given) if key in RunningDoor.__annotations__}
        intake = replace(IntakeSettings(lame_duck_seconds=0.5, drain_seconds=2.0), **given)
        door = RunningDoor(folder=tmp_path, intake=intake, **own)
        doors.append(door)
        return door.start()

    yield open_one
    for door in doors:
        if door.failure is None:
            door.stop()


@pytest.fixture
def door(open_door: OpenDoor) -> RunningDoor:
    """A door as it is by default."""
    return open_door()
