"""Opening the store for one command."""

from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING

from leadkeep.settings.model import Settings

if TYPE_CHECKING:
    from leadkeep.store.base import Store


def opened(settings: Settings) -> "AbstractAsyncContextManager[Store | None]":
    """The store, to look; None if there is none yet, which is no error: no lead has come.

    Raises:
        StoreError: it is there and cannot be used.
    """
    from leadkeep.app import existing_store

    return existing_store(settings)
