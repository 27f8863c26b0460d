"""A payload as a tree: what kind of text the bytes are, and its keys and values.

Bytes are kept elsewhere exactly as they came; this is a view of them, read for display. Whatever is
read is hostile: at most `READ_BYTES` are looked at, and each format bounds its own count of fields.
What a body is decides the body; the content type, which senders get wrong, only breaks ties.

A format is one function from bytes to a tree (`dict`, `list` or text) that returns None if the
bytes are not of its kind. Another format is another function and its line in `read_tree`.
"""

import codecs
import json
import re
import zlib
from urllib.parse import unquote, unquote_plus

import msgspec

from leadkeep.sources.tree import READ_BYTES, Tree
from leadkeep.sources.xml import read_xml

FIELDS = 1_000
"""So many fields of a form are read."""
PARTS = 200
"""So many parts of multipart/form-data are read."""
_KEY_CHARS = 200

_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_CHARSET = re.compile(r"charset\s*=\s*\"?([\w.:-]{1,40})", re.ASCII | re.IGNORECASE)
_CHARSETS = frozenset(
    [
        *("utf-8", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "ascii"),
        *(f"iso8859-{part}" for part in range(1, 17)),
        *(f"cp{page}" for page in range(1250, 1259)),
        *("shift_jis", "cp932", "euc_jp", "gbk", "gb2312", "gb18030", "big5", "euc_kr", "koi8-r"),
    ]
)
"""Charsets that decode in linear time. Python has stranger ones (`idna`, `unicode_escape`)."""

_BOUNDARY = re.compile(
    r"boundary\s*=\s*(?:\"([^\"\r\n]{1,200})\"|([^\s;,\"]{1,200}))", re.IGNORECASE
)
_PART_NAME = re.compile(
    rb";\s*name\s*=\s*(?:\"([^\"\r\n]{0,200})\"|([^\s;\"]{1,200}))", re.IGNORECASE
)
_PART_FILE = re.compile(rb";\s*filename\*?\s*=", re.IGNORECASE)

_SALVAGE = re.compile(
    r'"([A-Za-z_][\w .-]{0,40})"\s{0,20}:\s{0,20}(?:"((?:[^"\\]|\\.){0,200})"|(\d{1,20})\b)'
)
"""One `"key": "value"` or `"key": 123` of JSON that cannot be parsed."""


_decode_json = msgspec.json.Decoder().decode


def content_type_of(headers: bytes) -> str:
    """The value of the first Content-Type line; empty if there is none.

    Args:
        headers: `Name: value\\r\\n` lines.
    """
    lower = headers.lower()
    start = 0 if lower.startswith(b"content-type:") else lower.find(b"\ncontent-type:") + 1
    if start == 0 and not lower.startswith(b"content-type:"):
        return ""
    end = headers.find(b"\n", start)
    line = headers[start + len(b"content-type:") : end if end >= 0 else None]
    return line[:400].strip().decode("latin-1")


def charset_of(content_type: str) -> str | None:
    """The charset a content type declares, if it is one we decode."""
    declared = _CHARSET.search(content_type)
    if declared is None:
        return None
    try:
        name = codecs.lookup(declared[1]).name
    except LookupError:
        return None
    return name if name in _CHARSETS else None


def inflated(body: bytes) -> bytes:
    """A gzip body unpacked, at most `READ_BYTES` of it; any other body as it is."""
    if body[:2] != b"\x1f\x8b":
        return body
    try:
        return zlib.decompressobj(wbits=31).decompress(body[:READ_BYTES], READ_BYTES)
    except zlib.error:
        return body


def text_of(content_type: str, body: bytes) -> str:
    """The body as text by its byte order mark, as UTF-8, by its declared charset, or as Latin-1."""
    for mark, name in _BOMS:
        if body.startswith(mark):
            return body[len(mark) if name == "utf-8" else 0 :].decode(name, "replace")
    try:
        return body.decode()
    except UnicodeDecodeError:
        charset = charset_of(content_type)
    if charset in (None, "utf-8", "ascii"):
        # Cut in the middle of a character, or one stray byte: still UTF-8 if nearly all of it is.
        text = body.decode("utf-8", "replace")
        return text if text.count("\ufffd") <= len(text) // 100 + 1 else body.decode("latin-1")
    return body.decode(charset or "latin-1", "replace")


def read_tree(content_type: str, body: bytes) -> Tree:
    """The payload as a tree; None if it is of no kind that we read."""
    body = inflated(body)
    whole = len(body) <= READ_BYTES
    head = body[:64].lstrip()
    if head[:1] in (b"{", b"[", b'"') and whole:
        try:
            tree: Tree = _decode_json(body)
        except (msgspec.DecodeError, ValueError, RecursionError):
            pass  # Not strict JSON: read below as leniently as we can.
        else:
            return tree
    kind = content_type.lower()
    body = body[:READ_BYTES]
    if "multipart/" in kind or head.startswith(b"--"):
        parts = read_multipart(content_type, body)
        if parts:
            return parts
    text = text_of(content_type, body).lstrip()
    if text[:1] in ("{", "[", '"'):
        return read_lenient_json(text)
    if text[:1] == "<":
        return read_xml(body)
    return read_form(text) or None


def read_lenient_json(text: str) -> Tree:
    """JSON with NaN, raw control characters or lone surrogates; broken: by its readable pairs."""
    try:
        tree: Tree = json.loads(text, strict=False)
    except (ValueError, RecursionError):
        pass
    else:
        return tree
    found: dict[str, Tree] = {}
    for number, pair in enumerate(_SALVAGE.finditer(text)):
        if number == FIELDS:
            break
        found.setdefault(pair[1], _unescaped(pair[2]) if pair[3] is None else pair[3])
    return found


def _unescaped(text: str) -> str:
    if "\\" not in text:
        return text
    try:
        return str(json.loads(f'"{text}"', strict=False))
    except ValueError:
        return text


def read_form(text: str) -> dict[str, Tree]:
    """`a=1&b=2` as a tree; the first value that says something wins. Reads JSON posted so, too."""
    if "=" not in text and not text.startswith("%"):
        return {}
    found: dict[str, Tree] = {}
    for pair in text.split("&", FIELDS)[:FIELDS]:
        key, _, value = pair.partition("=")
        if "%" in key or "+" in key:
            key = unquote_plus(key)
        if "%" in value or "+" in value:
            value = unquote_plus(value)
        if not found.get(key):
            found[key] = value.strip()
    if len(found) == 1:
        # `curl -d '{"a": 1}'` and some senders: the whole JSON stands where a key belongs.
        only = unquote(text)
        if only.lstrip()[:1] in ("{", "["):
            tree = read_lenient_json(only.rstrip("= \r\n"))
            return tree if isinstance(tree, dict) else {"payload": tree}
    return {key: value for key, value in found.items() if len(key) <= _KEY_CHARS}


def read_query(target: bytes) -> dict[str, Tree]:
    """The query of a request target as a tree."""
    query = target.partition(b"?")[2]
    if not query:
        return {}
    return read_form(query[:READ_BYTES].decode("utf-8", "replace"))


def read_multipart(content_type: str, body: bytes) -> dict[str, Tree]:
    """The simple fields of multipart/form-data; files are left out."""
    declared = _BOUNDARY.search(content_type)
    if declared is not None:
        boundary = (declared[1] or declared[2]).encode("latin-1", "replace")
    else:
        first = body[:1024].lstrip().partition(b"\n")[0].rstrip()
        if not first.startswith(b"--") or len(first) < 4:
            return {}
        boundary = first[2:]
    found: dict[str, Tree] = {}
    for part in body.split(b"--" + boundary, PARTS)[1:]:
        head, gap, value = part.partition(b"\r\n\r\n")
        if not gap:
            head, gap, value = part.partition(b"\n\n")
        head = head[:2_000]
        name = _PART_NAME.search(head)
        if not gap or name is None or _PART_FILE.search(head):
            continue
        key = (name[1] if name[1] is not None else name[2]).decode("utf-8", "replace")
        if not found.get(key):
            found[key] = text_of("", value.strip(b"\r\n"))
    return found
