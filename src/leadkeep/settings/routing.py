"""Settings of routing: which of a source's leads go to which destination.

Conditions are texts here: the supervisor reads settings with the standard library alone. What a
condition means is judged where it is used, and by `leadkeep check`.
"""

from typing import NamedTuple


class RouteSettings(NamedTuple):
    """One route: leads that satisfy `when` go to `to`."""

    when: str
    """A JMESPath expression; empty: every lead."""
    to: tuple[str, ...]
