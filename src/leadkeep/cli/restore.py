"""`leadkeep restore` and `rebuild`: every lead back, and none delivered again by itself."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

import click

from leadkeep.cli.backup import folder, show_findings
from leadkeep.cli.deciding import confirm
from leadkeep.cli.exits import Exit
from leadkeep.cli.options import command_line, json_option
from leadkeep.cli.progress import progress_shown
from leadkeep.cli.render import say, show_json
from leadkeep.settings.model import Settings
from leadkeep.wording import count

if TYPE_CHECKING:
    from leadkeep.recovery.settling import Settled

RESTORED = "restored from the backup"
REBUILT = "store was rebuilt"
"""Parts of the reasons for which deliveries are held afterwards."""


@click.command("restore")
@click.argument("directory", type=folder)
@click.option("--dry-run", is_flag=True, help="Check the backup and the folder; change nothing.")
@json_option
@click.pass_context
def restore(ctx: click.Context, directory: Path, dry_run: bool, as_json: bool) -> None:
    """Make an installation of the backup in DIRECTORY.

    It is made in the data folder named with --data. The backup is checked first, and a folder that
    holds an installation is refused. Deliveries that were waiting, and that the log of outcomes
    does not prove to be completed, are held: they may have been delivered since. `leadkeep leads
    resume` lets them go. Killed half way, the same command goes on.
    """
    from leadkeep.app.recovery import restoring

    settings: Settings = ctx.obj
    with progress_shown("Restoring") as show:
        work = restoring(settings, directory, show)
        if dry_run:
            manifest = asyncio.run(work.check())
        else:
            done = asyncio.run(work.run())
    if dry_run:
        if as_json:
            show_json({"dry_run": True, "made_at": manifest.made_at, "counts": manifest.counts})
        else:
            click.echo(f"the backup of {manifest.made_at} is whole and can be restored")
        return
    if as_json:
        show_json(done)
    else:
        click.echo(f"restored the backup of {done.made_at} into {settings.data}")
        _tell(ctx, done.settled, RESTORED)
        show_findings(done.findings)
    ctx.exit(Exit.UNHEALTHY if done.findings else Exit.OK)


@click.command("rebuild")
@click.option("--replace", is_flag=True, help="Move a store that is there aside, and make another.")
@click.option("--dry-run", is_flag=True, help="Say what would be done and change nothing.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
@click.pass_context
def rebuild(ctx: click.Context, *, replace: bool, dry_run: bool, yes: bool, as_json: bool) -> None:
    """Make a lost or damaged store anew from the journals.

    From the archive, too. Nothing may use the store meanwhile; the door may go on. What the log of
    outcomes proves is completed, failed or cancelled again; everything else is held, for it may
    have been delivered: `leadkeep leads resume` lets it go. Leads whose journal segments have left
    the archive are not in the new store; a backup has them.
    """
    from leadkeep.app.recovery import rebuilding

    settings: Settings = ctx.obj
    with progress_shown("Rebuilding") as show:
        work = rebuilding(settings, show)
        plan = asyncio.run(work.plan())
    if dry_run:
        _tell_plan(plan.segments, replaces=plan.replaces, as_json=as_json)
        return
    if plan.replaces and replace and not yes:
        confirm(
            "rebuild",
            f"the store {settings.store_path}",
            "Move {what} aside and make another? Every delivery that waits is held then.",
        )
    with progress_shown("Rebuilding") as show:
        done = asyncio.run(rebuilding(settings, show).run(replace=replace))
    if as_json:
        show_json(done)
    else:
        click.echo(f"rebuilt {settings.store_path}")
        if done.moved_aside is not None:
            click.echo(f"  the old store is in {done.moved_aside}")
        _tell(ctx, done.settled, REBUILT)
        show_findings(done.findings)
        say(
            "Not in any log, and so lost with the old store: which destinations were held "
            "(`leadkeep hold` again), notes of who decided what, and replies to former tries."
        )
    ctx.exit(Exit.UNHEALTHY if done.findings else Exit.OK)


def _tell_plan(segments: int, *, replaces: bool, as_json: bool) -> None:
    if as_json:
        show_json({"dry_run": True, "segments": segments, "replaces": replaces})
        return
    aside = "; the store that is there would be moved aside (--replace)" if replaces else ""
    click.echo(f"a store would be made from {count(segments, 'journal segment')}{aside}")


def _tell(ctx: click.Context, settled: "Settled", reason: str) -> None:
    click.echo(f"  {count(settled.absorbed, 'lead')} absorbed from journals and archive")
    completed = count(settled.confirmed_by_log, "delivery is", "deliveries are")
    click.echo(f"  {completed} completed because the log of outcomes says so")
    click.echo(f"  {count(settled.held, 'delivery is', 'deliveries are')} held for you")
    if settled.held:
        look = command_line(ctx, "leads", "list", "--held-because", reason)
        go = command_line(ctx, "leads", "resume", "--held-because", reason)
        say(f"Look at what is held: {look}")
        say(f"Deliver it; a destination that has a lead already gets it again: {go}")
