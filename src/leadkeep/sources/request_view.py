"""A request as conditions and templates see it: payload, headers, path, query, source, method.

A view of hostile bytes, read part by part and only when asked for. What cannot be read whole is
`Unreadable` here, never half read: `contact.py` may guess for display, but a guess must not decide
where a lead goes nor what is sent.
"""

import contextlib
import json
from collections.abc import Callable, Collection, Mapping
from urllib.parse import unquote, unquote_to_bytes

import msgspec

from leadkeep.sources.payload import (
    FIELDS,
    PARTS,
    content_type_of,
    inflated,
    read_form,
    read_multipart,
    read_query,
    text_of,
)
from leadkeep.sources.tree import READ_BYTES, Tree

NAMES = ("payload", "headers", "path", "query", "source", "method")
"""What a request has."""

_decode_json = msgspec.json.Decoder().decode

DEEPEST = 100
"""A payload nested deeper than this is not read."""


class Unreadable(Exception):
    """A part of the request cannot be read; `str()` says why in words, without quoting it."""


class View:
    """One request. Each part is read at most once.

    Args:
        source, method: by name.
        target: as received.
        headers: `Name: value\\r\\n` lines.
        body: exactly as received.
    """

    def __init__(
        self, *, source: str, method: str, target: bytes, headers: bytes, body: bytes
    ) -> None:
        self._source = source
        self._method = method
        self._target = target
        self._headers = headers
        self._body = body
        self._read: dict[str, Tree] = {}

    def parts(self, names: Collection[str]) -> dict[str, Tree]:
        """The parts named.

        Raises:
            Unreadable: one of them cannot be read.
        """
        return {name: self.part(name) for name in names}

    def part(self, name: str) -> Tree:
        """One part, of `NAMES`.

        Raises:
            Unreadable: it cannot be read.
        """
        if name not in self._read:
            self._read[name] = _READERS[name](self)
        return self._read[name]

    def _payload(self) -> Tree:
        return read_payload(content_type_of(self._headers), self._body)

    def _header_table(self) -> Tree:
        """Names in lower case; those of one name joined by commas (RFC 9110 §5.3)."""
        table: dict[str, Tree] = {}
        for line in self._headers.split(b"\r\n"):
            name, colon, value = line.partition(b":")
            if colon:
                key, text = _text(name).lower(), _text(value.strip())
                table[key] = f"{table[key]}, {text}" if key in table else text
        return table

    def _path(self) -> Tree:
        path = self._target.partition(b"?")[0]
        if not path.startswith(b"/") and b"://" in path:
            path = b"/" + path.partition(b"://")[2].partition(b"/")[2]
        return unquote_to_bytes(path).decode("utf-8", "replace")

    def _query(self) -> Tree:
        if len(self._target) > READ_BYTES:
            raise Unreadable(f"its query is larger than {READ_BYTES // 1024} KiB")
        return _whole(read_query(self._target))


_READERS: Mapping[str, Callable[[View], Tree]] = {
    "payload": View._payload,
    "headers": View._header_table,
    "path": View._path,
    "query": View._query,
    "source": lambda view: view._source,
    "method": lambda view: view._method,
}


def read_payload(content_type: str, body: bytes) -> Tree:
    """The payload as a tree, or None if it is of no kind that we read, such as XML or an image.

    Raises:
        Unreadable: it is of a kind that we read, and not whole: too large, too deep, broken.
    """
    if len(body) > READ_BYTES:
        raise Unreadable(f"its payload is larger than {READ_BYTES // 1024} KiB")
    plain = inflated(body)
    if plain is not body and len(plain) >= READ_BYTES:
        raise Unreadable(f"its payload unpacks to {READ_BYTES // 1024} KiB or more")
    try:
        return _whole(_tree(content_type, plain))
    except RecursionError:
        raise Unreadable("its payload is nested too deep") from None


def _tree(content_type: str, body: bytes) -> Tree:
    if body[:64].lstrip()[:1] in (b"{", b"["):
        with contextlib.suppress(msgspec.DecodeError, ValueError):
            tree: Tree = _decode_json(body)
            return tree
    if "multipart/" in content_type.lower() or body[:64].lstrip().startswith(b"--"):
        if body.lower().count(b"content-disposition:") > PARTS:
            raise Unreadable(f"its payload has more than {PARTS} parts")
        if parts := read_multipart(content_type, body):
            return parts
    text = text_of(content_type, body).lstrip()
    if text[:1] in ("{", "[", '"'):
        return _json(text.rstrip("= \r\n"))
    if text[:1] == "<" or not ("=" in text or text.startswith("%")):
        return None
    if unquote(text[:200]).lstrip()[:1] in ("{", "["):
        # `curl -d '{"a": 1}'` and some senders: the whole JSON stands where a key belongs.
        return _json(unquote(text).rstrip("= \r\n"))
    if text.count("&") >= FIELDS:
        raise Unreadable(f"its payload has more than {FIELDS} fields")
    return read_form(text) or None


def _json(text: str) -> Tree:
    try:
        tree: Tree = json.loads(text, strict=False)
    except ValueError:
        raise Unreadable("its payload is broken JSON") from None
    return tree


def _whole(tree: Tree) -> Tree:
    """The tree, if it is not too deep."""
    level: list[Tree] = [tree]
    for _ in range(DEEPEST):
        below: list[Tree] = []
        for node in level:
            if isinstance(node, dict):
                below.extend(child for child in node.values() if isinstance(child, (dict, list)))
            elif isinstance(node, list):
                below.extend(child for child in node if isinstance(child, (dict, list)))
        if not below:
            return tree
        level = below
    raise Unreadable(f"its payload is nested deeper than {DEEPEST}")


def _text(raw: bytes) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.decode("latin-1")
