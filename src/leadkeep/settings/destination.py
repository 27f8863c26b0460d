"""Settings of a destination: where leads go, how they are tried, and how often."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from leadkeep.settings.outbound import AuthSettings, PythonSettings, SignSettings, TlsSettings
from leadkeep.settings.retry import RetrySettings
from leadkeep.settings.row import setting
from leadkeep.settings.statuses import StatusRange
from leadkeep.settings.steering import BreakerSettings, RateSettings
from leadkeep.settings.transform import TransformSettings


@dataclass(frozen=True, kw_only=True)
class DestinationSettings:
    """A destination: an application that receives leads."""

    url: str = setting(
        "",
        "Where to post to, or what to call. Every destination needs it.",
        kind="target",
        example='"https://app.example/webhook"',
    )
    headers: Mapping[str, str] = setting(
        {},
        "Headers added to each delivery.",
        kind="texts",
        secret=True,
        example='{ X-Api-Key = { env = "CRM_API_KEY" } }',
    )
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
    success_statuses: tuple[StatusRange, ...] = setting(
        (StatusRange(200, 299),),
        "Statuses by which it says that it has the lead; such as 409 for `already have it`.",
        kind="statuses",
    )
    success_when: str | None = setting(
        None,
        "JMESPath expression that must be true of the JSON reply as well.",
        kind="optional_text",
        example='"success && lead_id"',
    )
    success_text: str | None = setting(
        None,
        "Regular expression (RE2) that must be found in the reply's text as well.",
        kind="optional_text",
        example="'^OK\\b'",
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
    forward_path: str = setting(
        "replace",
        "`replace`: post to url as it is; `append`: add the vendor's path to it.",
        kind="choice",
        choices=("replace", "append"),
    )
    forward_query: bool = setting(True, "Add the vendor's query to the url's.", kind="yes_no")
    private_networks: bool | tuple[str, ...] = setting(
        False,
        "Private and loopback addresses that its host's name may lead to: all, none, or these. "
        "Link-local and metadata addresses must be listed.",
        kind="private_networks",
    )
    reply_max_bytes: int = setting(
        16 * 1024, "This much of the reply is recorded.", kind="size", minimum=0, maximum=1024**2
    )
    options: Mapping[str, str] = setting(
        {},
        "Options for a destination that a package adds; it says which.",
        kind="options",
        secret=True,
        example='{ queue = "leads" }',
    )
    retry: RetrySettings = field(default_factory=RetrySettings)
    breaker: BreakerSettings = field(default_factory=BreakerSettings)
    rate: RateSettings = field(default_factory=RateSettings)
    transform: TransformSettings = field(default_factory=TransformSettings)
    auth: AuthSettings = field(default_factory=AuthSettings)
    sign: SignSettings = field(default_factory=SignSettings)
    tls: TlsSettings = field(default_factory=TlsSettings)
    python: PythonSettings = field(default_factory=PythonSettings)
