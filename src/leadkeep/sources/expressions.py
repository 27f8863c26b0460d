"""JMESPath expressions over a request: compiled once, checked, and what they find in one.

The only place that runs JMESPath. An expression looks at no more of a request than it names, and
its errors hold nothing of the request, since they are shown and logged.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import jmespath
from jmespath.exceptions import (
    EmptyExpressionError,
    IncompleteExpressionError,
    JMESPathError,
    JMESPathTypeError,
    ParseError,
)
from jmespath.functions import Functions

from leadkeep.errors import SettingsError
from leadkeep.sources.request_view import NAMES, Unreadable, View

_Node = dict[str, Any]
_EVERYTHING = frozenset({"current", "value_projection"})
"""Kinds of nodes that may look at all that there is."""
_FROM_THE_LEFT = frozenset(
    {
        *("subexpression", "pipe", "index_expression"),
        *("projection", "value_projection", "filter_projection"),
    }
)
"""Kinds of nodes of which only the first child looks at the request itself."""


class Unclear(Exception):
    """An expression cannot be judged for this request; `str()` says why in words."""


class Expression:
    """One expression.

    Args:
        key: the setting that it comes from, for errors.
        text: a JMESPath expression over `request_view.NAMES`.

    Raises:
        SettingsError: it is not one; says where and why.
    """

    def __init__(self, key: str, text: str) -> None:
        self._key = key
        self._text = text
        self._compiled = _compiled(key, text)
        tree: _Node = self._compiled.parsed
        for problem in (*_misread(tree), *_unknown_functions(tree), *_unknown_names(tree)):
            raise SettingsError(f"{key}: {problem}", hint=_HINT)
        nodes = list(_walk(tree))
        named = {node["value"] for node in nodes if node["type"] == "field"}
        whole = any(node["type"] in _EVERYTHING for node in nodes)
        self.names = frozenset(NAMES) if whole else frozenset(NAMES) & named
        """The parts of a request that it may look at."""

    def value(self, view: View) -> object:
        """What it finds; None: nothing.

        Raises:
            Unclear: it cannot be told.
        """
        try:
            return self._compiled.search(view.parts(self.names))
        except Unreadable as error:
            raise Unclear(str(error)) from None
        except JMESPathTypeError as error:
            wanted = " or ".join(error.expected_types)
            raise Unclear(
                f"{error.function_name}() got {error.actual_type} where it takes {wanted}"
            ) from None
        except Exception as error:
            # Whatever a payload brings about in here, this says what it was.
            raise Unclear(f"it failed ({type(error).__name__})") from None


_PATH = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*|\[\d*\])*", re.ASCII)


def expression_of(key: str, text: str) -> Expression:
    """The expression that a person means, who may write a path such as `answers.q3`.

    A path that begins with no part of a request is looked for in the payload, then in the query.

    Raises:
        SettingsError: it is none.
    """
    if _PATH.fullmatch(text) and re.split(r"\W", text, maxsplit=1)[0] not in NAMES:
        text = f"payload.{text} || query.{text}"
    return Expression(key, text)


_HINT = (
    "It is JMESPath over "
    + ", ".join(NAMES)
    + ", such as payload.state == 'OH' && starts_with(path, '/auto')."
)


def _compiled(key: str, text: str) -> Any:
    try:
        return jmespath.compile(text)
    except EmptyExpressionError:
        raise SettingsError(f"{key}: it is empty", hint=_HINT) from None
    except IncompleteExpressionError:
        raise SettingsError(f"{key}: it ends too early: {text}", hint=_HINT) from None
    except ParseError as error:
        at = error.lex_position
        raise SettingsError(
            f"{key}: no JMESPath from character {at + 1} on, at {text[at : at + 30]!r}: {text}",
            hint=_HINT,
        ) from None
    except (JMESPathError, RecursionError) as error:
        raise SettingsError(f"{key}: no JMESPath ({type(error).__name__})", hint=_HINT) from None


def _walk(node: _Node) -> Iterator[_Node]:
    yield node
    for child in node["children"]:
        if isinstance(child, Mapping):
            yield from _walk(dict(child))


def _misread(tree: _Node) -> Iterator[str]:
    for node in _walk(tree):
        first = node["children"][0] if node["children"] else None
        if node["type"] == "subexpression" and first and first["type"] == "not_expression":
            yield "JMESPath reads `!a.b` as `(!a).b`, which is never true: write `!(a.b)`"


def _unknown_functions(tree: _Node) -> Iterator[str]:
    for node in _walk(tree):
        if node["type"] != "function_expression":
            continue
        known = Functions.FUNCTION_TABLE.get(node["value"])
        if known is None:
            yield f"there is no function {node['value']}()"
            continue
        signature, given = known["signature"], len(node["children"])
        variadic = bool(signature) and signature[-1].get("variadic", False)
        if given < len(signature) or (given > len(signature) and not variadic):
            yield f"{node['value']}() takes {len(signature)} arguments, not {given}"


def _unknown_names(node: _Node) -> Iterator[str]:
    """Names at the root that no request has: nearly always a slip of the pen."""
    kind, children = node["type"], node["children"]
    if kind == "field" and node["value"] not in NAMES:
        name = node["value"]
        yield f"a request has no `{name}`; text is written '{name}', in single quotes"
    elif kind == "expref":
        return
    elif kind in _FROM_THE_LEFT:
        yield from _unknown_names(children[0])
    else:
        for child in children:
            if isinstance(child, Mapping):
                yield from _unknown_names(dict(child))
