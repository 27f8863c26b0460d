"""Reading a destination's reply as text or JSON, strictly and within bounds.

Strict, because what is read here lets go of a lead: two readers that take it differently must not
be possible. The words of errors never quote the reply.
"""

import json
import re
import zlib

import zstandard

INFLATED_MAX_BYTES = 1024 * 1024
"""A compressed reply may be so large when it is not."""

_CHARSETS = {
    "utf-8": "utf-8-sig",
    "utf8": "utf-8-sig",
    "us-ascii": "ascii",
    "ascii": "ascii",
    "iso-8859-1": "iso-8859-1",
    "latin1": "iso-8859-1",
    "iso-8859-15": "iso-8859-15",
    "windows-1252": "windows-1252",
}
"""Those that replies are read in. Looked up here and not in Python's register, which imports a
module by a name that a stranger chose."""

_CHARSET = re.compile(rb";\s*charset\s*=\s*\"?([^\s\";]{1,40})", re.IGNORECASE)
_LAYERS_MAX = 2
_ZSTD_WINDOW_BYTES = 8 * 1024 * 1024


class Unreadable(Exception):
    """A reply cannot be judged. Its text completes "the destination answered, but "."""


class _Twice(ValueError):
    """An object has a key twice."""


def text_of(head: bytes, body: bytes) -> str:
    """A whole reply as text, decompressed if need be.

    Args:
        head: its headers as `Name: value` lines.
        body: as sent.

    Raises:
        Unreadable: it is compressed or written in a way that is not read here.
    """
    layers = [
        layer
        for value in _values(head, b"content-encoding")
        for layer in value.lower().replace(b" ", b"").split(b",")
        if layer not in (b"", b"identity")
    ]
    if len(layers) > _LAYERS_MAX:
        raise Unreadable("its reply is compressed more than twice")
    for layer in reversed(layers):
        body = _inflated(body, layer)
    return _decoded(head, body)


def json_of(text: str) -> object:
    """A reply as JSON (RFC 8259), with no key twice and no number that JSON does not have.

    Raises:
        Unreadable: it is not.
    """
    if not text.strip():
        raise Unreadable("its reply is empty where JSON is expected")
    try:
        return json.loads(text, object_pairs_hook=_each_once, parse_constant=_no_number)
    except _Twice:
        raise Unreadable("its JSON reply has the same key twice") from None
    except RecursionError:
        raise Unreadable("its JSON reply is too deep") from None
    except ValueError:
        raise Unreadable("its reply is not JSON") from None


def _each_once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise _Twice
    return found


def _no_number(_word: str) -> object:
    raise ValueError


def _values(head: bytes, name: bytes) -> list[bytes]:
    lines = (line.partition(b":") for line in head.split(b"\r\n"))
    return [value.strip() for key, _, value in lines if key.lower() == name]


def _inflated(body: bytes, how: bytes) -> bytes:
    try:
        match how:
            case b"gzip" | b"x-gzip":
                return _zlib(body, 16 + zlib.MAX_WBITS)
            case b"deflate":
                try:
                    return _zlib(body, zlib.MAX_WBITS)
                except zlib.error:
                    return _zlib(body, -zlib.MAX_WBITS)  # as many servers understand the word
            case b"zstd":
                return _zstd(body)
    except (zlib.error, zstandard.ZstdError):
        raise Unreadable("its reply is not compressed as its Content-Encoding says") from None
    raise Unreadable(
        "its reply is compressed in a way that is not read here; ask for none with "
        'headers = { Accept-Encoding = "identity" }'
    )


def _zlib(body: bytes, window_bits: int) -> bytes:
    inflater = zlib.decompressobj(window_bits)
    found = _bounded(inflater.decompress(body, INFLATED_MAX_BYTES + 1))
    if not inflater.eof:
        raise zlib.error
    return found


def _zstd(body: bytes) -> bytes:
    # The library takes as much memory as the frame says that it needs.
    said = zstandard.frame_content_size(body)
    if said > INFLATED_MAX_BYTES:
        raise _too_large()
    reading = zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW_BYTES)
    return reading.decompress(body, max_output_size=INFLATED_MAX_BYTES, allow_extra_data=False)


def _bounded(inflated: bytes) -> bytes:
    if len(inflated) > INFLATED_MAX_BYTES:
        raise _too_large()
    return inflated


def _too_large() -> Unreadable:
    return Unreadable(f"its reply is larger than {INFLATED_MAX_BYTES // 1024} KiB uncompressed")


def _decoded(head: bytes, body: bytes) -> str:
    charset = "utf-8"
    for value in _values(head, b"content-type"):
        if named := _CHARSET.search(value):
            charset = named[1].decode("latin-1").lower()
    if charset not in _CHARSETS:
        raise Unreadable("its reply is in a character set that is not read here")
    try:
        return body.decode(_CHARSETS[charset])
    except UnicodeDecodeError:
        raise Unreadable(f"its reply is not {charset}, as it says or as replies are") from None
