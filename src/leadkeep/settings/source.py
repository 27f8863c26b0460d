"""Settings of a source: where its vendor posts, what it is answered, where its leads go."""

from dataclasses import dataclass, field

from leadkeep.settings.duplicates import DuplicatesSettings
from leadkeep.settings.reading import FieldsSettings
from leadkeep.settings.replies import HandshakeSettings, NoBidSettings, ReplySettings
from leadkeep.settings.routing import RouteSettings
from leadkeep.settings.row import setting
from leadkeep.settings.verification import VerificationSettings


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
    preset: str = setting(
        "",
        "A vendor whose ways are known (`leadkeep sources presets`); what is set here counts more.",
        kind="preset",
        example='"meta"',
    )
    secrets: tuple[str, ...] = setting(
        (),
        "What signatures and tokens are checked with; two while one is replaced.",
        kind="secrets",
        secret=True,
        example='{ env = "VENDOR_SECRET" }',
    )
    routes: tuple[RouteSettings, ...] = setting(
        (),
        "Where leads go that satisfy a condition; also written as [[sources.NAME.routes]].",
        kind="routes",
        example="""[{ when = "payload.state == 'OH'", to = ["NAME"] }, { to = ["NAME"] }]""",
    )
    routing: str = setting(
        "first",
        "`first`: the first route whose condition holds takes the lead; `all`: every such route.",
        kind="choice",
        choices=("first", "all"),
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
    order_by: str = setting(
        "",
        "Deliver leads with the same one after another: `phone`, `email`, `vendor_lead_id`, or "
        'JMESPath such as `call_id` (of the payload) or `headers."x-call-id"`.',
        kind="text",
        example='"phone"',
    )
    order_wait_seconds: float = setting(
        900.0,
        "A lead waits for others no longer than this, and then goes, marked as out of order.",
        kind="seconds",
        minimum=1,
        maximum=86_400,
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
    test_leads: str = setting(
        "deliver",
        "What becomes of leads that the vendor marks as tests.",
        kind="choice",
        choices=("deliver", "hold"),
    )
    test_when: str = setting(
        "",
        "A condition in JMESPath; leads for which it holds are tests, too.",
        kind="text",
        example="\"payload.campaign == 'internal'\"",
    )
    several: str = setting(
        "together",
        "Several leads in one request: `together`, delivered once as they came, or `split`, each "
        "by itself as JSON.",
        kind="choice",
        choices=("together", "split"),
    )
    several_at: str = setting(
        "",
        "Where the list of leads stands in a request: a path, or JMESPath. Empty: the payload "
        "itself, if it is a list.",
        kind="text",
        example='"entry[].changes[].value"',
    )
    fields: FieldsSettings = field(default_factory=FieldsSettings)
    reply: ReplySettings = field(default_factory=ReplySettings)
    no_bid: NoBidSettings = field(default_factory=NoBidSettings)
    verify: VerificationSettings = field(default_factory=VerificationSettings)
    handshake: HandshakeSettings = field(default_factory=HandshakeSettings)
    duplicates: DuplicatesSettings = field(default_factory=DuplicatesSettings)
