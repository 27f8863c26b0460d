"""Opening the store for one command."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from leadkeep.settings.model import Settings

if TYPE_CHECKING:
    from leadkeep.store.base import Store


@asynccontextmanager
async def opened(settings: Settings) -> "AsyncIterator[Store | None]":
    """The store, to look; None if there is none yet, which is no error: no lead has come.

    Raises:
        StoreError: it is there and cannot be used.
    """
    from leadkeep.app import open_store

    if not settings.store_path.exists():
        yield None
        return
    async with open_store(settings, read_only=True) as store:
        yield store
