"""`leadkeep process-queue`: everything that is due, once."""

import asyncio
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from leadkeep.cli.exits import Exit
from leadkeep.cli.render import console, count, show_json

if TYPE_CHECKING:
    from leadkeep.app import QueueProgress, QueueRun

_EPILOG = """\b
From cron, where no `serve` runs, every minute:
  * * * * * cd /srv/leadkeep && bin/leadkeep process-queue
"""


@click.command("process-queue", epilog=_EPILOG)
@click.option("--limit", type=click.IntRange(1), help="Deliver at most so many.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def process_queue(ctx: click.Context, *, limit: int | None, as_json: bool) -> None:
    """Absorb what was accepted and deliver everything that is due, once.

    Safe beside a running `serve` and beside itself: each delivery is made by one of them. Exit
    code 0: every lead is delivered. 3: some have failed or still wait.
    """
    from leadkeep import app

    with _progress() as show:
        run = asyncio.run(app.process_queue(ctx.obj, limit=limit, progress=show))
    if as_json:
        show_json(run)
    else:
        for line in summary(run):
            click.echo(line)
    left = run.failed or run.retry_later or run.still_waiting
    ctx.exit(Exit.UNHEALTHY if left else Exit.OK)


def summary(run: "QueueRun") -> list[str]:
    """The counts in words."""
    return [
        f"{count(run.absorbed, 'lead')} taken into the store",
        f"{count(run.completed, 'delivery', 'deliveries')} completed",
        f"{count(run.retry_later, 'delivery', 'deliveries')} not confirmed, to be tried again",
        f"{count(run.failed, 'delivery', 'deliveries')} failed for good",
        f"{count(run.still_waiting, 'delivery', 'deliveries')} still waiting",
    ]


@contextmanager
def _progress() -> "Iterator[Callable[[QueueProgress], None] | None]":
    """A bar on stderr if that is a terminal; nothing otherwise."""
    screen = console(sys.stderr)
    if not screen.is_terminal:
        yield None
        return
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("Delivering"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(elapsed_when_finished=True),
    )
    with Progress(*columns, console=screen, transient=True) as bar:
        task = bar.add_task("deliver", total=None)
        yield lambda so_far: bar.update(task, completed=so_far.done, total=so_far.total)
