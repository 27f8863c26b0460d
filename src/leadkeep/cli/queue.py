"""`leadkeep process-queue`: everything that is due, once."""

import asyncio
from typing import TYPE_CHECKING

import click

from leadkeep.cli.exits import Exit
from leadkeep.cli.options import json_option
from leadkeep.cli.progress import progress_shown
from leadkeep.cli.render import show_json
from leadkeep.wording import count

if TYPE_CHECKING:
    from leadkeep.app import QueueProgress, QueueRun

_EPILOG = """\b
From cron, where no `serve` runs, every minute:
  * * * * * cd /srv/leadkeep && bin/leadkeep process-queue
"""


@click.command("process-queue", epilog=_EPILOG)
@click.option("--limit", type=click.IntRange(1), help="Deliver at most so many.")
@json_option
@click.pass_context
def process_queue(ctx: click.Context, *, limit: int | None, as_json: bool) -> None:
    """Absorb and deliver everything that is due, once.

    Safe beside a running `serve` and beside itself: each delivery is made by one of them. Exit
    code 0: every lead is delivered. 3: some have failed, cannot be sent or still wait.
    """
    from leadkeep import app

    with progress_shown("Delivering", counted=True) as show:

        def tell(so_far: "QueueProgress") -> None:
            if show is not None:
                show("delivering", so_far.done, so_far.total)

        run = asyncio.run(app.process_queue(ctx.obj, limit=limit, progress=tell))
    if as_json:
        show_json(run)
    else:
        for line in summary(run):
            click.echo(line)
    left = run.failed or run.retry_later or run.still_waiting or run.set_aside
    ctx.exit(Exit.UNHEALTHY if left else Exit.OK)


def summary(run: "QueueRun") -> list[str]:
    """The counts in words."""
    held = f"{count(run.set_aside, 'delivery', 'deliveries')} held: cannot be sent"
    return [
        f"{count(run.absorbed, 'lead')} taken into the store",
        f"{count(run.completed, 'delivery', 'deliveries')} completed",
        f"{count(run.retry_later, 'delivery', 'deliveries')} not confirmed, to be tried again",
        f"{count(run.failed, 'delivery', 'deliveries')} failed for good",
        f"{count(run.still_waiting, 'delivery', 'deliveries')} still waiting",
        *([held] if run.set_aside else []),
    ]
