"""JMESPath expressions of the configuration: compiled once, and refused if they cannot work.

The only module that knows JMESPath. What the library itself would notice only when an expression is
asked of a lead or a reply (a function that does not exist, a nesting that no evaluation survives)
is an error of the configuration here. Nothing here quotes what an expression is asked of.
"""

from collections.abc import Iterator
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
from jmespath.visitor import TreeInterpreter

from leadkeep.errors import SettingsError

Node = dict[str, Any]
"""A part of an expression as JMESPath's parser gives it: type, children and perhaps a value."""

DEEPEST = 250
"""So many parts may stand in one another. Evaluation takes up to three frames of Python's stack for
each, and an expression that fails for want of stack fails for every lead."""

SHOWN_MAX = 200
"""So much of an expression is repeated in an error or a reason."""

_AT_SHOWN = 30


class Unevaluated(Exception):
    """An expression cannot be evaluated on what it is asked of; `str()` says why, in words."""


class Syntax:
    """One expression that can work.

    Args:
        key: the setting that it comes from, for errors.
        text: JMESPath.
        hint: how such an expression is written, for errors.

    Raises:
        SettingsError: it cannot; says where and why.
    """

    def __init__(self, key: str, text: str, *, hint: str) -> None:
        self._key, self._text, self._hint = key, text, hint
        self.tree: Node = self._parsed()
        for problem in (*_too_deep(self.tree), *_misread(self.tree), *_miscalled(self.tree)):
            raise self.refused(problem)

    def refused(self, problem: str) -> SettingsError:
        """The error that tells what is wrong with it."""
        return SettingsError(f"{self._key} = {shown(self._text)}: {problem}", hint=self._hint)

    def _parsed(self) -> Node:
        try:
            tree: Node = jmespath.compile(self._text).parsed
            return tree
        except EmptyExpressionError:
            raise SettingsError(f"{self._key} is empty", hint=self._hint) from None
        except IncompleteExpressionError:
            raise self.refused("it ends too early") from None
        except ParseError as error:
            at = error.lex_position
            rest = self._text[at : at + _AT_SHOWN]
            raise self.refused(f"no JMESPath from character {at + 1} on, at {rest!r}") from None
        except RecursionError:
            raise self.refused(_TOO_DEEP) from None
        except JMESPathError as error:
            raise self.refused(f"no JMESPath ({type(error).__name__})") from None


def evaluated(node: Node, value: object) -> object:
    """What an expression, or a part of one, finds; None: nothing.

    Raises:
        Unevaluated: the value is not such as it takes.
    """
    try:
        return TreeInterpreter().visit(node, value)
    except JMESPathTypeError as error:
        wanted = " or ".join(error.expected_types)
        raise Unevaluated(
            f"{error.function_name}() got {error.actual_type} where it takes {wanted}"
        ) from None
    except Exception as error:
        # Whatever a stranger's value brings about in here, this says what it was; the library's
        # own words quote the value.
        raise Unevaluated(f"it failed ({type(error).__name__})") from None


def is_true(value: object) -> bool:
    """JMESPath's own notion of truth: 0 is true; null, false, "", [] and {} are not."""
    return value is not None and value is not False and value not in ("", [], {})


def shown(text: str) -> str:
    """An expression of the configuration as errors and reasons repeat it: on one line, not long."""
    line = "".join(char if char.isprintable() else "?" for char in text)
    return f"`{line}`" if len(line) <= SHOWN_MAX else f"`{line[:SHOWN_MAX]}…`"


def nodes_of(tree: Node) -> Iterator[Node]:
    """An expression's parts, itself first, in no order that means anything."""
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        yield node
        waiting.extend(children_of(node))


def children_of(node: Node) -> list[Node]:
    """The parts of which a part consists."""
    return [child for child in node["children"] if isinstance(child, dict)]


_TOO_DEEP = (
    f"it has more than {DEEPEST} parts in one another; many alternatives are written as a list: "
    "contains(['43215', '43216'], zip)"
)


def _too_deep(tree: Node) -> Iterator[str]:
    level = [tree]
    for _ in range(DEEPEST):
        level = [child for node in level for child in children_of(node)]
    if level:
        yield _TOO_DEEP


def _misread(tree: Node) -> Iterator[str]:
    for node in nodes_of(tree):
        first = node["children"][0] if node["children"] else None
        if node["type"] == "subexpression" and first and first["type"] == "not_expression":
            yield "JMESPath reads `!a.b` as `(!a).b`, which is never true: write `!(a.b)`"


def _miscalled(tree: Node) -> Iterator[str]:
    """Calls that fail: JMESPath looks for functions only when it evaluates."""
    for node in nodes_of(tree):
        if node["type"] != "function_expression":
            continue
        name, given = node["value"], len(node["children"])
        known = Functions.FUNCTION_TABLE.get(name)
        if known is None:
            yield f"there is no function {name}()"
            continue
        signature = known["signature"]
        variadic = bool(signature) and signature[-1].get("variadic", False)
        if given < len(signature) or (given > len(signature) and not variadic):
            yield f"{name}() takes {len(signature)} arguments, not {given}"
