"""The reference page of all commands, made from the commands themselves.

`python -m leadkeep.cli.reference > docs/reference/commands.md` writes it; a test keeps it equal.
"""

import inspect
from collections.abc import Iterator

import click

from leadkeep.cli import main
from leadkeep.cli.exits import MEANINGS
from leadkeep.cli.options import COMMON_NAMES

_HEAD = """\
# Commands

<!-- Made by `python -m leadkeep.cli.reference`; do not edit. -->

In a checkout say `bin/leadkeep` for `leadkeep`. Data goes to stdout and words for people to stderr,
so output can be piped. On a terminal tables are aligned and cut to its width; elsewhere they are
tab-separated, whole and without colour. `NO_COLOR=1` switches colours off everywhere. Characters
in a lead that would steer a terminal are shown as codes such as `\\x1b`.

Phone numbers, e-mail addresses and known secrets are partly hidden unless `--reveal` is given.
"""

_COMPLETION = """\
## Shell completion

Commands, options and their values complete by Tab after one of these, best put into the shell's
own start file:

```sh
eval "$(_LEADKEEP_COMPLETE=bash_source leadkeep)"    # bash
eval "$(_LEADKEEP_COMPLETE=zsh_source leadkeep)"     # zsh
_LEADKEEP_COMPLETE=fish_source leadkeep | source     # fish
```
"""


def page() -> str:
    """The whole page, as Markdown."""
    return "\n".join([_HEAD, *_exit_codes(), *_common(), *_commands(), _COMPLETION])


def _exit_codes() -> Iterator[str]:
    yield "## Exit codes\n"
    yield "| Code | Meaning |\n|---|---|"
    for code, meaning in MEANINGS.items():
        yield f"| {code.value} | {meaning} |"
    yield ""


def _common() -> Iterator[str]:
    yield "## Options of every command\n"
    yield "They may stand before or after the command's name.\n"
    with click.Context(main, info_name="leadkeep", resilient_parsing=True) as ctx:
        yield from _options(ctx, [p for p in main.params if p.name in COMMON_NAMES])


def _commands() -> Iterator[str]:
    with click.Context(main, info_name="leadkeep", resilient_parsing=True) as root:
        for name in main.list_commands(root):
            command = main.get_command(root, name)
            assert command is not None
            if not command.hidden:
                yield from _section(command, root, f"leadkeep {name}")


def _section(command: click.Command, parent: click.Context, path: str) -> Iterator[str]:
    with click.Context(
        command, parent=parent, info_name=path.rsplit(maxsplit=1)[-1], resilient_parsing=True
    ) as ctx:
        yield f"## `{path}`\n"
        pieces = command.collect_usage_pieces(ctx)
        yield f"```\n{' '.join((path, *pieces))}\n```\n"
        yield from _prose(command.help or "")
        own = [p for p in command.params if p.name not in COMMON_NAMES]
        yield from _options(ctx, own)
        yield from _prose(command.epilog or "")
        if isinstance(command, click.Group):
            for name, member in command.commands.items():
                if not member.hidden:
                    yield from _section(member, ctx, f"{path} {name}")


def _options(ctx: click.Context, params: list[click.Parameter]) -> Iterator[str]:
    records = [r for r in (p.get_help_record(ctx) for p in params) if r and r[1]]
    if not records:
        return
    yield "| Option | Meaning |\n|---|---|"
    for option, meaning in records:
        yield f"| `{_cell(option)}` | {_cell(meaning)} |"
    yield ""


def _prose(text: str) -> Iterator[str]:
    """Paragraphs; those that click leaves as they are (`\\b`) become code."""
    for paragraph in filter(None, inspect.cleandoc(text).replace("\f", "").split("\n\n")):
        first, _, rest = paragraph.partition("\n")
        if first != "\b":
            yield f"{paragraph}\n"
            continue
        words = [line for line in rest.splitlines() if not line.startswith("  ")]
        code = [line[2:] for line in rest.splitlines() if line.startswith("  ")]
        if words:
            yield " ".join(words) + "\n"
        yield "```sh\n" + "\n".join(code) + "\n```\n"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


if __name__ == "__main__":
    click.echo(page(), nl=False)
