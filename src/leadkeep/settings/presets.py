"""Vendors whose ways are known: what their requests look like, as settings of a source.

A preset is a TOML file in the folder `presets`, and its table `source` is what anybody could write
into `[sources.NAME]` themselves. It lies under all that a person says.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

GROUNDS = {
    "documented": "read in the vendor's own documentation or code",
    "second-hand": "as others describe it",
    "unverified": "not known for certain: try it with the vendor's test before you rely on it",
}
"""What a preset rests on, and what that means."""


@dataclass(frozen=True)
class Preset:
    """One vendor's ways."""

    name: str
    title: str
    grounds: str
    """One of `GROUNDS`."""
    about: str
    """What a person has to know, in a sentence or two; Markdown."""
    source: Mapping[str, Any]
    """Settings of `[sources.NAME]`."""
    file: Path


@cache
def presets() -> Mapping[str, Preset]:
    """Every preset by its name, in order.

    Raises:
        ValueError: a file breaks the form. A mistake in the program.
    """
    folder = files("leadkeep.settings") / "presets"
    found = [_read(Path(str(entry))) for entry in folder.iterdir() if entry.name.endswith(".toml")]
    return {preset.name: preset for preset in sorted(found, key=lambda preset: preset.name)}


def _read(file: Path) -> Preset:
    tree = tomllib.loads(file.read_text("utf-8"))
    title, grounds, about, source = (
        tree.pop(key) for key in ("title", "grounds", "about", "source")
    )
    if tree or grounds not in GROUNDS:
        raise ValueError(f"the preset {file.name} has something that no preset has")
    return Preset(file.stem, title, grounds, about, source, file)
