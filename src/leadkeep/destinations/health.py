"""Asking an application whether it is well: one GET of a URL that answers 2xx if it is."""

from dataclasses import replace

from leadkeep.clock import SystemClock
from leadkeep.destinations.http import HttpDestination
from leadkeep.errors import SettingsError
from leadkeep.settings.model import DestinationSettings


class HealthCheck:
    """Asks one URL, each time over a connection of its own, as leads would be sent there.

    Args:
        name: whose health it is, for words.
        url: where to ask.
        timeout_seconds: for the whole exchange.
        settings: the destination's; how its application is connected to counts here too.

    Raises:
        SettingsError: the URL cannot be asked.
    """

    def __init__(
        self,
        name: str,
        url: str,
        *,
        timeout_seconds: float,
        settings: DestinationSettings | None = None,
    ) -> None:
        # Not the configured headers: they may hold what only the place for leads shall get.
        asked = replace(
            settings or DestinationSettings(),
            url=url,
            headers={},
            timeout_seconds=timeout_seconds,
        )
        try:
            self._destination = HttpDestination(name, asked, clock=SystemClock())
        except SettingsError as error:
            raise SettingsError(
                f"the health URL of {name} cannot be asked: {error}",
                hint="Write it like https://app.example/health, percent-encoded, without spaces.",
            ) from error

    async def fault(self) -> str:
        """What is wrong, in words; empty: it is well."""
        try:
            reply = await self._destination.health()
        finally:
            await self._destination.close()
        return reply.error_message
