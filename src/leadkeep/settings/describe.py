"""What is told about the settings: `config show`, `--help`, the reference page, the example file.

All of it is made from the table, so that none of it can be out of date.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from leadkeep.settings.kinds import allowed, show
from leadkeep.settings.layers import OTHER_VARIABLES
from leadkeep.settings.model import Origin, Settings
from leadkeep.settings.table import (
    FLAGS,
    NAME,
    Row,
    Section,
    pattern_of,
    rows,
    sections,
)

EXAMPLE_NAME = "example"


@dataclass(frozen=True)
class Shown:
    """One line of `config show`."""

    key: str
    value: str
    """As written in TOML, secrets masked; empty if it is not set."""
    origin: Origin


def shown(settings: Settings) -> list[Shown]:
    """Every setting with its value and where it came from, in the order of the table."""
    return [
        Shown(key, show(rows()[pattern_of(path)], _value(settings, path)), origin)
        for key, path, origin in (
            (key, tuple(key.split(".")), origin) for key, origin in settings.origins.items()
        )
    ]


def _value(settings: Settings, path: tuple[str, ...]) -> object:
    value: object = settings
    for word in path:
        value = value[word] if isinstance(value, dict) else getattr(value, word)
    return value


def flag_help(key: str) -> str:
    """The `--help` text of the option that sets `key`: what it is, and its default.

    Args:
        key: one of `table.FLAGS`.
    """
    row = rows()[tuple(key.split("."))]
    default = show(row, row.default).strip('[]"')
    return f"{row.help} [default: {default}]" if default else row.help


# ---------------------------------------------------------------- reference page


def reference() -> str:
    """The reference page, as Markdown."""
    return "\n".join([*_preface(), *(line for s in sections() for line in _section_page(s))]) + "\n"


def _preface() -> Iterator[str]:
    yield """# Settings

Made from the table of settings by `leadkeep config reference`; do not edit.

A setting may be given in three places. Each overrides the one before:

1. the file `leadkeep.toml` in the current folder, or the one named by `--config`;
2. the environment: the key in capitals, `LEADKEEP_` before it, `__` for each dot
   (`LEADKEEP_INTAKE__MAX_BODY_BYTES`); lists with commas between;
3. the command line, for those that have an option.

`leadkeep check` validates all of them and names every mistake. `leadkeep config show` prints each
value and where it came from. `leadkeep config example` prints a file with every default.

Unknown keys and variables are mistakes. A relative path is relative to the file's folder when it
stands in the file, and to the current folder otherwise; defaults are relative to the file's folder
if there is a file. Sizes are written `"64 KiB"`, `"10 MiB"`, `"20 GiB"`, or in bytes; times `15`,
`"15s"`, `"2m"`, `"12h"`, `"7d"`, or `"750ms"`.

`NAME` is a word of yours: lower-case letters, digits, `-` and `_`. In a variable, `_` stands for
`-` as well (`LEADKEEP_DESTINATIONS__MY_CRM__URL` sets `destinations.my-crm.url`).

A secret may be written as it is, or as `{ env = "VARIABLE" }` or `{ file = "path" }` to keep it out
of the file: `auth.bearer = { env = "CRM_TOKEN" }`. It is never shown. A file is read again when it
changes, a variable is not.

With no source configured, one source `default` takes every path. With `forward_to`, there is a
destination `default`. With no destination at all, leads are taken and wait for one.

Variables that begin with `LEADKEEP_` and are no settings:
"""
    for variable, meaning in OTHER_VARIABLES.items():
        yield f"- `{variable}`: {meaning}"
    yield ""


def _section_page(section: Section) -> Iterator[str]:
    title = f"`[{'.'.join(section.path)}]`" if section.path else "At the top"
    yield f"## {title}"
    yield ""
    if section.path:
        yield section.help
        yield ""
    yield "| Setting | Default | Meaning |"
    yield "|---|---|---|"
    for row in section.rows:
        default = f"`{_cell(show(row, row.default))}`" if _has_default(row) else "not set"
        flag = f" Option `{FLAGS[row.key]}`." if row.key in FLAGS else ""
        secret = " Secret." if row.secret else ""
        what = allowed(row)
        meaning = f"{row.help} {what[0].upper()}{what[1:]}.{flag}{secret}"
        yield f"| `{row.path[-1]}` | {default} | {_cell(meaning)} |"
    yield ""


def _has_default(row: Row) -> bool:
    return show(row, row.default) not in ("", '""', "[]", "{}")


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


# ---------------------------------------------------------------- example file


def example() -> str:
    """A `leadkeep.toml` with every setting at its default, commented out.

    Lines that begin with `#` and no space are settings; taking that sign away makes them count.
    """
    lines = [
        "# Leadkeep's settings with their defaults, made by `leadkeep config example`.",
        "# Take away the # before a key, and before the [section] above it, to set it.",
        "# `leadkeep check` validates this file; docs/reference/settings.md explains all of it.",
        "",
    ]
    for section in sections():
        lines += _section_example(section)
    return "\n".join(lines).rstrip("\n") + "\n"


def _section_example(section: Section) -> Iterator[str]:
    if section.path:
        name = ".".join(EXAMPLE_NAME if word == NAME else word for word in section.path)
        yield f"# {section.help}"
        yield f"#[{name}]"
        yield ""
    for row in section.rows:
        what = allowed(row)
        yield from _comment(row.help)
        yield from _comment(f"{what[0].upper()}{what[1:]}.")
        value = row.example.replace(NAME, EXAMPLE_NAME) or show(row, row.default)
        yield f"#{row.path[-1]} = {value}"
        yield ""


def _comment(text: str, width: int = 98) -> Iterator[str]:
    line = ""
    for word in text.split():
        if line and len(line) + 1 + len(word) > width:
            yield f"# {line}"
            line = word
        else:
            line = f"{line} {word}".strip()
    yield f"# {line}"


def write_generated(root: Path) -> None:
    """Write the two generated files of the project.

    Args:
        root: the folder of the checkout.
    """
    (root / "docs/reference").mkdir(parents=True, exist_ok=True)
    (root / "docs/reference/settings.md").write_text(reference(), "utf-8")
    (root / "leadkeep.example.toml").write_text(example(), "utf-8")
