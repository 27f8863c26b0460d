"""`leadkeep sql`: ask the store in its own language, without a way to harm it."""

import asyncio
import sys
from typing import Any

import click

from leadkeep.cli.render import Column, say, show_json_rows, show_table
from leadkeep.cli.store import opened
from leadkeep.cli.visible import visible_bytes
from leadkeep.errors import UsageError
from leadkeep.settings.model import Settings


@click.command("sql")
@click.argument("statement", required=False)
@click.option(
    "--limit",
    type=click.IntRange(1),
    default=1_000,
    show_default=True,
    help="At most so many rows.",
)
@click.option("--json", "wants_json", is_flag=True, help="Print a JSON array of objects.")
@click.pass_context
def sql(ctx: click.Context, statement: str | None, limit: int, wants_json: bool) -> None:
    """Run one read-only SQL STATEMENT.

    Without it, or with `-`, it is read from stdin. Begin with the view lead_queue:

    \b
      leadkeep sql "SELECT * FROM lead_queue WHERE status = 'failed'"
      leadkeep sql "SELECT status, COUNT(*) FROM lead_queue GROUP BY status"
    """
    if statement in (None, "-"):
        if sys.stdin.isatty():
            say("Type one statement, then Ctrl-D.")
        statement = sys.stdin.read()
    if statement is None or not statement.strip():
        raise UsageError("there is no statement", hint="leadkeep sql 'SELECT …'")
    columns, rows = asyncio.run(_query(ctx.obj, statement, limit + 1))
    shown = rows[:limit]
    if wants_json:
        show_json_rows(dict(zip(columns, row, strict=True)) for row in shown)
    else:
        show_table(
            [Column(name, right=_numbers(shown, i)) for i, name in enumerate(columns)],
            ([_text(value) for value in row] for row in shown),
        )
    if len(rows) > limit:
        say(f"Only the first {limit:,} rows are shown; --limit shows more.")


async def _query(
    settings: Settings, statement: str, limit: int
) -> tuple[list[str], list[tuple[Any, ...]]]:
    async with opened(settings) as store:
        if store is None:
            raise UsageError(
                f"there is no store yet at {settings.store_name}",
                hint="It is made by `leadkeep serve` or `leadkeep migrate`.",
            )
        return await store.query(statement, limit=limit)


def _numbers(rows: list[tuple[Any, ...]], column: int) -> bool:
    return all(isinstance(row[column], (int, float)) for row in rows)


def _text(value: object) -> str:
    if value is None:
        return ""
    return visible_bytes(value) if isinstance(value, bytes) else str(value)
