"""The help of groups: every command stands under a heading, with a whole sentence."""

from collections.abc import Iterator

import click
import pytest

from leadkeep.cli import COMMANDS, main

WIDTH = 80


def groups(command: click.Command, path: str) -> Iterator[tuple[str, click.Group]]:
    if isinstance(command, click.Group):
        yield path, command
        with click.Context(command) as ctx:
            for name in command.list_commands(ctx):
                member = command.get_command(ctx, name)
                assert member is not None
                yield from groups(member, f"{path} {name}")


@pytest.mark.parametrize(
    ("path", "group"), [pytest.param(*found, id=found[0]) for found in groups(main, "leadkeep")]
)
def test_each_command_is_told_in_a_sentence_that_a_terminal_has_room_for(
    path: str, group: click.Group
) -> None:
    with click.Context(group, info_name=path, terminal_width=WIDTH) as ctx:
        shown = group.get_help(ctx)
        for name in group.list_commands(ctx):
            command = group.get_command(ctx, name)
            assert command is not None
            if not command.hidden:
                sentence = command.get_short_help_str(WIDTH)
                lines = [line.split(maxsplit=1) for line in shown.splitlines()]
                assert [name, sentence] in lines
                assert sentence.endswith(".") and "..." not in sentence


def test_hidden_commands_are_those_that_the_supervisor_starts() -> None:
    with click.Context(main) as ctx:
        hidden = [name for name in COMMANDS if (it := main.get_command(ctx, name)) and it.hidden]
    assert hidden == ["intake", "worker"]
