"""`leadkeep push`: a lead from a file, through the same acceptance as at the door."""

import sys
from pathlib import Path
from typing import IO

import click

from leadkeep.cli.deciding import actor
from leadkeep.cli.options import json_option
from leadkeep.cli.render import say, show_json

_CONTENT_TYPES = {
    ".json": "application/json",
    ".form": "application/x-www-form-urlencoded",
    ".xml": "application/xml",
    ".csv": "text/csv",
    ".txt": "text/plain",
}


@click.command("push")
@click.argument("file", type=click.File("rb"))
@click.option("--source", metavar="NAME", help="As which source; else by the target's path.")
@click.option(
    "--content-type", metavar="TYPE", help="Else by the file's name; JSON for what has none."
)
@click.option(
    "--target", default="/", show_default=True, metavar="PATH", help="Path and query, as if posted."
)
@json_option
@click.pass_context
def push(
    ctx: click.Context,
    *,
    file: IO[bytes],
    source: str | None,
    content_type: str | None,
    target: str,
    as_json: bool,
) -> None:
    """Put the body in FILE into the queue as a lead.

    `-` is stdin.

    When the command ends with 0, the lead is on stable storage, as after a 200 at the door. A
    running `serve` delivers it; otherwise the next `serve` or `process-queue` does.
    """
    from leadkeep.api import Queue

    if file is sys.stdin.buffer and sys.stdin.isatty():
        say("Type the body, then Ctrl-D.")
    body = file.read()
    kind = content_type or guess_content_type(str(getattr(file, "name", "")))
    with Queue(ctx.obj, actor=actor()) as queue:
        pushed = queue.push(body, source=source, target=target, content_type=kind)
    if as_json:
        show_json(pushed)
    else:
        click.echo(f"{pushed.lead_number:013d} {pushed.lead_id}")


def guess_content_type(name: str) -> str:
    """The media type of a file by its name; JSON if the name tells nothing."""
    return _CONTENT_TYPES.get(Path(name).suffix.lower(), "application/json")
