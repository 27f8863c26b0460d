"""The three places a setting may come from, flattened to one shape: path → what was given.

Nothing is parsed here but TOML itself; unknown keys and variables are found here.
"""

import dataclasses
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from leadkeep.settings.model import Origin
from leadkeep.settings.presets import Preset
from leadkeep.settings.table import (
    ENVIRONMENT_PREFIX,
    FLAGS,
    NAME,
    NAME_PATTERN,
    closest,
    collections,
    pattern_of,
    rows,
    section_paths,
    variable_of,
)

DEFAULT_FILE = "leadkeep.toml"

CONFIG_VARIABLE = "LEADKEEP_CONFIG"
CONFIG_COPY_VARIABLE = "LEADKEEP_CONFIG_COPY"

OTHER_VARIABLES: Mapping[str, str] = {
    CONFIG_VARIABLE: "Path of the configuration file, as `--config`.",
    CONFIG_COPY_VARIABLE: (
        "Set by the supervisor for its children: a copy of the configuration file as it was "
        "validated, read in its place."
    ),
    "LEADKEEP_VENV": "Folder of the Python environment that `bin/setup` makes; default `.venv`.",
}
"""Variables that begin like settings and are none."""

NO_FILE = "none"
"""Value of LEADKEEP_CONFIG_COPY: there was no file when the settings were validated."""

Path_ = tuple[str, ...]


@dataclass(frozen=True)
class Given:
    """One value as somebody wrote it."""

    raw: object
    origin: Origin
    folder: Path
    """What a relative path in it is relative to."""


@dataclass
class Layer:
    """All that one place gives."""

    values: dict[Path_, Given] = field(default_factory=dict)
    named: set[Path_] = field(default_factory=set)
    """Sections with a person's name that were mentioned, empty ones too."""
    problems: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class ConfigFile:
    """The configuration file: where it stands and what it says."""

    path: Path
    text: str


def find_file(config: Path | None, environ: Mapping[str, str], cwd: Path) -> Path | None:
    """The file to read: `--config`, else LEADKEEP_CONFIG, else `leadkeep.toml` if it is here."""
    if environ.get(CONFIG_COPY_VARIABLE) == NO_FILE:
        return None
    if config is not None:
        return cwd / config
    if environ.get(CONFIG_VARIABLE):
        return cwd / environ[CONFIG_VARIABLE]
    here = cwd / DEFAULT_FILE
    return here if here.exists() else None


def read_file(path: Path, environ: Mapping[str, str]) -> ConfigFile:
    """Read the file, or the supervisor's copy of it.

    Raises:
        OSError: it cannot be read.
        UnicodeDecodeError: it is not UTF-8.
    """
    copy = environ.get(CONFIG_COPY_VARIABLE)
    if copy and Path(copy).is_file():
        return ConfigFile(path, Path(copy).read_text("utf-8"))
    return ConfigFile(path, path.read_text("utf-8"))


def from_file(file: ConfigFile) -> Layer:
    """What the file gives."""
    layer = Layer()
    try:
        tree = tomllib.loads(file.text)
    except ValueError as error:
        layer.problems.append(f"{file.path} is not valid TOML: {error}")
        return layer
    _walk(tree, (), file.path, layer)
    return layer


def from_preset(source: str, preset: Preset) -> Layer:
    """What a preset gives to the source that names it."""
    layer = Layer()
    _walk(preset.source, ("sources", source), preset.file, layer)
    origin = Origin("preset", preset.name)
    layer.values = {
        path: dataclasses.replace(given, origin=origin) for path, given in layer.values.items()
    }
    return layer


def _walk(tree: Mapping[str, object], path: Path_, file: Path, layer: Layer) -> None:
    for word, value in tree.items():
        here = (*path, word)
        pattern = pattern_of(here)
        key = ".".join(here)
        if pattern in rows():
            layer.values[here] = Given(value, Origin("file", str(file)), file.parent)
        elif pattern not in section_paths():
            known = (".".join(_like(known, here)) for known in _known_paths())
            layer.problems.append(f"{key} (file {file}): no such setting.{closest(key, known)}")
        elif not isinstance(value, Mapping):
            layer.problems.append(f"{key} (file {file}): is a section: write [{key}] above its own")
        elif pattern[-1] == NAME and not NAME_PATTERN.fullmatch(word):
            layer.problems.append(
                f"{key} (file {file}): a name must be lower-case letters, digits, - and _"
            )
        else:
            if pattern[-1] == NAME:
                layer.named.add(here)
            _walk(value, here, file, layer)


def _known_paths() -> Iterator[Path_]:
    yield from rows()
    yield from (path for path in section_paths() if path)


def _like(known: Path_, given: Path_) -> Path_:
    """A known path with the given one's name in it, so that they can be compared."""
    if NAME in known and len(given) > known.index(NAME):
        at = known.index(NAME)
        return (*known[:at], given[at], *known[at + 1 :])
    return known


def from_environment(
    environ: Mapping[str, str], cwd: Path, named: set[Path_], spoken_for: set[str]
) -> Layer:
    """What the variables give.

    Args:
        cwd: relative paths in variables are relative to it.
        named: sections that the file names; `LQF_AUTO` finds `lqf-auto` among them.
        spoken_for: variables that hold secrets the file points to.
    """
    layer = Layer()
    for variable in sorted(environ):
        ours = variable.startswith(ENVIRONMENT_PREFIX) and variable not in OTHER_VARIABLES
        if not ours or variable in spoken_for:
            continue
        words = tuple(variable.removeprefix(ENVIRONMENT_PREFIX).lower().split("__"))
        path = _with_known_name(words, named)
        if pattern_of(path) not in rows():
            known = [variable_of(_like(row, path)) for row in rows()]
            layer.problems.append(
                f"{variable} (environment): no such setting.{closest(variable, known)}"
            )
            continue
        layer.values[path] = Given(environ[variable], Origin("environment", variable), cwd)
        if path[:1] in collections():
            layer.named.add(path[:2])
    return layer


def _with_known_name(path: Path_, named: set[Path_]) -> Path_:
    """`_` in a variable stands for `-` in a name as well."""
    if path[:1] in collections() and path[:2] not in named:
        for collection, name in sorted(named):
            if collection == path[0] and name.replace("-", "_") == path[1:2][0]:
                return (collection, name, *path[2:])
    return path


def from_flags(flags: Mapping[str, object], cwd: Path) -> Layer:
    """What the command line gives; None and an empty tuple mean that the option was not given.

    Args:
        flags: dotted key → value.
    """
    layer = Layer()
    for key, value in flags.items():
        if value is None or value == ():
            continue
        path = tuple(key.split("."))
        if path not in rows():
            layer.problems.append(f"{key} (flag): no such setting.")
            continue
        flag = FLAGS.get(key, key)
        layer.values[path] = Given(value, Origin("flag", flag), cwd)
    return layer
