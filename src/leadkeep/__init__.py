"""Leadkeep: a door for leads that never loses one.

`from leadkeep import Queue` is all of the programmatic interface: docs/how-to/use-from-python.md.
It is imported when first asked for, so that the door and the supervisor start without it.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from leadkeep.api import Queue as Queue
    from leadkeep.models import Selection as Selection
    from leadkeep.states import Status as Status

_HOMES = {
    "Queue": "leadkeep.api",
    "Selection": "leadkeep.models",
    "Status": "leadkeep.states",
}

__all__ = ["Queue", "Selection", "Status"]


def __getattr__(name: str) -> object:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(home), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
