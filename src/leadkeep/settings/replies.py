"""Settings of what a vendor is answered: for a lead, for a ping, for the question after the URL."""

from collections.abc import Mapping
from dataclasses import dataclass

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
class NoBidSettings:
    """What a ping is answered when no destination has answered it in time."""

    status: int = setting(200, "Its HTTP status.", kind="count", minimum=200, maximum=299)
    content_type: str = setting("application/json", "Its Content-Type.", kind="text")
    headers: Mapping[str, str] = setting(
        {}, "Further headers.", kind="texts", example='{ X-Bid = "none" }'
    )
    body: str = setting(
        '{"success": false, "bid": 0, "message": "No bid"}',
        "Body, with {{lead_id}} (the ping's id) and {{received_at}}.",
        kind="text",
    )


@dataclass(frozen=True, kw_only=True)
class HandshakeSettings:
    """A question by which the vendor makes sure that the URL is yours; answered at the door."""

    parameter: str = setting(
        "",
        "Query parameter of a GET with the challenge; empty: the vendor asks nothing so.",
        kind="text",
        example='"hub.challenge"',
    )
    field: str = setting(
        "", "Field of a small JSON body with the challenge.", kind="text", example='"challenge"'
    )
    when: Mapping[str, str] = setting(
        {},
        "What the question has beside it; a request without is a lead.",
        kind="texts",
        example='{ type = "url_verification" }',
    )
    token_name: str = setting(
        "", "Parameter or field that must hold `token`.", kind="text", example='"hub.verify_token"'
    )
    token: str = setting(
        "",
        "The word that you and the vendor agreed on.",
        kind="secret",
        secret=True,
        example='{ env = "VENDOR_TOKEN" }',
    )
    answer: str = setting(
        "text",
        "The challenge itself as `text`, or in `json` under its own name.",
        kind="choice",
        choices=("text", "json"),
    )
    proof_name: str = setting(
        "",
        "Name in the JSON answer of the challenge's HMAC-SHA256 in hex, made with the secret.",
        kind="text",
        example='"challengeResponse"',
    )
