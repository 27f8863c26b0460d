"""How a setting is written down: a dataclass field with default, unit, bounds and help."""

from dataclasses import field
from typing import Any, NamedTuple


class Address(NamedTuple):
    """Where to listen or connect: host and TCP port (port 0: any free one)."""

    host: str
    port: int

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


def setting(
    default: Any,
    help_text: str,
    *,
    kind: str,
    minimum: float | None = None,
    maximum: float | None = None,
    choices: tuple[str, ...] = (),
    secret: bool = False,
    example: str = "",
) -> Any:
    """One row of the table.

    Args:
        default: the value when nobody sets it; a dict or list is copied for each instance.
        help_text: one sentence for people.
        kind: which parser in `settings.kinds` reads it.
        minimum: the smallest value allowed.
        maximum: the largest value allowed.
        choices: the words allowed.
        secret: never shown by `config show`, in errors or in the settings' repr.
        example: a value as written in TOML, for the example file, where the default is none.
    """
    metadata = {
        "help": help_text,
        "kind": kind,
        "minimum": minimum,
        "maximum": maximum,
        "choices": choices,
        "secret": secret,
        "example": example,
    }
    if isinstance(default, (list, dict)):
        return field(default_factory=default.copy, metadata=metadata, repr=not secret)
    return field(default=default, metadata=metadata, repr=not secret)
