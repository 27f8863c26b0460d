"""A worker whose parts all meet the same error says once that it stops."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
import structlog

from leadkeep.app import load_settings, processes
from leadkeep.errors import StoreDamaged


def test_it_is_said_once_however_many_parts_met_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def meets_it(*_: Any) -> None:
        both_run = asyncio.Barrier(3)

        async def part(words: str) -> None:
            await both_run.wait()
            raise StoreDamaged(words)

        async with asyncio.TaskGroup() as parts:
            for words in ("it is damaged", "it is damaged", "it cannot be read"):
                parts.create_task(part(words))

    monkeypatch.setattr(processes, "_worker", meets_it)
    monkeypatch.setattr("leadkeep.telemetry.logs.configure_logs", lambda **_: None)
    settings = load_settings(None, {"data": str(tmp_path / "data")})
    with structlog.testing.capture_logs() as said:
        assert processes.run_worker(settings, None) == 1
    (stop,) = [line for line in said if line["event"] == "the worker stops"]
    assert {stop["error"], *stop["besides"]} == {"it is damaged", "it cannot be read"}
    assert len(stop["besides"]) == 1
