"""Conditions over a request: expressions, judged by what they find.

A condition says yes, no, or that it cannot say. The last is never taken for a no: see `Unclear`.
"""

from typing import Any

from leadkeep.sources.expressions import Expression, Unclear
from leadkeep.sources.request_view import View

__all__ = ["Condition", "Unclear"]

_FALSE: tuple[Any, ...] = ("", [], {}, None, False)


class Condition(Expression):
    """One condition."""

    def holds(self, view: View) -> bool:
        """Whether it holds.

        Raises:
            Unclear: it cannot be judged.
        """
        found = self.value(view)
        return not any(found is false or _equal(found, false) for false in _FALSE)


def _equal(found: object, false: object) -> bool:
    """JMESPath's own notion of false: 0 is not."""
    return type(found) is type(false) and found == false
