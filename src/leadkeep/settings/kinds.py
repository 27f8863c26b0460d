"""Every kind of setting by the name that the model uses, and the three things asked of it."""

from collections.abc import Mapping

from leadkeep.settings.allowed import Kind, toml_list, toml_table
from leadkeep.settings.mail import MAIL
from leadkeep.settings.outcomes import OUTCOMES
from leadkeep.settings.places import PLACES
from leadkeep.settings.quantities import QUANTITIES
from leadkeep.settings.shapes import SHAPES
from leadkeep.settings.table import Row
from leadkeep.settings.targets import TARGETS, target
from leadkeep.settings.words import WORDS

KINDS: Mapping[str, Kind] = {
    **QUANTITIES,
    **PLACES,
    **WORDS,
    **TARGETS,
    **SHAPES,
    **OUTCOMES,
    **MAIL,
    "target": target(PLACES["url"]),
}

MASK = "***"

FILE_KINDS = frozenset({"path", "optional_path", "paths", "journals"})
"""Kinds whose relative values are resolved against a folder."""


def parse(row: Row, raw: object) -> object:
    """Read a value.

    Raises:
        NotAllowed: it may not stand there; the text completes "must be …".
    """
    return KINDS[row.kind].parse(raw, row)


def show(row: Row, value: object) -> str:
    """A value as written in TOML, secrets masked; empty if it is not set."""
    if row.secret:
        if isinstance(value, Mapping):
            return toml_table(dict.fromkeys(value, MASK))
        if isinstance(value, tuple):
            return toml_list((MASK,) * len(value))
        return f'"{MASK}"' if value else ""
    if value is None and row.kind != "optional_address":
        return ""
    return KINDS[row.kind].show(value)


def allowed(row: Row) -> str:
    """What may stand there: completes "must be …"."""
    return KINDS[row.kind].allowed(row)
