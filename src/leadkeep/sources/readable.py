"""A payload as text that a person can read in a list, where the body itself is not such a text.

The body stays what it is; this is what stands in the `payload` column beside it. Bounded in size,
and free of NUL and lone surrogates, so that every store can hold it.
"""

import structlog

from leadkeep.sources.payload import inflated, text_of

TEXT_CHARS = 64 * 1024
_HEX_BYTES = 512
_SAMPLE_CHARS = 4_096
_log = structlog.get_logger("leadkeep.sources")
_LAYOUT = frozenset("\t\n\r")


def payload_text(content_type: str, target: bytes, body: bytes) -> str | None:
    """Readable text for a payload; None if the body is valid UTF-8 without NUL and serves itself.

    Args:
        content_type: as the sender declared it; may be empty or wrong.
        target: the request target: a lead without body is its query.
        body: exactly as received.

    Returns:
        None, the query, the body decoded, or `hex:` and its first bytes; at most about 64 Ki
        characters.
    """
    if not body:
        query = target.partition(b"?")[2]
        return _bounded(query[: 4 * TEXT_CHARS].decode("utf-8", "replace"))
    if b"\0" not in body:
        try:
            body.decode()
        except UnicodeDecodeError:
            pass
        else:
            return None
    try:
        text = text_of(content_type, inflated(body)[: 4 * TEXT_CHARS])
        if _is_readable(text):
            return _bounded(text)
    except Exception as error:
        # A view of hostile bytes: whatever goes wrong in here must not stop the lead.
        _log.warning("a payload could not be decoded", error=type(error).__name__)
    shown = body[:_HEX_BYTES].hex(" ", 4)
    return f"hex: {shown}" + (f" … ({len(body)} bytes)" if len(body) > _HEX_BYTES else "")


def _is_readable(text: str) -> bool:
    """Whether nearly all of a text's beginning are characters that can be shown."""
    sample = text[:_SAMPLE_CHARS]
    odd = sum(1 for char in sample if not char.isprintable() and char not in _LAYOUT)
    return odd <= len(sample) // 20


def _bounded(text: str) -> str:
    cut = text[:TEXT_CHARS] + "…" if len(text) > TEXT_CHARS else text
    # NUL ends a text in many SQL shells, and lone surrogates are in no UTF-8.
    return cut.replace("\0", "\u2400").encode("utf-8", "replace").decode()
