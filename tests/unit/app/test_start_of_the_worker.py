"""A store that cannot be written when the worker starts keeps nothing from being done later."""

import asyncio
from typing import cast

import pytest

from leadkeep.app import processes
from leadkeep.errors import StoreFull, StoreUnsafe
from leadkeep.settings.model import Settings
from leadkeep.store.base import Store

NO_STORE = cast(Store, None)


class Adopting:
    """Fails so often, and then adopts."""

    def __init__(self, *failures: Exception) -> None:
        self.failures = list(failures)
        self.tries = 0

    async def __call__(self, _settings: Settings, _store: Store) -> None:
        self.tries += 1
        if self.failures:
            raise self.failures.pop(0)


@pytest.fixture(autouse=True)
def _no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "_AGAIN_SECONDS", 0)


async def test_leads_without_destination_get_one_once_the_store_can_be_written(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    adopting = Adopting(StoreFull("full"), StoreFull("full"))
    monkeypatch.setattr(processes, "adopt_unrouted", adopting)
    woken: list[str] = []
    await processes._adopt_unrouted(
        Settings(), NO_STORE, asyncio.Event(), on_adopted=lambda: woken.append("now")
    )
    assert (adopting.tries, woken) == (3, ["now"])


async def test_a_store_that_must_not_be_used_is_not_tried_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    adopting = Adopting(StoreUnsafe("poisoned"))
    monkeypatch.setattr(processes, "adopt_unrouted", adopting)
    with pytest.raises(StoreUnsafe):
        await processes._adopt_unrouted(
            Settings(), NO_STORE, asyncio.Event(), on_adopted=lambda: None
        )
    assert adopting.tries == 1
