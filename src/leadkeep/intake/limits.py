"""Every bound that the door keeps, computed once from the settings.

Invariant: whatever strangers send, what the door holds in memory, in open files and on disk for
them stays below these numbers; beyond them it answers 503 rather than die.
"""

import resource
from dataclasses import dataclass

import structlog

from leadkeep.settings.model import IntakeSettings, JournalSettings

LINGER_BYTES = 64 * 1024**2
"""How much a refused sender may go on sending before its connection is cut."""
PIPELINE_MAX = 64
"""Unanswered requests of one connection before it is read no further."""
LINGER_SECONDS = 5.0
"""How long a refused sender may go on sending before its connection is cut."""
NOTICES_PER_ADDRESS = 120
"""Probes and rejections recorded per hour for one address; more are only counted."""
NOTICES_IN_ALL = 20_000
"""The same for all addresses together."""
REFUSED_AT_ONCE = 256
"""Connections over the limit that are told 503, if so many files can be had; more are cut without a
word."""

_FILES_KEPT_BACK = 128
_CONNECTIONS_LEAST = 16
_HELD_BYTES_LEAST = 128 * 1024**2
_HELD_BODIES = 8
_BESIDE_THE_BODY = 1024**2

log = structlog.get_logger("leadkeep.intake")


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Bounds for one door. Times are in ticks of `tick_seconds`."""

    body_bytes: int
    header_bytes: int
    connections: int
    refused: int
    """Connections over that number which are told 503."""
    partial_bytes: int
    """Bytes of unfinished bodies, all connections together."""
    waiting_bytes: int
    """Bytes of whole requests that wait for their commit."""
    batch_bytes: int
    tick_seconds: float
    header_ticks: int
    body_ticks: int
    idle_ticks: int
    linger_ticks: int

    @classmethod
    def of(cls, intake: IntakeSettings, journal: JournalSettings) -> "Limits":
        """The bounds that these settings ask for and this process can keep."""
        shortest = min(
            intake.header_timeout_seconds,
            intake.body_timeout_seconds,
            intake.idle_timeout_seconds,
        )
        tick = min(1.0, shortest / 4)

        def ticks(seconds: float) -> int:
            # One more: the first tick may come right after the clock was started.
            return max(1, round(seconds / tick)) + 1

        connections, refused = _connections(intake.max_connections)
        held = max(_HELD_BYTES_LEAST, _HELD_BODIES * intake.max_body_bytes)
        return cls(
            body_bytes=intake.max_body_bytes,
            header_bytes=intake.max_header_bytes,
            connections=connections,
            refused=refused,
            partial_bytes=held,
            waiting_bytes=held,
            batch_bytes=min(journal.batch_max_bytes, journal.segment_bytes - _BESIDE_THE_BODY),
            tick_seconds=tick,
            header_ticks=ticks(intake.header_timeout_seconds),
            body_ticks=ticks(intake.body_timeout_seconds),
            idle_ticks=ticks(intake.idle_timeout_seconds),
            linger_ticks=ticks(LINGER_SECONDS),
        )


def _connections(wanted: int) -> tuple[int, int]:
    """How many connections this process may hold, and refuse at once, beside its journal's files.

    Accepting until the system says EMFILE would take away the files that a commit needs, so the
    limit on open files is raised as far as allowed, and the rest is refused politely.
    """
    needed = wanted + REFUSED_AT_ONCE + _FILES_KEPT_BACK
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < needed:
        soft = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return wanted, REFUSED_AT_ONCE
    possible = max(_CONNECTIONS_LEAST, soft - _FILES_KEPT_BACK)
    refused = min(REFUSED_AT_ONCE, possible // 4)
    possible -= refused
    if possible >= wanted:
        return wanted, refused
    log.warning(
        "the limit on open files allows fewer connections than are set",
        allowed=possible,
        intake_max_connections=wanted,
        open_files=soft,
    )
    return possible, refused
