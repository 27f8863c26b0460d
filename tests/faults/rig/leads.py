"""The vendors' leads: each has a number, and its bytes follow from number and length."""

import json
import random

FILLING = 40
"""Random bytes in a lead unless told otherwise; each takes two characters."""


def payload(number: int, filling: int = FILLING) -> bytes:
    """The lead with this number.

    Args:
        filling: random bytes in it, which make it twice as long and more.
    """
    filled = random.Random(number).randbytes(filling).hex()
    return json.dumps({"number": number, "name": "Marisol", "filling": filled}).encode()


def number_in(body: bytes) -> int | None:
    """The number of the vendors' lead with this body; None: it is somebody else's."""
    try:
        return int(json.loads(body)["number"])
    except (ValueError, TypeError, KeyError, RecursionError):
        return None


def is_as_posted(body: bytes) -> bool:
    """Whether a lead with a number has exactly the bytes that a vendor has sent."""
    lead = json.loads(body)
    filled = lead.get("filling")
    return isinstance(filled, str) and body == payload(lead["number"], len(filled) // 2)
