"""The options that every command takes, the settings made from them, and options of many.

They may stand before or after the command's name (`leadkeep --data D status` is
`leadkeep status --data D`), and the later one wins. Settings are loaded just before a command runs
and never for `--help`, so that a broken configuration cannot hide the help that mends it.
"""

import functools
import io
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TextIO, TypeVar, cast

import click

from leadkeep.settings.model import Settings

_GIVEN = "leadkeep.given"
_ADOPTED = "_leadkeep_adopted"
_PROCESSES = frozenset({"serve", "intake", "worker"})
"""Commands that set up their logs themselves."""
_DELIVERING = frozenset({"serve", "process-queue"})
"""Commands that must know where to deliver."""
_NO_SETTINGS = "_leadkeep_no_settings"

AnyFunction = TypeVar("AnyFunction", bound=Callable[..., Any])

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


def page_options(what: str, metavar: str) -> Callable[[AnyFunction], AnyFunction]:
    """`--limit` and `--after` of a command that lists.

    Args:
        what: one of what is listed, in words.
        metavar: by what it is named.
    """

    def add(function: AnyFunction) -> AnyFunction:
        after = click.option(
            "--after", type=int, metavar=metavar, help=f"Go on after this {what}: the next page."
        )
        limit = click.option(
            "--limit",
            type=click.IntRange(1, 10_000),
            default=50,
            show_default=True,
            help="At most so many.",
        )
        return limit(after(function))

    return add


def _remember(ctx: click.Context, param: click.Parameter, value: object) -> None:
    if value is not None and value != ():
        given: dict[str, object] = ctx.meta.setdefault(_GIVEN, {})
        given[param.name or ""] = value


class _SettingOption(click.Option):
    """An option that sets one setting; the table of settings has its help."""

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        """Fetch the help when it is asked for, so that other runs do not load it."""
        from leadkeep.settings.describe import flag_help
        from leadkeep.settings.table import FLAGS

        key = next(key for key, flag in FLAGS.items() if flag in self.opts)
        self.help = flag_help(key)
        return super().get_help_record(ctx)


def common_options(*, only_where: bool = False) -> list[click.Option]:
    """New instances of the options of every command.

    Args:
        only_where: show only those that say which installation is meant; the others work all the
            same.
    """

    def of_setting(flag: str, metavar: str, **more: Any) -> click.Option:
        return _SettingOption(
            [flag], metavar=metavar, expose_value=False, callback=_remember, **more
        )

    return [
        click.Option(
            ["--config", "-c"],
            help="The configuration file. [default: leadkeep.toml if there is one]",
            metavar="FILE",
            type=click.Path(path_type=Path, dir_okay=False),
            expose_value=False,
            callback=_remember,
        ),
        of_setting("--data", "FOLDER", type=click.Path(path_type=Path, file_okay=False)),
        of_setting("--listen", "HOST:PORT", multiple=True, hidden=only_where),
        of_setting("--forward-to", "URL", hidden=only_where),
        of_setting("--log-level", "LEVEL", hidden=only_where),
        of_setting("--log-format", "FORMAT", hidden=only_where),
    ]


COMMON_NAMES = frozenset(option.name for option in common_options())


def _given(ctx: click.Context) -> dict[str, object]:
    found: dict[str, object] = ctx.meta.get(_GIVEN, {})
    return found


def config_path(ctx: click.Context) -> Path | None:
    """The configuration file named on the command line."""
    path = _given(ctx).get("config")
    return path if isinstance(path, Path) else None


def flags(ctx: click.Context) -> dict[str, object]:
    """Settings given on the command line: key in the table → text as typed."""
    from leadkeep.settings.table import FLAGS

    found: dict[str, object] = {}
    for key, option in FLAGS.items():
        value = _given(ctx).get(option.removeprefix("--").replace("-", "_"))
        if value is not None:
            found[key] = ",".join(value) if isinstance(value, tuple) else str(value)
    return found


def config_args(ctx: click.Context) -> list[str]:
    """The same options again, for another command on the same installation."""
    args: list[str] = []
    for name, value in _given(ctx).items():
        for one in value if isinstance(value, tuple) else (value,):
            args += [_flag(name), str(one)]
    return args


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")


def asked_for_debug(ctx: click.Context) -> bool:
    """True if the command line says `--log-level debug`."""
    return _given(ctx).get("log_level") == "debug"


def load(ctx: click.Context) -> Settings:
    """The settings that the command line, the environment and the file come to.

    Raises:
        SettingsError: names every wrong key.
    """
    from leadkeep.app import load_settings

    return load_settings(config_path(ctx), flags(ctx))


def command_line(ctx: click.Context, *words: str) -> str:
    """A command to type next, on the same installation as this one."""
    import shlex

    said = ("config", "data", "forward_to" if words[0] in _DELIVERING else "")
    where = [
        arg
        for name, value in _given(ctx).items()
        if name in said
        for arg in (_flag(name), str(value))
    ]
    # bin/leadkeep says by this variable how people called it.
    program = os.environ.get("_LEADKEEP_PROGRAM", "leadkeep")
    return shlex.join([program, *words, *where])


def without_settings(function: AnyFunction) -> AnyFunction:
    """Mark a command that runs without settings, or loads them itself."""
    setattr(function, _NO_SETTINGS, True)
    return function


class _Stderr(io.TextIOBase):
    """Whatever stderr is at the moment: a progress bar puts itself before it."""

    def write(self, text: str) -> int:
        """Write to it."""
        return sys.stderr.write(text)

    def flush(self) -> None:
        """Flush it."""
        sys.stderr.flush()

    def isatty(self) -> bool:
        """Whether it is a terminal."""
        return sys.stderr.isatty()


def _log_to_people(ctx: click.Context) -> None:
    """Only warnings, on stderr, unless more was asked for: stdout is the command's result."""
    from leadkeep.telemetry.logs import configure_logs

    given = _given(ctx)
    configure_logs(
        level=str(given.get("log_level", "warning")),
        form=str(given.get("log_format", "auto")),
        process="command",
        stream=cast(TextIO, _Stderr()),
    )


def adopt(command: click.Command) -> click.Command:
    """Give a command (or all of a group's) the common options, and settings as `ctx.obj`."""
    if getattr(command, _ADOPTED, False):
        return command
    setattr(command, _ADOPTED, True)
    if isinstance(command, click.Group):
        for member in command.commands.values():
            adopt(member)
        return command
    command.params.extend(common_options(only_where=command.name != "serve"))
    callback = command.callback
    if callback is None or getattr(callback, _NO_SETTINGS, False):
        return command

    @functools.wraps(callback)
    def with_settings(*args: object, **kwargs: object) -> object:
        ctx = click.get_current_context()
        ctx.obj = load(ctx)
        if command.name not in _PROCESSES:
            _log_to_people(ctx)
        return callback(*args, **kwargs)

    command.callback = with_settings
    return command
