"""Asking an installation: post leads one by one, look into its store."""

import http.client
from collections.abc import Sequence

from tests.faults.rig.installation import Installation
from tests.faults.rig.leads import payload
from tests.faults.rig.waiting import wait_until

PATIENCE_SECONDS = 10.0
"""How long a vendor waits; far more than the journal's deadline."""
SETTINGS = {
    "journal.deadline_ms": '"250ms"',
    "journal.segment_bytes": '"2 MiB"',
    "intake.max_body_bytes": '"512 KiB"',
    "intake.lame_duck_seconds": '"500ms"',
}


def post(port: int, numbers: Sequence[int]) -> list[int]:
    """The status that each lead is answered with, one after the other.

    Raises:
        TimeoutError: one is not answered at all.
    """
    statuses = []
    for number in numbers:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_SECONDS)
        try:
            connection.request("POST", "/hooks/lqf", payload(number))
            statuses.append(connection.getresponse().status)
        finally:
            connection.close()
    return statuses


def post_or_refused(port: int, number: int) -> int:
    """The status; 0 if nobody listens yet."""
    try:
        return post(port, [number])[0]
    except ConnectionError:
        return 0


def settled(installation: Installation, leads: int) -> None:
    """Wait until so many leads are in the store, and delivered."""
    wait_until(
        f"{leads} leads are in the store",
        lambda: installation.rows("SELECT count(*) FROM leads") == [(leads,)],
    )
    wait_until("all is delivered", lambda: not installation.waiting())


def acknowledged(installation: Installation) -> dict[int, int]:
    """Number of each lead in the store → whether its vendor was told 2xx, as far as is known."""
    rows = installation.rows("SELECT json_extract(body, '$.number'), acknowledged FROM leads")
    return dict(rows)
