"""Settings of a source: where its vendor posts, what it is answered, where its leads go."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from leadkeep.settings.live import NoBidSettings
from leadkeep.settings.row import setting


@dataclass(frozen=True, kw_only=True)
class ReplySettings:
    """What a vendor is answered once its lead is durable."""

    status: int = setting(200, "Its HTTP status.", kind="count", minimum=200, maximum=299)
    content_type: str = setting("application/json", "Its Content-Type.", kind="text")
    headers: Mapping[str, str] = setting(
        {}, "Further headers.", kind="texts", example='{ X-Accepted-By = "leadkeep" }'
    )
    body: str | None = setting(
        None,
        "Body, with {{lead_id}}, {{lead_number}}, {{received_at}} and {{name}}. Not set: built in.",
        kind="optional_text",
        example='\'{"success": true, "lead_id": "{{lead_number}}"}\'',
    )


@dataclass(frozen=True, kw_only=True)
class SourceSettings:
    """A source: one vendor, or one kind of lead."""

    paths: tuple[str, ...] = setting(
        (),
        "Paths it posts to; a trailing `*` takes all below, `*` alone every path.",
        kind="url_paths",
        example='["/webhook.php", "/webhook/auto*"]',
    )
    destinations: tuple[str, ...] = setting(
        (),
        "Where its leads go, by name. Empty: to every destination.",
        kind="texts_list",
        example='["NAME"]',
    )
    answer: str = setting(
        "queued",
        "`queued`: answer once a lead is durable; `live`: wait for its destination's own answer.",
        kind="choice",
        choices=("queued", "live"),
    )
    live_timeout_ms: int = setting(
        3_000,
        "A live answer or a bid is waited for this long; then: the queued reply, or no_bid.",
        kind="milliseconds",
        minimum=50,
        maximum=60_000,
    )
    live_destination: str = setting(
        "",
        "Whose answer a live lead's vendor gets. Empty: that of the first that the lead goes to.",
        kind="text",
        example='"NAME"',
    )
    ping_paths: tuple[str, ...] = setting(
        (),
        "Paths of pings: put to a destination at once and recorded, never queued.",
        kind="url_paths",
        example='["/ping"]',
    )
    ping_destination: str = setting(
        "",
        "Who is asked to bid. Empty: live_destination, or else the source's first destination.",
        kind="text",
        example='"NAME"',
    )
    reply: ReplySettings = field(default_factory=ReplySettings)
    no_bid: NoBidSettings = field(default_factory=NoBidSettings)
