"""Settings of a destination: where leads go, how they are tried, and how often."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from leadkeep.settings.row import setting
from leadkeep.settings.steering import BreakerSettings, RateSettings
from leadkeep.settings.transform import TransformSettings


@dataclass(frozen=True, kw_only=True)
class RetrySettings:
    """When a delivery that failed is tried again; each wait is drawn at random up to its length."""

    first_seconds: float = setting(
        5.0, "Longest wait before the second try.", kind="seconds", minimum=0
    )
    longest_seconds: float = setting(
        900.0, "Longest wait between two tries.", kind="seconds", minimum=0.1
    )
    factor: float = setting(
        2.0, "Each wait is longer by this.", kind="ratio", minimum=1, maximum=10
    )
    age_seconds: float = setting(
        7 * 86_400.0,
        "After trying for this long a lead is marked failed and waits for a person.",
        kind="seconds",
        minimum=0,
    )


@dataclass(frozen=True, kw_only=True)
class DestinationSettings:
    """A destination: an application that receives leads."""

    url: str = setting(
        "",
        "Where to post to. Every destination needs it.",
        kind="url",
        example='"https://app.example/webhook"',
    )
    forward_path: str = setting(
        "replace",
        "`replace`: post to url as it is; `append`: add the vendor's path to it.",
        kind="choice",
        choices=("replace", "append"),
    )
    forward_query: bool = setting(True, "Add the vendor's query to the url's.", kind="yes_no")
    timeout_seconds: float = setting(
        30.0,
        "The whole attempt, from connecting to the reply's last byte.",
        kind="seconds",
        minimum=0.1,
        maximum=600,
    )
    concurrency: int = setting(
        16, "Deliveries under way at once, in each worker.", kind="count", minimum=1, maximum=1_000
    )
    reply_max_bytes: int = setting(
        16 * 1024, "This much of the reply is recorded.", kind="size", minimum=0, maximum=1024**2
    )
    headers: Mapping[str, str] = setting(
        {},
        "Headers added to each delivery.",
        kind="texts",
        secret=True,
        example='{ Authorization = { env = "CRM_AUTHORIZATION" } }',
    )
    fallback: str = setting(
        "",
        "Another destination that gets the leads which this one has not confirmed for too long, in "
        "its place. Empty: none.",
        kind="text",
    )
    fallback_after_minutes: float = setting(
        30.0,
        "How long a lead is tried here before its fallback gets it.",
        kind="ratio",
        minimum=0,
        maximum=7 * 1440,
    )
    transform: TransformSettings = field(default_factory=TransformSettings)
    retry: RetrySettings = field(default_factory=RetrySettings)
    breaker: BreakerSettings = field(default_factory=BreakerSettings)
    rate: RateSettings = field(default_factory=RateSettings)
