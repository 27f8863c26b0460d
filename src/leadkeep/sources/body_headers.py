"""Headers that tell of a body, where another body takes its place."""

OF_A_BODY = frozenset(
    {b"content-type", b"content-encoding", b"content-md5", b"digest", b"content-digest"}
)
"""In lower case. What they say of one body is not true of another."""

_JSON = b"Content-Type: application/json\r\n"


def headers_for_json(headers: bytes) -> bytes:
    """A sender's header lines as they are true of a body of JSON.

    Args:
        headers: `Name: value\\r\\n` lines; those not named in `OF_A_BODY` stay as they are.
    """
    kept = [
        line
        for line in headers.split(b"\r\n")
        if line and line.partition(b":")[0].strip().lower() not in OF_A_BODY
    ]
    return b"".join(line + b"\r\n" for line in kept) + _JSON
