"""What must hold between the settings of one destination's retry policy and confirmation."""

from collections.abc import Iterator

from leadkeep.settings.destination import DestinationSettings
from leadkeep.settings.quantities import seconds_text
from leadkeep.settings.statuses import StatusRange

Finding = tuple[tuple[str, ...], str]
"""The keys that take part, and what is wrong with them."""


def problems_of_retry(key: str, destination: DestinationSettings) -> Iterator[Finding]:
    """Contradictions within `retry`.

    Args:
        key: `destinations.crm`.
    """
    retry = destination.retry
    kind, waits = f"{key}.retry.kind", f"{key}.retry.waits_seconds"
    if retry.kind == "list" and not retry.waits_seconds:
        yield (kind, waits), f'{waits}: missing; kind = "list" needs it'
    if retry.kind != "list" and retry.waits_seconds:
        yield (kind, waits), f'{kind}: must be "list", or waits_seconds has no effect'
    first, longest = f"{key}.retry.first_seconds", f"{key}.retry.longest_seconds"
    if retry.kind == "exponential" and retry.first_seconds > retry.longest_seconds:
        yield (
            (first, longest),
            f"{first} = {seconds_text(retry.first_seconds)}: must not be "
            f"longer than longest_seconds = {seconds_text(retry.longest_seconds)}",
        )


def problems_of_confirmation(key: str, destination: DestinationSettings) -> Iterator[Finding]:
    """Contradictions between what confirms a lead and what else is said of replies.

    Args:
        key: `destinations.crm`.
    """
    statuses, terminal = f"{key}.success_statuses", f"{key}.retry.terminal"
    both = [
        str(entry)
        for entry in destination.retry.terminal
        if isinstance(entry, StatusRange)
        and any(
            entry.first <= last and first <= entry.last
            for first, last in destination.success_statuses
        )
    ]
    if both:
        yield (
            (statuses, terminal),
            f"{terminal}: {', '.join(both)} is among {statuses} as well; it cannot be both",
        )
    cap = f"{key}.reply_max_bytes"
    if destination.reply_max_bytes == 0:
        for condition in ("success_when", "success_text"):
            if getattr(destination, condition) is not None:
                yield (
                    (cap, f"{key}.{condition}"),
                    f"{cap} = 0 B: must be more, or {condition} has nothing to judge by",
                )
