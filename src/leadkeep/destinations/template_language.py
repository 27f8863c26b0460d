"""The language of templates: what of Jinja is part of it, and where its cost is counted.

A look at the syntax tree refuses what cannot be counted. What is left is rewritten so that whatever
an operation reads passes `_charged`, and what a loop goes over `_counted`, which `templates.py`
provides.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from jinja2 import nodes
from jinja2.visitor import NodeTransformer

from leadkeep.destinations.template_filters import FILTERS, TESTS
from leadkeep.errors import SettingsError

HINT = "See docs/reference/transformation.md for what a template may use."

_EXPRESSIONS = (
    *(nodes.Const, nodes.TemplateData, nodes.Name, nodes.Getattr, nodes.Getitem, nodes.Slice),
    *(nodes.Filter, nodes.Test, nodes.Call, nodes.Keyword, nodes.Concat, nodes.CondExpr),
    *(nodes.List, nodes.Tuple, nodes.Dict, nodes.Pair, nodes.Compare, nodes.Operand),
    *(nodes.And, nodes.Or, nodes.Not, nodes.Neg, nodes.Pos),
    *(nodes.Add, nodes.Sub, nodes.Mul, nodes.Div, nodes.FloorDiv, nodes.Mod),
)
_ALLOWED = (nodes.Template, nodes.Output, nodes.If, nodes.For, nodes.Assign, *_EXPRESSIONS)

METHODS: Mapping[type, frozenset[str]] = {
    str: frozenset(
        {
            *("upper", "lower", "strip", "lstrip", "rstrip", "title", "capitalize"),
            *("startswith", "endswith", "removeprefix", "removesuffix", "find", "count"),
            *("split", "rsplit", "splitlines", "partition", "rpartition"),
            *("isdigit", "isalpha", "isalnum", "isspace", "isupper", "islower"),
        }
    ),
    dict: frozenset({"items", "keys", "values", "get"}),
    list: frozenset({"index", "count"}),
}
"""Methods whose result is no larger than what they read."""


def check(key: str, tree: nodes.Template) -> None:
    """Refuse what is not part of the language.

    Args:
        key: the setting that the template comes from, for errors.

    Raises:
        SettingsError: something is not; says in which line.
    """
    below: list[nodes.Node] = [tree]
    while below:
        node = below.pop()
        for problem in _problems(node):
            raise SettingsError(f"{key}: line {node.lineno}: {problem}", hint=HINT)
        below.extend(node.iter_child_nodes())


def _problems(node: nodes.Node) -> Iterator[str]:
    if not isinstance(node, _ALLOWED):
        yield f"{type(node).__name__.lower()} is not part of templates here"
    elif isinstance(node, nodes.Name) and node.name.startswith("_"):
        yield f"`{node.name}`: names do not begin with _"
    elif isinstance(node, nodes.Filter) and node.name not in FILTERS:
        yield f"there is no filter `{node.name}` (there are: {', '.join(sorted(FILTERS))})"
    elif isinstance(node, nodes.Test) and node.name not in TESTS:
        yield f"there is no test `{node.name}` (there are: {', '.join(sorted(TESTS))})"
    elif isinstance(node, nodes.For) and node.recursive:
        yield "a loop cannot be recursive"
    elif isinstance(node, (nodes.Call, nodes.Filter, nodes.Test)):
        if node.dyn_args is not None or node.dyn_kwargs is not None:
            yield "* and ** arguments are not part of templates here"
        elif isinstance(node, nodes.Call) and not _may_be_called(node.node):
            name = getattr(node.node, "attr", getattr(node.node, "name", "that"))
            yield f"`{name}` cannot be called"


def _may_be_called(called: nodes.Expr) -> bool:
    if isinstance(called, nodes.Getattr):
        return any(called.attr in names for names in METHODS.values())
    return isinstance(called, nodes.Name) and called.name == "range"


class Charging(NodeTransformer):
    """Puts `_charged` around whatever an operation reads, and `_counted` around loops."""

    def generic_visit(self, node: nodes.Node, *args: Any, **kwargs: Any) -> nodes.Node:
        super().generic_visit(node, *args, **kwargs)
        if isinstance(node, nodes.For):
            node.iter = _filtered("_counted", node.iter)
        elif isinstance(node, (nodes.Filter, nodes.Test)):
            if node.node is not None:
                node.node = _reading(node.node)
            node.args = [_reading(one) for one in node.args]
        elif isinstance(node, nodes.Call):
            if isinstance(node.node, nodes.Getattr):
                node.node.node = _reading(node.node.node)
            node.args = [_reading(one) for one in node.args]
        elif isinstance(node, nodes.Concat):
            node.nodes = [_reading(one) for one in node.nodes]
        elif isinstance(node, nodes.Compare):
            node.expr = _reading(node.expr)
        elif isinstance(node, (nodes.Operand, nodes.Keyword)):
            node_any: Any = node
            name = "expr" if isinstance(node, nodes.Operand) else "value"
            setattr(node_any, name, _reading(getattr(node_any, name)))
        elif isinstance(node, nodes.List) or (isinstance(node, nodes.Tuple) and node.ctx == "load"):
            node.items = [_reading(one) for one in node.items]
        elif isinstance(node, nodes.Pair):
            node.key, node.value = _reading(node.key), _reading(node.value)
        elif isinstance(node, nodes.Getitem):
            node.node = _reading(node.node) if isinstance(node.arg, nodes.Slice) else node.node
        return node


def _reading(node: Any) -> nodes.Expr:
    if isinstance(node, nodes.Const):
        return node
    return _filtered("_charged", node)


def _filtered(name: str, node: Any) -> nodes.Expr:
    return nodes.Filter(node, name, [], [], None, None, lineno=node.lineno)
