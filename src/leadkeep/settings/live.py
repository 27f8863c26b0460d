"""Settings of ping-post sources: what a vendor is told when nobody bids."""

from collections.abc import Mapping
from dataclasses import dataclass

from leadkeep.settings.row import setting


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
