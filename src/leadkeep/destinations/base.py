"""What a destination is: something that takes one lead and says whether it has it."""

from typing import Protocol

import msgspec

from leadkeep.models import Claim


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
