"""A destination whose leads may go to another address than the configured one.

Which one is not decided here: the claim says it, read in the transaction that leased it. So all
workers follow a switch with their next claim, and no lead is sent where the store did not say.
"""

from collections.abc import Callable
from dataclasses import replace
from urllib.parse import urlsplit

from leadkeep.destinations.base import Destination, Reply
from leadkeep.destinations.request import RequestForm
from leadkeep.errors import SettingsError, UsageError
from leadkeep.models import Claim
from leadkeep.settings.model import DestinationSettings

KEPT_ADDRESSES = 4
"""So many other addresses stay connected; blue and green are two."""


class SwitchingDestination:
    """Sends each lead where its claim says. See `destinations.base.Destination`.

    Args:
        configured: the destination as configured; closed with this one.
        elsewhere: makes the same destination at another url.
    """

    def __init__(self, configured: Destination, elsewhere: Callable[[str], Destination]) -> None:
        self._configured = configured
        self._make = elsewhere
        self._elsewhere: dict[str, Destination] = {}
        self._under_way: dict[str, int] = {}

    @property
    def name(self) -> str:
        return self._configured.name

    async def attempt(self, claim: Claim) -> Reply:
        """Deliver one lead; never raises but CancelledError."""
        url = claim.url
        if not url:
            return await self._configured.attempt(claim)
        destination = self._elsewhere.get(url)
        if destination is None:
            await self._make_room()
            destination = self._elsewhere.setdefault(url, self._make(url))
        self._under_way[url] = self._under_way.get(url, 0) + 1
        try:
            return await destination.attempt(claim)
        finally:
            self._under_way[url] -= 1

    async def close(self) -> None:
        """Let go of connections."""
        await self._configured.close()
        for destination in self._elsewhere.values():
            await destination.close()

    async def _make_room(self) -> None:
        """Close the addresses that nobody uses, oldest first, until few are left."""
        for url in list(self._elsewhere):
            if len(self._elsewhere) < KEPT_ADDRESSES:
                return
            if not self._under_way.get(url):
                self._under_way.pop(url, None)
                await self._elsewhere.pop(url).close()


def check_url(name: str, settings: DestinationSettings, url: str, *, what: str) -> None:
    """See to it that requests for a destination can be sent to another url, as to its own.

    Args:
        what: the url in words, for the error.

    Raises:
        UsageError: they cannot.
    """
    if "@" in urlsplit(url).netloc or "#" in url:
        raise UsageError(
            f"{what} has a user, a password or a #fragment in it",
            hint="Leave it out; the headers configured for the destination go there too.",
        )
    try:
        RequestForm(name, replace(settings, url=url))
    except SettingsError as error:
        words = str(error).replace(f"destinations.{name}.url", what)
        raise UsageError(words, hint=error.hint) from error
