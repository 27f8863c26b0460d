"""Leadkeep: a door for leads that never loses one.

`from leadkeep import Queue` is the programmatic interface: docs/how-to/use-from-python.md; `Lead`,
`Refused` and `RetryLater` are for functions that take leads: docs/how-to/deliver-to-python.md. Each
is imported when first asked for, so that the door and the supervisor start without it.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from leadkeep.api import Queue as Queue
    from leadkeep.destinations.lead import Lead as Lead
    from leadkeep.destinations.lead import Refused as Refused
    from leadkeep.destinations.lead import RetryLater as RetryLater
    from leadkeep.models import Selection as Selection
    from leadkeep.states import Status as Status

_HOMES = {
    "Lead": "leadkeep.destinations.lead",
    "Queue": "leadkeep.api",
    "Refused": "leadkeep.destinations.lead",
    "RetryLater": "leadkeep.destinations.lead",
    "Selection": "leadkeep.models",
    "Status": "leadkeep.states",
}

__all__ = ["Lead", "Queue", "Refused", "RetryLater", "Selection", "Status"]


def __getattr__(name: str) -> object:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(home), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
