"""JMESPath expressions over a request: compiled once, and what they find in one.

The only place that runs JMESPath. An expression comes from the configuration, the request from
anybody: of that, no more is read than `payload.READ_BYTES`, and only the parts that the expression
names.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import unquote_to_bytes

import jmespath
from jmespath.exceptions import JMESPathError

from leadkeep.errors import SettingsError
from leadkeep.models import Record
from leadkeep.sources.payload import Tree, content_type_of, read_query, read_tree

_PLAIN_PATH = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*|\[\d+\])*")
_WHOLE = frozenset({"current", "value_projection"})
_HINT = 'It is JMESPath, such as call_id, payload.call.id or headers."x-call-id".'


class Expression:
    """One expression.

    Args:
        key: the setting that it comes from, for errors.
        text: JMESPath over payload, query, headers, path, source and method; a path that begins
            with none of these is looked for in the payload.

    Raises:
        SettingsError: it is not one.
    """

    def __init__(self, key: str, text: str) -> None:
        plain = _PLAIN_PATH.fullmatch(text)
        if plain and re.split(r"[.\[]", text, maxsplit=1)[0] not in _PARTS:
            text = f"payload.{text}"
        try:
            self._compiled = jmespath.compile(text)
        except (JMESPathError, RecursionError) as error:
            raise SettingsError(f"{key} = {text!r}: is no JMESPath expression", hint=_HINT) from (
                error
            )
        nodes = list(_walk(self._compiled.parsed))
        named = {node["value"] for node in nodes if node["type"] == "field"}
        whole = any(node["type"] in _WHOLE for node in nodes)
        self._parts = [name for name in _PARTS if whole or name in named]
        if not self._parts:
            known = ", ".join(_PARTS)
            raise SettingsError(f"{key} = {text!r}: names nothing of a request ({known})")

    def value(self, record: Record) -> object:
        """What it finds in a request; None if nothing. Hostile bytes may make it raise."""
        return self._compiled.search({name: _PARTS[name](record) for name in self._parts})


def _payload(record: Record) -> Tree:
    """The body; of a lead without one, its query."""
    if not record.body:
        return read_query(record.target)
    return read_tree(content_type_of(record.headers), record.body)


def _headers(record: Record) -> Tree:
    """By name in lower case; those of one name joined by commas (RFC 9110 §5.3)."""
    table: dict[str, Tree] = {}
    for line in record.headers.split(b"\r\n"):
        name, colon, value = line.partition(b":")
        if colon:
            key, text = name.decode("latin-1").lower(), value.strip().decode("latin-1")
            table[key] = f"{table[key]}, {text}" if key in table else text
    return table


def _path(record: Record) -> Tree:
    path = record.target.partition(b"?")[0]
    return unquote_to_bytes(path).decode("utf-8", "replace")


_PARTS: Mapping[str, Callable[[Record], Tree]] = {
    "payload": _payload,
    "query": lambda record: read_query(record.target),
    "headers": _headers,
    "path": _path,
    "source": lambda record: record.source,
    "method": lambda record: record.method,
}


def _walk(node: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield node
    for child in node["children"]:
        if isinstance(child, Mapping):
            yield from _walk(child)
