"""The reference page of commands is what the commands say of themselves."""

from pathlib import Path

import click

from leadkeep.cli import main
from leadkeep.cli.options import COMMON_NAMES
from leadkeep.cli.reference import page
from leadkeep.settings.table import FLAGS

ROOT = Path(__file__).parents[3]


def every_command() -> list[tuple[str, click.Command]]:
    """Each command that does something, with its path."""
    found = []
    with click.Context(main, info_name="leadkeep") as ctx:
        for name in main.list_commands(ctx):
            command = main.get_command(ctx, name)
            assert command is not None
            if isinstance(command, click.Group):
                found += [(f"{name} {inner}", one) for inner, one in command.commands.items()]
            else:
                found.append((name, command))
    return found


def test_the_page_is_up_to_date() -> None:
    written = (ROOT / "docs/reference/commands.md").read_text("utf-8")
    assert written == page(), "python -m leadkeep.cli.reference > docs/reference/commands.md"


def test_the_page_names_every_command_that_is_not_hidden() -> None:
    text = page()
    for path, command in every_command():
        assert (f"## `leadkeep {path}`" in text) is not command.hidden, path


def test_every_command_explains_itself_and_its_options() -> None:
    for path, command in every_command():
        assert command.help, path
        for param in command.params:
            if isinstance(param, click.Option) and param.name not in COMMON_NAMES:
                assert param.help, f"{path} {param.name}"


def test_every_command_that_prints_data_has_json() -> None:
    print_a_file_or_run = {
        "serve",
        "intake",
        "worker",
        "shell",
        "config reference",
        "config example",
    }
    for path, command in every_command():
        names = {name for param in command.params for name in param.opts}
        assert ("--json" in names) is not (path in print_a_file_or_run), path


def test_every_setting_with_an_option_can_be_given_to_every_command() -> None:
    for path, command in every_command():
        names = {name for param in command.params for name in param.opts}
        assert set(FLAGS.values()) <= names, path
