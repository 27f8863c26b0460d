"""From file, environment and command line to one validated `Settings`, or to every mistake at once.

Precedence rises from file to environment to flags. Nothing is used before all of it is valid.
"""

import dataclasses
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import cast, get_type_hints

from leadkeep.errors import SettingsError
from leadkeep.settings.allowed import NotAllowed
from leadkeep.settings.checks import problems_between, problems_of_files
from leadkeep.settings.kinds import FILE_KINDS, MASK, parse
from leadkeep.settings.layers import (
    ConfigFile,
    Given,
    Layer,
    Path_,
    find_file,
    from_environment,
    from_file,
    from_flags,
    from_preset,
    read_file,
)
from leadkeep.settings.model import Origin, Settings
from leadkeep.settings.presets import presets
from leadkeep.settings.secret import Secret
from leadkeep.settings.table import Row, collections, concrete, pattern_of, rows

_SHOWN_MAX = 80


def load(
    *,
    config: Path | None,
    environ: Mapping[str, str],
    flags: Mapping[str, object],
    cwd: Path,
    check_files: bool = True,
) -> Settings:
    """Read, merge and validate all settings.

    Args:
        config: `--config`; must exist. None: LEADKEEP_CONFIG, else `leadkeep.toml` in `cwd` if
            there is one.
        environ: the process's variables.
        flags: dotted key → value from the command line; None means "not given".
        cwd: relative paths in variables and flags are relative to it; those in the file to the
            file's folder.
        check_files: also check that files named by settings can be read (for those who use them).

    Raises:
        SettingsError: one line for each mistake.
    """
    reading = _Reading(environ)
    file = reading.find(config, cwd)
    reading.take(from_file(file) if file else Layer())
    spoken_for = {name for given in reading.given.values() for name in _variables_in(given.raw)}
    reading.take(from_environment(environ, cwd, reading.named, spoken_for))
    reading.take(from_flags(flags, cwd))
    reading.lay_presets_under()
    reading.parse_all()
    reading.forward_everything()
    settings = reading.build(file, file.path.parent if file else cwd)
    reading.problems += problems_between(settings, reading.wrong)
    if check_files:
        reading.problems += problems_of_files(settings, reading.wrong)
    if reading.problems:
        raise SettingsError(
            "\n".join(reading.problems),
            hint="`leadkeep config reference` lists every setting and what it may be.",
        )
    return settings


def _variables_in(raw: object) -> Iterator[str]:
    """Names of variables that `{ env = "NAME" }` points to, anywhere in a value."""
    if isinstance(raw, Mapping):
        if set(raw) == {"env"} and isinstance(raw["env"], str):
            yield raw["env"]
        for inner in raw.values():
            yield from _variables_in(inner)
    if isinstance(raw, list):
        for inner in raw:
            yield from _variables_in(inner)


class _Reading:
    """What is known while the layers are laid over each other."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self.given: dict[Path_, Given] = {}
        self.named: set[Path_] = set()
        self.values: dict[Path_, object] = {}
        self.origins: dict[str, Origin] = {}
        self.wrong: set[str] = set()
        """Keys whose value could not be read: what depends on them is not checked."""
        self.problems: list[str] = []

    def find(self, config: Path | None, cwd: Path) -> ConfigFile | None:
        """The configuration file, if there is one."""
        path = find_file(config, self._environ, cwd)
        if path is None:
            return None
        try:
            return read_file(path, self._environ)
        except OSError as error:
            self.problems.append(f"{path} cannot be read: {error.strerror}")
        except UnicodeDecodeError:
            self.problems.append(f"{path} is not valid TOML: it is not UTF-8")
        return None

    def take(self, layer: Layer) -> None:
        """Lay `layer` over what is there."""
        self.given.update(layer.values)
        self.named |= layer.named
        self.problems += layer.problems

    def lay_presets_under(self) -> None:
        """Give each source what its preset knows, wherever nobody has said otherwise."""
        for collection, name in sorted(self.named):
            chosen = self.given.get((collection, name, "preset"))
            word = chosen.raw if chosen is not None else None
            preset = presets().get(word.strip().lower()) if isinstance(word, str) else None
            if preset is not None:
                layer = from_preset(name, preset)
                self.given = {**layer.values, **self.given}
                self.problems += layer.problems

    def parse_all(self) -> None:
        """Turn every given text into a value, or into a problem."""
        for path, given in self.given.items():
            row = rows()[pattern_of(path)]
            key = ".".join(path)
            try:
                value = parse(row, self._reveal(row, given))
            except NotAllowed as error:
                self.wrong.add(key)
                shown = MASK if row.secret else _shown(given.raw)
                self.problems.append(f"{key} = {shown} ({given.origin}): must be {error}")
                continue
            self.values[path] = _absolute(row, value, given.folder)
            self.origins[key] = given.origin

    def _reveal(self, row: Row, given: Given) -> object:
        """Fetch secrets that stand in a variable or a file."""
        if row.secret and isinstance(given.raw, list):
            return [self._secret(value, given) for value in given.raw]
        if not row.secret or not isinstance(given.raw, Mapping):
            return given.raw
        if row.kind in ("texts", "options"):
            return {name: self._secret(value, given) for name, value in given.raw.items()}
        return self._secret(given.raw, given)

    def _secret(self, raw: object, given: Given) -> object:
        if not isinstance(raw, Mapping):
            return raw
        if set(raw) == {"env"} and isinstance(raw["env"], str):
            if raw["env"] in self._environ:
                return self._environ[raw["env"]]
            raise NotAllowed(f"readable: the environment variable {raw['env']} is not set")
        if set(raw) == {"file"} and isinstance(raw["file"], str):
            path = given.folder / raw["file"]
            try:
                return Secret.read(path)
            except (OSError, UnicodeDecodeError) as error:
                raise NotAllowed(f"readable: {path} is not ({type(error).__name__})") from None
        raise NotAllowed('text, { env = "NAME" } or { file = "path" }')

    def forward_everything(self) -> None:
        """`forward_to` is the destination `default`; without a source, one takes every path."""
        url, target = ("destinations", "default", "url"), self.values.get(("forward_to",))
        if target is not None:
            origin = self.origins["forward_to"]
            if url in self.given:
                self.problems.append(
                    f"destinations.default.url ({self.given[url].origin}): forward_to ({origin}) "
                    "already says where `default` posts to; give one of them"
                )
            self.values[url] = target
            self.origins[".".join(url)] = origin
            self.named.add(url[:2])
        if not any(collection == "sources" for collection, _ in self.named):
            self.named.add(("sources", "default"))
            self.values["sources", "default", "paths"] = ("*",)

    def build(self, file: ConfigFile | None, folder: Path) -> Settings:
        """The settings; where a value is wrong or missing, its default."""
        origins: dict[str, Origin] = {}
        for path in concrete(self.named):
            key, row = ".".join(path), rows()[pattern_of(path)]
            origins[key] = self.origins.get(key, Origin("default", ""))
            if path not in self.values:
                self.values[path] = _absolute(row, row.default, folder)
        settings = cast(Settings, self._model(Settings, ()))
        return dataclasses.replace(
            settings,
            origins=origins,
            config_file=file.path if file else None,
            config_text=file.text if file else None,
        )

    def _model(self, model: type, path: Path_) -> object:
        hints = get_type_hints(model)
        arguments: dict[str, object] = {}
        for name, hint in hints.items():
            here = (*path, name)
            if here in self.values:
                arguments[name] = self.values[here]
            elif dataclasses.is_dataclass(hint):
                arguments[name] = self._model(cast(type, hint), here)
            elif here in collections():
                named = sorted(each for each in self.named if each[:1] == here)
                arguments[name] = {each[1]: self._model(hint.__args__[1], each) for each in named}
        return model(**arguments)


def _absolute(row: Row, value: object, folder: Path) -> object:
    if row.kind not in FILE_KINDS:
        return value
    if isinstance(value, Path):
        return folder / value
    if isinstance(value, tuple):
        return tuple(folder / one if isinstance(one, Path) else one for one in value)
    return value


def _shown(raw: object) -> str:
    """A value in an error: as given, on one line, not too long."""
    text = repr(raw) if not isinstance(raw, str) else f'"{raw}"'
    text = "".join(char if char.isprintable() else "?" for char in text)
    text = re.sub(r"//[^/@\s]*@", f"//{MASK}@", text)  # a password in a URL
    return text if len(text) <= _SHOWN_MAX else text[: _SHOWN_MAX - 1] + "…"
