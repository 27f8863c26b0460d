"""How commands show things: tables, times, states, JSON.

Invariant: text from outside reaches a terminal only through `visible`, never as markup. On a
terminal a table is aligned and cut to its width; elsewhere it is tab-separated and whole, so that
`cut` and `awk` read it.
"""

import json
import sys
from collections.abc import Collection, Iterable, Sequence
from datetime import UTC, datetime
from typing import IO, TYPE_CHECKING, NamedTuple

import click
import msgspec

from leadkeep.cli.visible import visible
from leadkeep.errors import LeadkeepError
from leadkeep.states import Status

if TYPE_CHECKING:
    from rich.console import Console

SIGNS = {
    Status.PENDING: ("…", "yellow"),
    Status.PROCESSING: ("▸", "cyan"),
    Status.COMPLETED: ("✓", "green"),
    Status.FAILED: ("✗", "bold red"),
    Status.HELD: ("‖", "magenta"),
    Status.CANCELLED: ("-", "dim"),
}
"""status → its sign and colour; the word always stands beside them"""


_GAP = "  "
_NARROWEST = 6


class Column(NamedTuple):
    """A table's column."""

    title: str
    right: bool = False
    whole: bool = False
    """Never cut, however narrow the terminal."""
    spare: bool = False
    """Left out where the terminal is too narrow for all columns."""


class Cell(NamedTuple):
    """A cell with a colour of its own."""

    text: str
    style: str = ""


def console(stream: IO[str] | None = None) -> "Console":
    """A console that prints text as it is: no markup, no emoji names, no guessing of colours.

    It honours NO_COLOR, TERM=dumb and a stream that is no terminal.
    """
    from rich.console import Console

    return Console(file=stream or sys.stdout, markup=False, highlight=False, emoji=False)


def say(text: str = "") -> None:
    """A line for people, on stderr."""
    click.echo(visible(text, keep_newlines=True), err=True)


def tell(error: LeadkeepError) -> None:
    """Say on stderr what failed and what to do about it."""
    first, *others = str(error).splitlines() or [type(error).__name__]
    say(f"error: {first}")
    for line in others:
        say(f"       {line}")
    if error.hint:
        say(f"hint: {error.hint}")


def show_table(
    columns: Sequence[Column],
    rows: Iterable[Sequence[str | Cell]],
    *,
    target: "Console | None" = None,
) -> None:
    """Print a table to stdout, or to `target`."""
    target = target or console()
    if not target.is_terminal:
        target.file.write("\t".join(column.title for column in columns) + "\n")
        for row in rows:
            target.file.write("\t".join(visible(_plain(cell)) for cell in row) + "\n")
        return
    from rich.cells import cell_len
    from rich.text import Text

    lines = [[Cell(column.title, "bold") for column in columns]]
    lines += [[Cell(visible(_plain(cell)), _style(cell)) for cell in row] for row in rows]
    wanted = [max(cell_len(line[i].text) for line in lines) for i in range(len(columns))]
    widths = _fitted(wanted, columns, target.width)
    for line in lines:
        shown = Text(no_wrap=True, overflow="ignore")
        for i, width in widths.items():
            cell, column = line[i], columns[i]
            text = Text(cell.text, style=cell.style)
            text.truncate(width, overflow="ellipsis")
            padding = " " * (width - cell_len(text.plain))
            shown.append(padding if column.right else "")
            shown.append(text)
            shown.append(_GAP if column.right else padding + _GAP)
        shown.rstrip()
        target.print(shown, soft_wrap=True)


def _fitted(wanted: Sequence[int], columns: Sequence[Column], room: int) -> dict[int, int]:
    """Column → width, so that a line fits: spare columns go first, then the widest is cut."""
    narrowest = {
        i: wanted[i] if column.whole else min(wanted[i], max(_NARROWEST, len(column.title)))
        for i, column in enumerate(columns)
    }
    spare = [i for i, column in enumerate(columns) if column.spare]
    while spare and _line_width(narrowest.values()) > room:
        del narrowest[spare.pop(0)]
    widths = {i: wanted[i] for i in narrowest}
    while _line_width(widths.values()) > room:
        cuttable = [i for i in widths if widths[i] > narrowest[i]]
        if not cuttable:
            break
        widths[max(cuttable, key=widths.__getitem__)] -= 1
    return widths


def _line_width(widths: Collection[int]) -> int:
    return sum(widths) + len(_GAP) * (len(widths) - 1)


def _plain(cell: str | Cell) -> str:
    return cell.text if isinstance(cell, Cell) else cell


def _style(cell: str | Cell) -> str:
    return cell.style if isinstance(cell, Cell) else ""


def status_cell(status: Status) -> Cell:
    """A status as sign and word, in its colour."""
    sign, style = SIGNS[status]
    return Cell(f"{sign} {status.value}", style)


def local_time(at_ms: int | None) -> str:
    """`2026-08-15 10:00:49 EDT`: in the time zone of this terminal, and which one it is.

    Args:
        at_ms: milliseconds since 1970 UTC; None gives an empty text.
    """
    if at_ms is None:
        return ""
    return datetime.fromtimestamp(at_ms / 1_000, UTC).astimezone().strftime("%Y-%m-%d %H:%M:%S %Z")


def show_json(value: object) -> None:
    """Print one JSON value: indented for a terminal, one line elsewhere. ASCII only."""
    indent = 2 if sys.stdout.isatty() else None
    sys.stdout.write(as_json(value, indent=indent) + "\n")


def show_json_rows(rows: Iterable[object]) -> None:
    """Print a JSON array, one element a line, as the rows come."""
    sys.stdout.write("[")
    between = "\n"
    for row in rows:
        sys.stdout.write(between + as_json(row))
        between = ",\n"
    sys.stdout.write("\n]\n" if between != "\n" else "]\n")


def as_json(value: object, *, indent: int | None = None) -> str:
    """JSON in which every character beyond printable ASCII is escaped. Bytes become Base64."""
    plain = msgspec.to_builtins(value, str_keys=True)
    return json.dumps(plain, ensure_ascii=True, indent=indent).replace("\x7f", "\\u007f")
