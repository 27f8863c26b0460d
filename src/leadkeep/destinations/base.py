"""What a destination is: something that takes one lead and says whether it has it.

This is all that another package needs to add one: docs/reference/destinations.md.
"""

from typing import Protocol, runtime_checkable

import msgspec

from leadkeep.models import Claim

REFUSED = "refused"
"""Error class of an attempt that says that the lead itself is at fault, as a 4xx does."""


class Reply(msgspec.Struct, frozen=True):
    """What came of one attempt, before anybody decides what it means for the delivery.

    Never raised: a destination that fails is a normal event.
    """

    confirmed: bool
    """The destination says that it has the lead."""
    error_class: str = ""
    """`dns`, `connect`, `tls`, `timeout`, `reset`, `malformed_reply`, `http_503`, …"""
    error_message: str = ""
    """Why, in words for a person, without personal data."""
    status: int | None = None
    headers: bytes = b""
    body: bytes = b""
    """The reply's first `reply_max_bytes`."""
    retry_after_seconds: float | None = None
    unsendable: bool = False
    """Nothing was sent, and as lead and settings are nothing can be: another try would end the
    same. `error_message` says why."""


class Destination(Protocol):
    """Takes leads. One instance per configured destination and process."""

    @property
    def name(self) -> str:
        """Its name in the settings."""

    async def attempt(self, claim: Claim) -> Reply:
        """Deliver one lead within the destination's timeout; never raises but CancelledError."""

    async def close(self) -> None:
        """Let go of connections."""


@runtime_checkable
class Examinable(Protocol):
    """A destination that can say before the first lead what would fail; `leadkeep check` asks."""

    async def examine(self) -> None:
        """Look at what it needs here: files, modules. Sends nothing.

        Raises:
            SettingsError: it cannot work as it is set.
        """


@runtime_checkable
class Reachable(Protocol):
    """A destination of which it can be told, without a lead, whether somebody listens there."""

    async def unreachable(self) -> str:
        """Connect and say nothing: why nobody listens, in words; empty: somebody does."""
