"""Expressions over a request: checked against what a request has, and what they find in one.

An expression looks at no more of a request than it names, and its errors hold nothing of the
request, since they are shown and logged.
"""

import re
from collections.abc import Iterator

from leadkeep.expressions import Node, Syntax, Unevaluated, children_of, evaluated, nodes_of
from leadkeep.sources.request_view import NAMES, Unreadable, View

_EVERYTHING = frozenset({"current", "value_projection"})
"""Kinds of nodes that may look at all that there is."""
_FROM_THE_LEFT = frozenset(
    {
        *("subexpression", "pipe", "index_expression"),
        *("projection", "value_projection", "filter_projection"),
    }
)
"""Kinds of nodes of which only the first child looks at the request itself."""

_HINT = (
    "It is JMESPath over "
    + ", ".join(NAMES)
    + ", such as payload.state == 'OH' && starts_with(path, '/auto')."
)


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
        syntax = Syntax(key, text, hint=_HINT)
        for problem in _unknown_names(syntax.tree):
            raise syntax.refused(problem)
        self._tree = syntax.tree
        nodes = list(nodes_of(syntax.tree))
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
            return evaluated(self._tree, view.parts(self.names))
        except (Unreadable, Unevaluated) as error:
            raise Unclear(str(error)) from None


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


def _unknown_names(node: Node) -> Iterator[str]:
    """Names at the root that no request has: nearly always a slip of the pen."""
    kind = node["type"]
    if kind == "field" and node["value"] not in NAMES:
        name = node["value"]
        yield f"a request has no `{name}`; text is written '{name}', in single quotes"
    elif kind == "expref":
        return
    elif kind in _FROM_THE_LEFT:
        yield from _unknown_names(node["children"][0])
    else:
        for child in children_of(node):
            yield from _unknown_names(child)
