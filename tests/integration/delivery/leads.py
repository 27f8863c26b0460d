"""Claims for tests of delivery."""

from leadkeep.models import Claim

LEAD_ID = "01920000-0000-7000-8000-000000000001"
BODY = b'{"contact":{"first_name":"Ada"},"vendor_id":7}'
HEADERS = b"Host: door.example\r\nContent-Type: application/json\r\nContent-Length: 46\r\n"


def a_claim(
    *,
    method: str = "POST",
    target: bytes = b"/webhook.php",
    headers: bytes = HEADERS,
    body: bytes = BODY,
    attempt: int = 1,
    first_attempt_at_ms: int | None = None,
    destination: str = "brain",
    source: str = "quotes",
) -> Claim:
    """A lead as a worker has claimed it."""
    return Claim(
        delivery_id=1,
        fence=1,
        destination=destination,
        attempt=attempt,
        first_attempt_at_ms=first_attempt_at_ms,
        lead_id=LEAD_ID,
        lead_number=1_700_000_000_001,
        source=source,
        received_at_ms=1_786_802_449_123,
        method=method,
        target=target,
        headers=headers,
        body=body,
    )
