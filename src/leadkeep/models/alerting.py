"""What alerts speak of: problems as they are seen, and incidents as they are remembered."""

import msgspec


class Refused(msgspec.Struct, frozen=True, gc=False):
    """Leads that a destination refuses as they are: tried again, but something must be mended."""

    destination: str
    deliveries: int
    since_ms: int
    """When the first of them was first tried."""
    error_class: str
    """How the newest of them was refused."""


class Problem(msgspec.Struct, frozen=True):
    """Something that a person should know of, as one look has found it. No personal data."""

    kind: str
    """`refused`, `down`, `late`, …: see `leadkeep.alerts.rules`."""
    subject: str
    """Of what: a destination, a folder; empty: of the installation."""
    urgent: bool
    """Leads do not arrive unless somebody acts."""
    what: str
    """The plain impact, one sentence without its full stop."""
    safe: str
    """Whether leads are safe meanwhile, and where they are."""
    since_ms: int
    measured: str
    """The number that was found, in words."""
    threshold: str
    """And what it is held against."""
    command: tuple[str, ...]
    """Words of the `leadkeep` command that is the next step."""
    newest_error: str = ""
    """Class of the newest error, if errors are what it is about."""
    last_deploy: str = ""
    """The last deployment of its destination, in words."""

    @property
    def key(self) -> tuple[str, str]:
        """Two looks that find the same find one incident."""
        return self.kind, self.subject


class Incident(msgspec.Struct, frozen=True):
    """A problem from its first sight to its end, as the store remembers it."""

    incident_id: int
    """0: it is not in the store yet."""
    version: int
    """Grows with each change; a change names the version that it is based on."""
    problem: Problem
    """As it was seen last."""
    fired_at_ms: int
    seen_at_ms: int
    """When it was there last."""
    told_at_ms: int | None = None
    """When people were told last; None: they were not."""
    told: int = 0
    """How often."""
    resolved_at_ms: int | None = None
    acknowledged_at_ms: int | None = None
    acknowledged_by: str = ""
    silenced_until_ms: int | None = None

    @property
    def is_open(self) -> bool:
        """It is not over."""
        return self.resolved_at_ms is None


class Notice(msgspec.Struct, frozen=True):
    """One thing to tell people: an incident as it stands, and the word that it begins with."""

    word: str
    """FIRING, STILL or RESOLVED."""
    incident: Incident
    recurrences: int = 0
    """How often it had fired in the hour before: it comes and goes."""
    next_reminder_ms: int | None = None


class IncidentStep(msgspec.Struct, frozen=True):
    """A change of one incident, and what people are told of it; both are kept or neither."""

    incident: Incident
    """As it shall be; its version is the one that it is based on."""
    notice: Notice | None = None


class QueuedNotice(msgspec.Struct, frozen=True):
    """A notice that waits to be sent, claimed by one sender for a while."""

    notice_id: int
    attempts: int
    """Of sending it, before this one."""
    queued_at_ms: int
    notice: Notice


class Outbox(msgspec.Struct, frozen=True):
    """What waits to be sent."""

    waiting: int = 0
    oldest_at_ms: int | None = None
    last_error: str = ""
    """Why the last try to send one failed; empty: it did not."""
