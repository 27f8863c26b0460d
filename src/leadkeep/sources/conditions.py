"""Conditions over a request: expressions, judged by what they find.

A condition says yes, no, or that it cannot say. The last is never taken for a no: see `Unclear`.
"""

from leadkeep.expressions import is_true
from leadkeep.sources.expressions import Expression, Unclear
from leadkeep.sources.request_view import View

__all__ = ["Condition", "Unclear"]


class Condition(Expression):
    """One condition."""

    def holds(self, view: View) -> bool:
        """Whether it holds.

        Raises:
            Unclear: it cannot be judged.
        """
        return is_true(self.value(view))
