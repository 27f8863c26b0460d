"""Opening the store for one command."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from leadkeep.errors import StoreUnavailable
from leadkeep.settings.model import Settings

if TYPE_CHECKING:
    from leadkeep.store.base import Store


def make_data_folder(settings: Settings) -> None:
    """Make the folder of the store, where there is none; only its owner may look into it.

    Raises:
        StoreUnavailable: it cannot be made.
    """
    folder = settings.store_path.parent
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise StoreUnavailable(
            f"the folder {folder} cannot be made: {error.strerror}",
            hint="Give a folder that this user may write to, with --data or in leadkeep.toml.",
        ) from error


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


@asynccontextmanager
async def opened_to_change(settings: Settings) -> "AsyncIterator[Store]":
    """The store, to change it; made if there is none yet.

    Raises:
        StoreError: it cannot be used.
    """
    from leadkeep.app import open_store

    make_data_folder(settings)
    async with open_store(settings) as store:
        yield store
