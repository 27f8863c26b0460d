"""Settings of a source: where its vendor posts, what it is answered, where its leads go."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from leadkeep.settings.routing import RouteSettings
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
        "Where its leads go, by name. Empty: to every destination. With routes: where those go "
        "that no route takes; empty: they are held.",
        kind="texts_list",
        example='["NAME"]',
    )
    order_by: str = setting(
        "",
        "Deliver leads with the same one after another: `phone`, `email`, `vendor_lead_id`, or "
        'JMESPath such as `call_id` (of the payload) or `headers."x-call-id"`.',
        kind="text",
        example='"phone"',
    )
    depends_on: str = setting(
        "",
        "Where its leads name the lead that must be delivered before them (by lead number, lead id "
        "or vendor's id); written like order_by.",
        kind="text",
        example='"parent_lead_id"',
    )
    depends_on_source: str = setting(
        "",
        "The source whose vendor's ids depends_on means. Not set: this one.",
        kind="text",
        example='"NAME"',
    )
    order_wait_seconds: float = setting(
        900.0,
        "A lead waits for others no longer than this, and then goes, marked as out of order.",
        kind="seconds",
        minimum=1,
        maximum=86_400,
    )
    routing: str = setting(
        "first",
        "`first`: the first route whose condition holds takes the lead; `all`: every such route.",
        kind="choice",
        choices=("first", "all"),
    )
    routes: tuple[RouteSettings, ...] = setting(
        (),
        "Where leads go that satisfy a condition; also written as [[sources.NAME.routes]].",
        kind="routes",
        example="""[{ when = "payload.state == 'OH'", to = ["NAME"] }, { to = ["NAME"] }]""",
    )
    reply: ReplySettings = field(default_factory=ReplySettings)
