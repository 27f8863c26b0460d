"""Settings of a destination's retry policy; `delivery.retry` decides by them."""

from dataclasses import dataclass

from leadkeep.settings.row import setting
from leadkeep.settings.statuses import StatusRange


@dataclass(frozen=True, kw_only=True)
class RetrySettings:
    """When a delivery that failed is tried again; each wait is drawn at random up to its length."""

    kind: str = setting(
        "exponential",
        "`exponential`: from first_seconds to longest_seconds; `list`: as waits_seconds says.",
        kind="choice",
        choices=("exponential", "list"),
    )
    first_seconds: float = setting(
        5.0, "Longest wait before the second try.", kind="seconds", minimum=0
    )
    longest_seconds: float = setting(
        900.0, "Longest wait between two tries.", kind="seconds", minimum=0.1
    )
    factor: float = setting(
        2.0, "Each wait is longer by this.", kind="ratio", minimum=1, maximum=10
    )
    waits_seconds: tuple[float, ...] = setting(
        (),
        'With kind = "list": the longest waits one by one; the last of them repeats.',
        kind="waits",
        minimum=0.1,
    )
    jitter: str = setting(
        "full",
        "How a wait is drawn. `full`: between nothing and all of it; `equal`: between half and "
        "all; `none`: all of it, so that leads which failed together come back together.",
        kind="choice",
        choices=("full", "equal", "none"),
    )
    refused_first_seconds: float = setting(
        60.0,
        "Waits begin here after a 4xx other than 408, 425 and 429: somebody must mend something.",
        kind="seconds",
        minimum=0,
    )
    retry_after_longest_seconds: float = setting(
        900.0,
        "A Retry-After that asks for more counts as this.",
        kind="seconds",
        minimum=0,
        maximum=7 * 86_400,
    )
    age_seconds: float = setting(
        7 * 86_400.0,
        "After trying for this long a lead is marked failed and waits for a person.",
        kind="seconds",
        minimum=0,
    )
    terminal: tuple[StatusRange | str, ...] = setting(
        (),
        "After one of these a lead is marked failed at once and waits for a person.",
        kind="outcomes",
        example='[410, 422, "tls"]',
    )
