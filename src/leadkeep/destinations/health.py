"""Asking an application whether it is well: one GET of a URL that answers 2xx if it is."""

import asyncio
from urllib.parse import urlsplit

from yarl import URL

from leadkeep.destinations.exchange import Exchange, Wire
from leadkeep.destinations.failures import failure_of_error, failure_of_status
from leadkeep.errors import SettingsError

_REPLY_MAX_BYTES = 1_024


class HealthCheck:
    """Asks one URL, each time over a connection of its own.

    Args:
        name: whose health it is, for words.
        url: where to ask.
        timeout_seconds: for the whole exchange.

    Raises:
        SettingsError: the URL cannot be asked.
    """

    def __init__(self, name: str, url: str, *, timeout_seconds: float) -> None:
        self._name = name
        self._timeout_seconds = timeout_seconds
        parts = urlsplit(url)
        try:
            self._origin = URL.build(
                scheme=parts.scheme, host=parts.hostname or "", port=parts.port, path="/"
            )
            target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
            host = self._origin.host_port_subcomponent or ""
            self._head = (
                f"GET {target} HTTP/1.1\r\nHost: {host}\r\nAccept: */*\r\n"
                "User-Agent: leadkeep\r\nConnection: close\r\n\r\n"
            ).encode("ascii")
        except (ValueError, UnicodeError) as error:
            raise SettingsError(
                f"the health URL of {name} cannot be asked: {type(error).__name__}",
                hint="Write it like https://app.example/health, percent-encoded, without spaces.",
            ) from error

    async def fault(self) -> str:
        """What is wrong, in words; empty: it is well."""
        wire = Wire(self._origin, reply_max_bytes=_REPLY_MAX_BYTES)
        seen = Exchange()
        try:
            async with asyncio.timeout(self._timeout_seconds):
                await wire.exchange(seen, head=self._head, body=b"", is_head=False)
        except Exception as error:  # whatever it is, it is not well
            if seen.status is None or 200 <= seen.status < 300:
                return failure_of_error(
                    self._name, error, seen, timeout_seconds=self._timeout_seconds
                ).words
        finally:
            await wire.close()
        if 200 <= (seen.status or 0) < 300:
            return ""
        return failure_of_status(self._name, seen.status or 0).words
