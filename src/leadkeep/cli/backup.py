"""`leadkeep backup` and `verify`: a copy of everything, and whether everything is there."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from leadkeep.cli.exits import Exit
from leadkeep.cli.options import command_line, json_option
from leadkeep.cli.progress import progress_shown
from leadkeep.cli.render import console, say, show_json
from leadkeep.wording import count

if TYPE_CHECKING:
    from leadkeep.recovery.backup import BackedUp
    from leadkeep.recovery.examination import Examined, Finding

_MOST_SHOWN = 50

folder = click.Path(path_type=Path, file_okay=False)

_CRON = """\b
From cron, every night:
  15 2 * * * cd /srv/leadkeep && bin/leadkeep backup /mnt/other/leadkeep-$(date +\\%F)
"""


@click.command("backup", epilog=_CRON)
@click.argument("directory", type=folder)
@click.option(
    "--since",
    type=folder,
    metavar="BACKUP",
    help="A former backup on the same disk: archived files that are in it are linked, not copied. "
    "If it is not there, everything is copied.",
)
@json_option
@click.pass_context
def backup(ctx: click.Context, directory: Path, since: Path | None, as_json: bool) -> None:
    """Copy everything that must last into a new DIRECTORY.

    It is read back. Works beside a running `serve`, and nobody waits for it. Every lead
    acknowledged before it began is in the backup. DIRECTORY has its name only once all of it was
    compared. Exit code 3: the backup was made, and something was wrong with the installation
    before.
    """
    from leadkeep.app.recovery import back_up

    with progress_shown("Backing up") as show:
        done = asyncio.run(back_up(ctx.obj, directory, since=since, progress=show))
    if as_json:
        show_json(done)
    else:
        _tell_backup(done)
        show_findings(done.findings)
    ctx.exit(Exit.UNHEALTHY if done.findings else Exit.OK)


def _tell_backup(done: "BackedUp") -> None:
    shared = f", {done.linked_bytes:,} of them shared with --since" if done.linked_bytes else ""
    waiting = done.counts.waiting
    rest = f", and {count(waiting, 'lead')} that it did not have yet" if waiting else ""
    click.echo(f"{done.directory}: backup of {done.made_at}, verified")
    click.echo(f"  {done.bytes:,} bytes{shared}")
    click.echo(f"  {count(done.counts.leads, 'lead')} in the store{rest}")
    click.echo(f"  {count(done.counts.segments, 'journal segment')}")


@click.command("verify")
@click.argument("directory", type=folder, required=False)
@json_option
@click.pass_context
def verify(ctx: click.Context, directory: Path | None, as_json: bool) -> None:
    """Compare every lead with the store, byte for byte.

    Every lead in journals and archive: of the installation, beside a running `serve` too; with a
    DIRECTORY, of that backup, whose files are compared with its manifest first. Changes nothing.
    Exit code 3: something is wrong; each finding says what to do.
    """
    from leadkeep.app import recovery

    with progress_shown("Verifying") as show:
        if directory is None:
            found = asyncio.run(recovery.verify(ctx.obj, show))
        else:
            _, found = asyncio.run(recovery.verify_backup(ctx.obj, directory, show))
    if as_json:
        show_json(_as_json(found))
    else:
        show_findings(found.findings, found.more)
        click.echo(_summary(found))
        if not found.ok and directory is None:
            say(f"Where leads stand now: {command_line(ctx, 'status')}")
    ctx.exit(Exit.OK if found.ok else Exit.UNHEALTHY)


def _as_json(found: "Examined") -> dict[str, object]:
    return {
        "ok": found.ok,
        "segments": found.segments,
        "records": found.records,
        "leads": found.leads,
        "waiting": found.waiting,
        "findings": found.findings,
        "more_findings": found.more,
    }


def _summary(found: "Examined") -> str:
    wrong = len(found.findings) + found.more
    verdict = "nothing is wrong" if found.ok else f"{count(wrong, 'thing is', 'things are')} wrong"
    waiting = f", {count(found.waiting, 'lead')} not yet in the store" if found.waiting else ""
    return (
        f"{count(found.leads, 'lead')} of {count(found.segments, 'journal segment')} compared with "
        f"the store byte for byte{waiting}: {verdict}."
    )


def show_findings(findings: Sequence["Finding"], more: int = 0) -> None:
    """Print what is wrong, each with what to do."""
    target = console()
    for finding in findings[:_MOST_SHOWN]:
        target.print(f"WRONG {finding.what}", soft_wrap=True)
        target.print(f"  next: {finding.hint}", soft_wrap=True)
    left = max(0, len(findings) - _MOST_SHOWN) + more
    if left:
        target.print(f"and {left:,} more; --json lists them", soft_wrap=True)
