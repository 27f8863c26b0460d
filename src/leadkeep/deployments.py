"""The nouns of a deployment: from its hold to how it ended.

A deployment holds one destination for at most its term. How it ended is written down once and never
changes.
"""

from enum import StrEnum

import msgspec

from leadkeep.terms import Term


class DeploymentResult(StrEnum):
    """How a deployment ended."""

    COMPLETED = "completed"
    """The new version has taken a lead, or none waited; leads are delivered to it."""
    COMMAND_FAILED = "command_failed"
    """The command failed; leads are delivered to what runs, which has taken one since."""
    CANARY_FAILED = "canary_failed"
    """The application was not healthy or did not take the canary: it is held until resumed."""
    SWITCHED_BACK = "switched_back"
    """The new address did not take the canary; leads go to the old one again."""
    CANCELLED = "cancelled"
    """It was stopped before its command had run: nothing was changed."""
    ABANDONED = "abandoned"
    """Its time was over, or a person resumed the destination, before it had been ended."""


class Deployment(msgspec.Struct, frozen=True):
    """One deployment of the application behind a destination."""

    deployment_id: int
    destination: str
    actor: str
    """Who began it."""
    note: str
    """What is deployed, in the words of whoever began it."""
    begun_at_ms: int
    term: Term
    """Its hold lasts no longer than this."""
    ended_at_ms: int | None = None
    result: DeploymentResult | None = None
    """None: it is under way."""
    detail: str = ""
    """Why it ended so, in words; empty if there is nothing to say."""
    exit_code: int | None = None
    """What the command ended with, where Leadkeep ran it."""
    switched_to: str = ""
    """The address that leads go to since; empty: the same as before."""
    canary_lead_id: str | None = None
    waited: int | None = None
    """How many leads had to wait for it; None: nobody counted."""
    longest_wait_ms: int | None = None


class Ending(msgspec.Struct, frozen=True):
    """How a deployment shall end: written in one transaction with all that follows from it."""

    result: DeploymentResult
    detail: str = ""
    exit_code: int | None = None
    canary_lead_id: str | None = None
    waited: int | None = None
    longest_wait_ms: int | None = None
    keep_held_because: str = ""
    """Not empty: the destination stays held, for this reason, until a person resumes it or
    another deployment succeeds."""
    switch_to: str = ""
    """Not empty: leads go to this url from now on; the configured one ends a former switch."""
    configured_url: str = ""
    """The url that the settings name now, for `switch_to`."""


class SwitchedUrl(msgspec.Struct, frozen=True):
    """The address that a destination's leads go to instead of the configured one."""

    destination: str
    url: str
    instead_of: str
    """The configured url at that time, without query."""
    deployment_id: int
    at_ms: int


class Backlog(msgspec.Struct, frozen=True):
    """What is due at a destination and waits."""

    leads: int
    oldest_due_at_ms: int | None
    """Since when the one that has waited longest has been due; None: nothing waits."""


def bare_url(url: str) -> str:
    """A url without query: without what may be secret, or may change and mean the same place."""
    return url.partition("?")[0]
