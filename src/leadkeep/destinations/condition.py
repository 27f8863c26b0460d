"""A JMESPath condition on a JSON reply: compiled once, and able to say which part is not met."""

import json
from collections.abc import Iterator

from leadkeep.expressions import Node, Syntax, Unevaluated, evaluated, is_true

_HINT = (
    "Names stand bare (lead_id), texts in single quotes ('ok'), numbers and true or false in "
    "backticks (`1`)."
)
_SIGNS = {"eq": "==", "ne": "!=", "lt": "<", "lte": "<=", "gt": ">", "gte": ">="}


class Unmet(Exception):
    """A condition is not met. Its text completes "its reply does not satisfy …: " and never
    quotes the reply."""


class Condition:
    """One expression.

    Args:
        key: the setting that it stands in, for words.
        expression: JMESPath.

    Raises:
        SettingsError: it cannot work; says where and why.
    """

    def __init__(self, key: str, expression: str) -> None:
        self._parts = list(_parts(Syntax(key, expression, hint=_HINT).tree))

    def check(self, reply: object) -> None:
        """Hold it against a decoded JSON reply.

        Raises:
            Unmet: some part of it is not true.
        """
        for part in self._parts:
            try:
                value = evaluated(part, reply)
            except Unevaluated:
                raise Unmet("a function in it cannot take what the reply has") from None
            if not is_true(value):
                raise Unmet(_words(part, value))


def _parts(node: Node) -> Iterator[Node]:
    """What `&&` joins: all of it must be true."""
    if node["type"] == "and_expression":
        for child in node["children"]:
            yield from _parts(child)
    else:
        yield node


def _words(part: Node, value: object) -> str:
    """What is wrong, in the expression's own words."""
    path = _path(part)
    if path:
        state = "missing" if value is None else "false" if value is False else "empty"
        return f"`{path}` is {state}"
    shown = _written(part)
    return f"`{shown}` does not hold" if shown else "a part of it does not hold"


def _path(node: Node) -> str:
    """`a.b[0]`; empty if it is no plain path."""
    match node["type"]:
        case "field":
            return str(node["value"])
        case "index":
            return f"[{node['value']}]"
        case "subexpression" | "index_expression":
            steps = [_path(child) for child in node["children"]]
            return ".".join(steps).replace(".[", "[") if all(steps) else ""
        case _:
            return ""


def _written(node: Node) -> str:
    """A simple comparison or negation as it was written, about; else empty."""
    match node["type"]:
        case "literal":
            return json.dumps(node["value"], ensure_ascii=False)
        case "comparator":
            left, right = (_path(child) or _written(child) for child in node["children"])
            return f"{left} {_SIGNS[node['value']]} {right}" if left and right else ""
        case "not_expression":
            inner = _path(node["children"][0])
            return f"!{inner}" if inner else ""
        case _:
            return ""
