"""`leadkeep ledger`: every lead received and what became of it, for whoever wants it proven."""

import asyncio
from collections.abc import Sequence

import click
import msgspec

from leadkeep.cli.exits import Exit
from leadkeep.cli.options import json_option
from leadkeep.cli.render import Cell, Column, console, show_json, show_table
from leadkeep.cli.times import UtcDay
from leadkeep.cli.visible import visible
from leadkeep.recovery.ledger import Ledger, LedgerRow, Problem, summed
from leadkeep.states import LeadClass
from leadkeep.wording import count

_CLASSES = (
    LeadClass.COMPLETED,
    LeadClass.PENDING,
    LeadClass.PROCESSING,
    LeadClass.HELD,
    LeadClass.FAILED,
    LeadClass.CANCELLED,
    LeadClass.DUPLICATE,
    LeadClass.ERASED,
)
_TOTAL = "total"
_DAYS_SHOWN = 14
_PROBLEMS_SHOWN = 10


@click.command("ledger")
@click.option("--day", type=UtcDay(), metavar="DAY", help="Only leads received on this UTC day.")
@click.option(
    "--source",
    "sources",
    multiple=True,
    metavar="NAME",
    help="Only leads of this source; may be given several times.",
)
@json_option
@click.pass_context
def ledger(ctx: click.Context, *, day: str | None, sources: tuple[str, ...], as_json: bool) -> None:
    """Account for every lead received.

    The journals' own counts stand against the store's. Leads received = completed + pending +
    processing + held + failed + cancelled + duplicate + erased + not absorbed, each lead counted
    once, by UTC day and source; what is left over is unexplained. Answers, rejections and probes
    stand beside it. Changes nothing, may be asked at any time, and goes on working after segments
    have left the archive.

    Exit code 3: something is unexplained; each such thing is named, with what to do.
    """
    from leadkeep.app import ledger as taken

    found = asyncio.run(taken(ctx.obj)).only(day=day, sources=sources)
    if as_json:
        show_json(_as_json(found))
    else:
        _show(found)
    ctx.exit(Exit.OK if found.balanced else Exit.UNHEALTHY)


def _as_json(found: Ledger) -> dict[str, object]:
    return {
        "sentence": found.sentence,
        "balanced": found.balanced,
        "unexplained": found.unexplained,
        "taken_at_ms": found.taken_at_ms,
        "segments": found.segments,
        "total": _row_as_json(found.total),
        "rows": [_row_as_json(row) for row in found.rows],
        "problems": [
            {**msgspec.to_builtins(problem), "leads": problem.leads} for problem in found.problems
        ],
        "notes": found.notes,
    }


def _row_as_json(row: LedgerRow) -> dict[str, object]:
    return {**msgspec.to_builtins(row, str_keys=True), "unexplained": row.unexplained}


def _show(found: Ledger) -> None:
    from rich.text import Text

    screen = console()

    def line(text: str = "", style: str = "") -> None:
        screen.print(Text(visible(text), style=style), soft_wrap=True)

    line(found.sentence, "bold green" if found.balanced else "bold red")
    for problem in found.problems[:_PROBLEMS_SHOWN]:
        line(f"✗ {_sentence(problem)}", "red")
        line(f"  what to do: {problem.hint}")
    if len(found.problems) > _PROBLEMS_SHOWN:
        line(f"✗ and {len(found.problems) - _PROBLEMS_SHOWN:,} more; --json names all.", "red")
    for note in found.notes:
        line(f"note: {note}")
    if found.rows:
        line()
        rows = _recent(found.rows) if screen.is_terminal else list(found.rows)
        rows.append(found.total)
        show_table(_columns(found.total), [_cells(row) for row in rows], target=screen)
        line()
        for words in _beside(found):
            line(words)


def _sentence(problem: Problem) -> str:
    words = problem.words[:1].upper() + problem.words[1:]
    return f"{words}." if not problem.unplaced else f"{words} ({_at_least(problem)})."


def _at_least(problem: Problem) -> str:
    return f"at least {count(problem.leads, 'record')}"


def _recent(rows: Sequence[LedgerRow]) -> list[LedgerRow]:
    """The latest days, with all before them as one row for each source, so that they fit."""
    days = sorted({row.day for row in rows})
    if len(days) <= _DAYS_SHOWN:
        return list(rows)
    first = days[-_DAYS_SHOWN]
    earlier = [row for row in rows if row.day < first]
    folded = [
        summed([row for row in earlier if row.source == source], day=f"< {first}", source=source)
        for source in sorted({row.source for row in earlier})
    ]
    return folded + [row for row in rows if row.day >= first]


def _columns(total: LedgerRow) -> list[Column]:
    def number(title: str, sum_: int) -> Column:
        # A column of zeros is the first to go where the terminal is narrow.
        return Column(title, right=True, whole=True, spare=sum_ == 0)

    return [
        Column("DAY", whole=True),
        Column("SOURCE"),
        Column("RECEIVED", right=True, whole=True),
        *(number(one.value.upper(), total.by_class[one]) for one in _CLASSES),
        number("NOT ABSORBED", total.not_absorbed),
        Column("UNEXPLAINED", right=True, whole=True),
        number("REJECTED", sum(total.rejections.values())),
        number("PROBES", total.probes),
    ]


def _cells(row: LedgerRow) -> list[str | Cell]:
    style = "" if row.day else "bold"
    numbers = [row.received, *(row.by_class[one] for one in _CLASSES), row.not_absorbed]
    return [
        Cell(row.day or _TOTAL, style),
        Cell(row.source or ("(no source)" if row.day else ""), style),
        *(Cell(f"{number:,}", style) for number in numbers),
        Cell(f"{row.unexplained:,}", "bold red" if row.unexplained else style),
        Cell(f"{sum(row.rejections.values()):,}", style),
        Cell(f"{row.probes:,}", style),
    ]


def _beside(found: Ledger) -> list[str]:
    total = found.total
    lines = [f"Answers to leads: {_by_status(total.answers)}"]
    if total.unacknowledged:
        lines.append(f"Leads whose sender is known to have got no answer: {total.unacknowledged:,}")
    if total.rejections:
        lines.append(f"Requests that could not be taken whole: {_by_status(total.rejections)}")
    if total.handshakes:
        lines.append(f"Handshakes: {total.handshakes:,}")
    if total.pings:
        lines.append(f"Pings (asked at once, never queued): {total.pings:,}")
    return lines


def _by_status(counts: dict[int, int]) -> str:
    return ", ".join(f"{status} to {number:,}" for status, number in counts.items()) or "none"
