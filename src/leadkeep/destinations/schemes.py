"""Which kind of destination a url means: one function makes them all.

`http`, `https` and `python` are ours. Another package adds a scheme by an entry point in the group
`leadkeep.destinations`: its name is the scheme, and it names a factory as `Factory` describes.
"""

from importlib.metadata import entry_points
from typing import Protocol, cast

from leadkeep.clock import Clock
from leadkeep.destinations.base import Destination
from leadkeep.errors import SettingsError
from leadkeep.settings.model import DestinationSettings
from leadkeep.settings.targets import ENTRY_POINTS, scheme_of


class Factory(Protocol):
    """Makes a destination of its kind; may raise SettingsError, and opens no connection yet."""

    def __call__(self, name: str, settings: DestinationSettings, *, clock: Clock) -> Destination:
        """Make the destination of this name."""


def make_destination(name: str, settings: DestinationSettings, *, clock: Clock) -> Destination:
    """The destination that a configured url means.

    Args:
        name: its name in the settings.
        settings: all of its settings.
        clock: for what it measures and dates.

    Raises:
        SettingsError: nothing of this kind can be made, or not from these settings.
    """
    return _factory(name, scheme_of(settings.url))(name, settings, clock=clock)


def _factory(name: str, scheme: str) -> Factory:
    # Late: a worker that only posts needs no processes, and one that only calls no HTTP client.
    if scheme in ("", "http", "https"):
        from leadkeep.destinations.http import HttpDestination  # noqa: PLC0415  late

        return HttpDestination
    if scheme == "python":
        from leadkeep.destinations.python import PythonDestination  # noqa: PLC0415  late

        return PythonDestination
    for entry in entry_points(group=ENTRY_POINTS, name=scheme):
        try:
            return cast(Factory, entry.load())
        except Exception as error:  # another package's code may raise anything
            raise SettingsError(
                f"destinations.{name}.url: {entry.value}, which serves {scheme}:, cannot be "
                f"imported ({type(error).__name__}: {error})",
                hint="Mend or remove the package that offers it.",
            ) from error
    raise SettingsError(
        f"destinations.{name}.url: no installed package serves {scheme}:",
        hint="http:, https: and python: need no other package.",
    )
