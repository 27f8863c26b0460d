"""Destinations over real sockets, on both event loops."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import uvloop

from leadkeep.clock import SystemClock
from leadkeep.destinations.http import HttpDestination
from leadkeep.settings.model import DestinationSettings
from tests.integration.delivery.workbench import Workbench, workbench

MakeDestination = Callable[..., HttpDestination]


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Errors reach us in other forms on uvloop, which is what the worker runs on."""
    factories: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {
        "uvloop": uvloop.new_event_loop
    }
    if "http" in item.path.stem or "destinations" in item.path.stem:
        factories["asyncio"] = asyncio.new_event_loop
    return factories


@pytest.fixture
async def destination_at() -> AsyncIterator[MakeDestination]:
    """Make destinations by url and settings; closed after the test."""
    made: list[HttpDestination] = []

    def make(url: str, **settings: Any) -> HttpDestination:
        settings.setdefault("timeout_seconds", 5.0)
        destination = HttpDestination(
            "brain", DestinationSettings(url=url, **settings), clock=SystemClock()
        )
        made.append(destination)
        return destination

    yield make
    for destination in made:
        await destination.close()


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Workbench]:
    """A store of its own for each test."""
    async with workbench(tmp_path) as made:
        yield made
