"""A JMESPath condition on a JSON reply: compiled once, and able to say which part is not met.

Truth is JMESPath's own: false, null, "", [] and {} are false; everything else is true, 0 as well.
"""

import json
from collections.abc import Iterator
from typing import Any

import jmespath
from jmespath.exceptions import JMESPathError
from jmespath.functions import Functions
from jmespath.visitor import TreeInterpreter

from leadkeep.errors import SettingsError

_SIGNS = {"eq": "==", "ne": "!=", "lt": "<", "lte": "<=", "gt": ">", "gte": ">="}

_Node = dict[str, Any]
"""A part of an expression as JMESPath's parser gives it: type, children and perhaps a value."""


class Unmet(Exception):
    """A condition is not met. Its text completes "its reply does not satisfy …: " and never
    quotes the reply."""


class Condition:
    """One expression.

    Args:
        key: the setting that it stands in, for words.
        expression: JMESPath.

    Raises:
        SettingsError: it is no expression, or calls a function that does not exist.
    """

    def __init__(self, key: str, expression: str) -> None:
        try:
            root: _Node = jmespath.compile(expression).parsed
        except (JMESPathError, RecursionError) as error:
            words = str(error).partition("\n")[0].rstrip(":") or "too deep"
            raise _wrong(key, expression, words) from error
        for node in _nodes(root):
            _check_call(key, expression, node)
        self._parts = list(_parts(root))

    def check(self, reply: object) -> None:
        """Hold it against a decoded JSON reply.

        Raises:
            Unmet: some part of it is not true.
        """
        for part in self._parts:
            try:
                value = TreeInterpreter().visit(part, reply)
            except (JMESPathError, RecursionError, ArithmeticError, TypeError, ValueError):
                # The library's words quote the value.
                raise Unmet("a function in it cannot take what the reply has") from None
            if value is None or value is False or value in ("", [], {}):
                raise Unmet(_words(part, value))


def _parts(node: _Node) -> Iterator[_Node]:
    """What `&&` joins: all of it must be true."""
    if node["type"] == "and_expression":
        for child in node["children"]:
            yield from _parts(child)
    else:
        yield node


def _nodes(node: _Node) -> Iterator[_Node]:
    yield node
    for child in node["children"]:
        if isinstance(child, dict):
            yield from _nodes(child)


def _check_call(key: str, expression: str, node: _Node) -> None:
    """JMESPath itself looks for functions only when it evaluates."""
    if node["type"] != "function_expression":
        return
    name = node["value"]
    if name not in Functions.FUNCTION_TABLE:
        raise _wrong(key, expression, f"there is no function {name}()")
    signature = Functions.FUNCTION_TABLE[name]["signature"]
    takes, given = len(signature), len(node["children"])
    if given < takes or (given > takes and not signature[-1].get("variadic")):
        raise _wrong(key, expression, f"{name}() takes {takes} arguments, not {given}")


def _wrong(key: str, expression: str, words: str) -> SettingsError:
    return SettingsError(
        f"{key} = `{expression}` is not a JMESPath expression: {words}",
        hint="Names stand bare (lead_id), texts in single quotes ('ok'), numbers and true or false "
        "in backticks (`1`).",
    )


def _words(part: _Node, value: object) -> str:
    """What is wrong, in the expression's own words."""
    path = _path(part)
    if path:
        state = "missing" if value is None else "false" if value is False else "empty"
        return f"`{path}` is {state}"
    shown = _written(part)
    return f"`{shown}` does not hold" if shown else "a part of it does not hold"


def _path(node: _Node) -> str:
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


def _written(node: _Node) -> str:
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
