"""`leadkeep serve`: the whole installation; and its two processes, `intake` and `worker`, alone."""

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import click

from leadkeep.cli.options import command_line, config_args
from leadkeep.cli.render import say
from leadkeep.settings.model import Settings

if TYPE_CHECKING:
    from leadkeep.supervisor.handover import Handover


@click.command("serve")
@click.pass_context
def serve(ctx: click.Context) -> None:
    """Take leads and deliver them, until stopped.

    SIGTERM finishes what is under way and stops. SIGHUP reads the configuration again and replaces
    the processes without refusing a request; if it is wrong, the old ones go on.
    """
    from leadkeep.app import run_supervisor

    settings: Settings = ctx.obj
    for line in greeting(settings, command_line(ctx, "status")):
        say(line)
    ctx.exit(run_supervisor(settings, config_args(ctx)))


def _parse_handover(
    _ctx: click.Context, _param: click.Parameter, text: str | None
) -> "Handover | None":
    if text is None:
        return None
    from leadkeep.supervisor.handover import Handover

    return Handover.from_json(text)


_handover = click.option(
    "--handover",
    metavar="JSON",
    callback=_parse_handover,
    help="Open files inherited from the supervisor; without it the process stands alone.",
)


@click.command("intake", hidden=True)
@_handover
@click.pass_context
def intake(ctx: click.Context, handover: "Handover | None") -> None:
    """Only the door: take leads and make them durable."""
    from leadkeep.app import run_intake

    ctx.exit(run_intake(ctx.obj, handover))


@click.command("worker", hidden=True)
@_handover
@click.pass_context
def worker(ctx: click.Context, handover: "Handover | None") -> None:
    """Only the worker: absorb and deliver."""
    from leadkeep.app import run_worker

    ctx.exit(run_worker(ctx.obj, handover))


def greeting(settings: Settings, status_command: str) -> list[str]:
    """What people read when it starts: where it listens, where leads go, where they are kept."""
    scheme = "https" if settings.intake.tls_certificate else "http"
    lines = [f"Leadkeep takes leads at    {scheme}://{at}" for at in settings.intake.listen]
    if settings.destinations:
        lines += [
            f"         delivers them to  {shown_url(destination.url)}  ({name})"
            for name, destination in settings.destinations.items()
        ]
    else:
        lines += [
            "         delivers to       nowhere yet: leads are kept and wait. Add a destination:",
            "                           start again with --forward-to URL, or put",
            '                           [destinations.default] and url = "…" in leadkeep.toml',
        ]
    lines.append(f"         keeps them in     {settings.data.absolute()}")
    lines.append(f"         tells about them  {status_command}")
    return lines


def shown_url(url: str) -> str:
    """A URL without what may be secret in it: user, password and query."""
    parts = urlsplit(url)
    if not parts.netloc:
        return url  # python:module:function
    host = parts.netloc.rpartition("@")[2]
    query = "?•••" if parts.query else ""
    return f"{parts.scheme}://{host}{parts.path}{query}"
