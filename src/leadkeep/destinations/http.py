"""A destination that is reached over HTTP: forwards a lead exactly, once, within one deadline.

Transport only. It says whether the destination confirmed the lead and, if not, why; what becomes of
the delivery is decided elsewhere. A failure is a normal event: nothing but cancellation is raised.
"""

import asyncio
import os
import traceback

import structlog

from leadkeep.clock import Clock
from leadkeep.destinations.base import Reply
from leadkeep.destinations.exchange import Exchange, Wire
from leadkeep.destinations.failures import (
    UNSENDABLE,
    Failure,
    failure_of_error,
    failure_of_status,
)
from leadkeep.destinations.request import RequestForm
from leadkeep.destinations.retry_after import retry_after_seconds
from leadkeep.models import Claim
from leadkeep.settings.model import DestinationSettings

_log = structlog.get_logger("leadkeep.destinations")


class HttpDestination:
    """Posts leads to a URL. See `destinations.base.Destination`.

    Args:
        name: its name in the settings.
        settings: url, options and limits.
        clock: reads the dates in `Retry-After`.

    Raises:
        SettingsError: the url or a configured header cannot be used.
    """

    def __init__(self, name: str, settings: DestinationSettings, *, clock: Clock) -> None:
        self._name = name
        self._form = RequestForm(name, settings)
        self._timeout_seconds = settings.timeout_seconds
        self._reply_max_bytes = settings.reply_max_bytes
        self._clock = clock
        self._wire: Wire | None = None

    @property
    def name(self) -> str:
        return self._name

    async def attempt(self, claim: Claim) -> Reply:
        """Deliver one lead within the timeout; never raises but CancelledError."""
        seen = Exchange()
        try:
            head = self._form.head(claim)
            if self._wire is None:
                # Connections belong to the loop that runs, which __init__ need not have.
                self._wire = Wire(self._form.origin, reply_max_bytes=self._reply_max_bytes)
            async with asyncio.timeout(self._timeout_seconds):
                await self._wire.exchange(
                    seen, head=head, body=claim.body, is_head=claim.method == "HEAD"
                )
        except Exception as error:  # whatever it is, it is this attempt's outcome
            return self._failed(error, seen)
        return self._answered(seen)

    async def close(self) -> None:
        """Let go of connections."""
        if self._wire is not None:
            wire, self._wire = self._wire, None
            await wire.close()

    def _answered(self, seen: Exchange) -> Reply:
        status = seen.status or 0
        if 200 <= status < 300:
            return Reply(confirmed=True, status=status, headers=seen.head, body=seen.body)
        return self._reply(failure_of_status(self._name, status), seen)

    def _failed(self, error: Exception, seen: Exchange) -> Reply:
        if seen.status is not None and not 200 <= seen.status < 300:
            # It said no, whatever happened to the rest of its reply.
            return self._reply(failure_of_status(self._name, seen.status), seen)
        failure = failure_of_error(self._name, error, seen, timeout_seconds=self._timeout_seconds)
        if failure.error_class == "internal":
            _log_our_own(self._name, error)
        if self._wire is not None and not seen.connected:
            self._wire.forget_addresses()
        return self._reply(failure, seen)

    def _reply(self, failure: Failure, seen: Exchange) -> Reply:
        wait = None
        if seen.retry_after is not None:
            wait = retry_after_seconds(seen.retry_after, now_us=self._clock.now_us())
        return Reply(
            confirmed=False,
            error_class=failure.error_class,
            error_message=failure.words,
            status=seen.status,
            headers=seen.head,
            body=seen.body,
            retry_after_seconds=wait,
            unsendable=failure.error_class == UNSENDABLE,
        )


def _log_our_own(name: str, error: Exception) -> None:
    """Say where our own code failed. Not the error's text: it may quote the lead."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    _log.error(
        "a delivery failed for a reason of our own",
        destination=name,
        error=type(error).__name__,
        where=f"{os.path.basename(frame.filename)}:{frame.lineno}",  # noqa: PTH119  a name only
    )
