"""A destination that is reached over HTTP: forwards a lead exactly, once, within one deadline.

Transport only. It says whether the destination confirmed the lead and, if not, why; what becomes of
the delivery is decided elsewhere. A failure is a normal event: nothing but cancellation is raised.
"""

import asyncio
import os
import traceback
from pathlib import Path

import structlog
from aiohttp.abc import AbstractResolver

from leadkeep.clock import Clock
from leadkeep.destinations.addresses import AddressRefused, address_in
from leadkeep.destinations.base import Reply
from leadkeep.destinations.confirmation import Confirmation
from leadkeep.destinations.exchange import Exchange, Wire
from leadkeep.destinations.failures import UNSENDABLE, Failure, failure_of_error
from leadkeep.destinations.reaching import address_rule, wire_to
from leadkeep.destinations.renewal import FileWatch, secret_files, tls_files, with_secrets_of_now
from leadkeep.destinations.request import RequestForm
from leadkeep.destinations.resolving import CheckedResolver
from leadkeep.destinations.retry_after import retry_after_seconds
from leadkeep.destinations.tls import client_tls
from leadkeep.errors import SettingsError
from leadkeep.models import Claim
from leadkeep.settings.model import DestinationSettings

LOOK_UP_SECONDS = 2.0
"""`leadkeep check` waits so long for the host's name to be found."""

_log = structlog.get_logger("leadkeep.destinations")


class HttpDestination:
    """Posts leads to a URL. See `destinations.base.Destination`.

    Args:
        name: its name in the settings.
        settings: url, options and limits.
        clock: dates requests, reads the dates in `Retry-After`.
        lookup: finds the addresses of its host; None: the system does.

    Raises:
        SettingsError: the url, a configured header, a secret or a condition cannot be used.
    """

    def __init__(
        self,
        name: str,
        settings: DestinationSettings,
        *,
        clock: Clock,
        lookup: AbstractResolver | None = None,
    ) -> None:
        self._name = name
        self._settings = settings
        self._form = RequestForm(name, settings, clock=clock)
        self._rule = address_rule(name, self._form.origin, settings)
        self._lookup = lookup
        self._secrets = _watch(secret_files(settings), clock)
        is_https = self._form.origin.scheme == "https"
        self._tls_files = _watch(tls_files(settings), clock) if is_https else None
        self._confirmation = Confirmation(name, settings)
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
            wire = self._the_wire()
            head = self._form.head(claim)
            async with asyncio.timeout(self._timeout_seconds):
                await wire.exchange(
                    seen, head=head, body=claim.body, is_head=claim.method == "HEAD"
                )
        except Exception as error:  # whatever it is, it is this attempt's outcome
            return self._failed(error, seen)
        return self._answered(seen)

    async def examine(self) -> None:
        """See whether the files of its TLS can be used, and where its host's name leads from here.

        A name that is not found now may be found when it matters: that is no mistake.

        Raises:
            SettingsError: the files cannot, or the name leads to addresses that are not allowed.
        """
        if self._form.origin.scheme == "https":
            client_tls(self._name, self._settings.tls)
        host = self._form.origin.raw_host or ""
        if address_in(host) is not None:
            return
        try:
            async with asyncio.timeout(LOOK_UP_SECONDS):
                await CheckedResolver(self._rule, self._lookup).resolve(host)
        except (OSError, UnicodeError):  # TimeoutError is one of the former
            pass
        except AddressRefused as refused:
            raise SettingsError(
                f"destinations.{self._name}.url: {host} leads to an address that is not allowed "
                f"({refused})",
                hint=f"If that is meant, set destinations.{self._name}.private_networks.",
            ) from refused

    async def health(self) -> Reply:
        """GET the url within the timeout, for no lead: is a 2xx there? Raises as `attempt`."""
        seen = Exchange()
        try:
            async with asyncio.timeout(self._timeout_seconds):
                await self._the_wire().exchange(
                    seen, head=self._form.health_head(), body=b"", is_head=False
                )
        except Exception as error:  # whatever it is, it is the answer
            return self._failed(error, seen)
        return self._answered(seen)

    async def unreachable(self) -> str:
        """Connect and say nothing: why nobody listens, in words; empty: somebody does."""
        seen = Exchange()
        try:
            async with asyncio.timeout(self._timeout_seconds):
                await self._the_wire().reach(seen)
        except Exception as error:  # whatever it is, it is the answer
            return self._failed(error, seen).error_message
        return ""

    async def close(self) -> None:
        """Let go of connections."""
        if self._wire is not None:
            wire, self._wire = self._wire, None
            await wire.close()

    def _the_wire(self) -> Wire:
        if self._wire is None:
            # Connections belong to the loop that runs, which __init__ need not have.
            self._wire = wire_to(
                self._form.origin,
                self._name,
                self._settings,
                reply_max_bytes=self._reply_max_bytes,
                lookup=self._lookup,
            )
        if self._secrets is not None or self._tls_files is not None:
            self._renew(self._wire)
        return self._wire

    def _renew(self, wire: Wire) -> None:
        """Use what has been put into files since; what cannot be used leaves all as it was."""
        try:
            if self._secrets is not None and self._secrets.changed():
                settings = with_secrets_of_now(self._settings)
                self._form = RequestForm(self._name, settings, clock=self._clock)
                self._settings = settings
                _log.info("secrets have been replaced", destination=self._name)
            if self._tls_files is not None and self._tls_files.changed():
                wire.use_tls(client_tls(self._name, self._settings.tls))
                _log.info("TLS certificates have been replaced", destination=self._name)
        except (OSError, UnicodeDecodeError, SettingsError) as error:
            told = str(error) if isinstance(error, SettingsError) else type(error).__name__
            _log.error(
                "a new secret or certificate cannot be used; the one before stays in use",
                destination=self._name,
                error=told,
            )

    def _answered(self, seen: Exchange) -> Reply:
        status = seen.status or 0
        failure = self._confirmation.why_not(status, seen.head, seen.body, cut=seen.cut)
        if failure is None:
            return Reply(confirmed=True, status=status, headers=seen.head, body=seen.body)
        return self._reply(failure, seen)

    def _failed(self, error: Exception, seen: Exchange) -> Reply:
        if seen.status is not None and not self._confirmation.accepts(seen.status):
            # It said no, whatever happened to the rest of its reply.
            return self._answered(seen)
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


def _watch(files: list[Path], clock: Clock) -> FileWatch | None:
    return FileWatch(files, clock) if files else None


def _log_our_own(name: str, error: Exception) -> None:
    """Say where our own code failed. Not the error's text: it may quote the lead."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    _log.error(
        "a delivery failed for a reason of our own",
        destination=name,
        error=type(error).__name__,
        where=f"{os.path.basename(frame.filename)}:{frame.lineno}",  # noqa: PTH119  a name only
    )
