"""`leadkeep leads preview`: the request that would be sent, and nothing sent."""

import asyncio
from base64 import b64encode
from typing import TYPE_CHECKING

import click

from leadkeep.cli.exits import Exit
from leadkeep.cli.masking import HIDDEN, mask_headers, mask_secret_headers, mask_text
from leadkeep.cli.options import json_option
from leadkeep.cli.render import say, show_json
from leadkeep.cli.visible import visible, visible_bytes
from leadkeep.errors import UsageError
from leadkeep.settings.model import Settings

if TYPE_CHECKING:
    from leadkeep.app.previewing import Preview


@click.command("preview")
@click.argument("ref")
@click.option("--destination", metavar="NAME", help="Where to; may be left out if there is one.")
@click.option(
    "--reveal",
    is_flag=True,
    help="Show phone numbers, e-mail addresses and the lead's own secrets whole; never those of "
    "the configuration.",
)
@json_option
@click.pass_context
def preview(
    ctx: click.Context, *, ref: str, destination: str | None, reveal: bool, as_json: bool
) -> None:
    """Show the request that would be sent, and send nothing.

    With today's configuration, its transformation included. Headers that the configuration sets
    are hidden. Exit code 1: it cannot be sent, and would be held with this reason.
    """
    from leadkeep.app import preview as previewed

    settings: Settings = ctx.obj
    found = asyncio.run(previewed(settings, ref, destination or _only(settings)))
    lines = _head(settings, found, reveal=reveal)
    if as_json:
        show_json(_json(found, lines, reveal=reveal))
    elif not found.unsendable:
        for line in lines:
            click.echo(visible(line))
        click.echo()
        body = visible_bytes(found.body, keep_newlines=True)
        click.echo(body if reveal else mask_text(body))
    if found.unsendable:
        say(f"It cannot be sent to {found.destination}: {found.unsendable}")
        ctx.exit(Exit.ERROR)


def _only(settings: Settings) -> str:
    if len(settings.destinations) == 1:
        return next(iter(settings.destinations))
    raise UsageError(
        "preview for which destination?",
        hint=f"Add --destination; there are: {', '.join(settings.destinations) or 'none'}.",
    )


def _head(settings: Settings, found: "Preview", *, reveal: bool) -> list[str]:
    """Request line and headers, with what is secret hidden."""
    chosen = settings.destinations[found.destination]
    secret = {name.lower() for name in chosen.headers} | {"authorization"}
    lines = found.head.decode("utf-8", "backslashreplace").split("\r\n")
    shown = []
    for number, line in enumerate(line for line in lines if line):
        name, colon, _ = line.partition(":")
        if number and colon and name.lower() in secret:
            shown.append(f"{name}: {HIDDEN}")
        elif number == 0:
            # The url's own query may hold a key, whatever its name.
            request_line = _without(line, chosen.url)
            shown.append(request_line if reveal else mask_text(request_line))
        else:
            shown.append(mask_secret_headers(line) if reveal else mask_headers(line))
    return shown


def _without(line: str, url: str) -> str:
    query = url.partition("?")[2]
    return line.replace(query, HIDDEN) if query else line


def _json(found: "Preview", lines: list[str], *, reveal: bool) -> dict[str, object]:
    method, _, rest = lines[0].partition(" ") if lines else ("", "", "")
    told: dict[str, object] = {
        "destination": found.destination,
        "rewritten": found.rewritten,
        "sendable": not found.unsendable,
        "reason": found.unsendable,
        "method": method,
        "target": rest.removesuffix(" HTTP/1.1"),
        "headers": lines[1:],
        "body": mask_text(found.body.decode("utf-8", "backslashreplace")),
    }
    if reveal:
        told["body"] = found.body.decode("utf-8", "backslashreplace")
        told["body_base64"] = b64encode(found.body).decode("ascii")
    return told
