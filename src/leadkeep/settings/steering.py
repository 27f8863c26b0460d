"""Settings that steer what a destination gets: when its circuit opens, how fast leads may go."""

from dataclasses import dataclass

from leadkeep.settings.row import setting


@dataclass(frozen=True, kw_only=True)
class BreakerSettings:
    """When leads wait instead of being tried, and how they begin to go again."""

    enabled: bool = setting(
        True,
        "Let leads wait, without using up tries, while the destination does not work.",
        kind="yes_no",
    )
    consecutive_failures: int = setting(
        5,
        "So many failures in a row open it; one lead counts once, unless nothing was reached.",
        kind="count",
        minimum=1,
        maximum=10_000,
    )
    failure_ratio: float = setting(
        0.5,
        "This share of failed tries within window_seconds opens it too.",
        kind="ratio",
        minimum=0.01,
        maximum=1,
    )
    window_seconds: float = setting(
        30.0, "How far back the ratio looks.", kind="seconds", minimum=1, maximum=3_600
    )
    minimum_tries: int = setting(
        20, "The ratio counts from so many tries on.", kind="count", minimum=1, maximum=100_000
    )
    probe_first_seconds: float = setting(
        1.0,
        "The first probe comes so long after opening; each wait for the next is twice as long.",
        kind="seconds",
        minimum=0.1,
        maximum=60,
    )
    probe_longest_seconds: float = setting(
        60.0, "Probes are never further apart.", kind="seconds", minimum=0.1, maximum=60
    )
    health_url: str | None = setting(
        None,
        "Probe by a GET of this URL, which must answer 2xx, instead of by a lead.",
        kind="optional_url",
        example='"https://app.example/health"',
    )
    ramp_seconds: float = setting(
        15.0,
        "After a probe worked, 1, 2, 4 … deliveries at once, up to concurrency after so long.",
        kind="seconds",
        minimum=0,
        maximum=3_600,
    )


@dataclass(frozen=True, kw_only=True)
class RateSettings:
    """How many attempts may begin in any span of time, over all workers; 0: no limit."""

    per_second: int = setting(
        0, "Attempts in any second.", kind="count", minimum=0, maximum=1_000_000
    )
    per_minute: int = setting(
        0, "Attempts in any minute.", kind="count", minimum=0, maximum=10_000_000
    )
    per_hour: int = setting(
        0, "Attempts in any hour.", kind="count", minimum=0, maximum=100_000_000
    )
