"""Exit codes: what a script learns from a command without reading its words.

2 also stands for a wrong configuration: like a wrong option it is something a person has to mend,
and starting again does not help.
"""

from enum import IntEnum

from leadkeep.errors import LeadkeepError, NotFound, SettingsError, UsageError


class Exit(IntEnum):
    """What a command ends with."""

    OK = 0
    ERROR = 1
    USAGE = 2
    UNHEALTHY = 3
    NOT_FOUND = 5


MEANINGS = {
    Exit.OK: "done",
    Exit.ERROR: "it could not be done; stderr says why and what to do",
    Exit.USAGE: "a wrong option, argument or setting",
    Exit.UNHEALTHY: "done, but leads are at risk or were not delivered",
    Exit.NOT_FOUND: "no lead, destination or file has this name",
}
"""Each code in words, for the reference page."""


def code_of(error: LeadkeepError) -> Exit:
    """The exit code for an error."""
    if isinstance(error, NotFound):
        return Exit.NOT_FOUND
    if isinstance(error, (SettingsError, UsageError)):
        return Exit.USAGE
    return Exit.ERROR
