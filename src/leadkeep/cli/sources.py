"""`leadkeep sources`: vendors that are known, what a source is set to, why one is not proved."""

import asyncio
from collections.abc import Iterator
from typing import TYPE_CHECKING, BinaryIO

import click

from leadkeep.cli.exits import Exit
from leadkeep.cli.groups import InOrder
from leadkeep.cli.options import json_option, without_settings
from leadkeep.cli.render import Column, say, show_json, show_table
from leadkeep.cli.times import When
from leadkeep.errors import NotFound, UsageError
from leadkeep.settings.model import Settings
from leadkeep.settings.presets import GROUNDS, Preset, presets

if TYPE_CHECKING:
    from leadkeep.sources.verification.explaining import Captured


@click.group("sources", cls=InOrder)
def sources() -> None:
    """Look at vendors' ways, and why a request does not verify."""


@sources.command("presets")
@json_option
@without_settings
def list_presets(as_json: bool) -> None:
    """List the vendors whose ways are built in."""
    known = presets().values()
    if as_json:
        show_json([_preset_json(preset) for preset in known])
        return
    show_table(
        (Column("PRESET", whole=True), Column("VENDOR"), Column("PROOF"), Column("GROUNDS")),
        ((one.name, one.title, _proof(one), one.grounds) for one in known),
    )
    say()
    for grounds, meaning in GROUNDS.items():
        say(f"{grounds}: {meaning}")


@sources.command("show")
@click.argument("name")
@json_option
@click.pass_context
def show(ctx: click.Context, name: str, as_json: bool) -> None:
    """Show what a source or preset is set to; secrets are masked."""
    settings: Settings = ctx.obj
    preset = presets().get(name)
    if name in settings.sources:
        lines = dict(_lines_of_source(settings, name))
        about = presets().get(settings.sources[name].preset)
    elif preset is not None:
        lines, about = dict(_lines_of_preset(preset)), preset
    else:
        raise NotFound(
            f"there is no source and no preset {name}",
            hint=f"Configured are: {', '.join(settings.sources)}. "
            "`leadkeep sources presets` lists the presets.",
        )
    if as_json:
        show_json({"name": name, "preset": about and _preset_json(about), "settings": lines})
        return
    click.echo(f"[sources.{name}]")
    for key, value in lines.items():
        click.echo(f"{key} = {value}")
    if about is not None:
        say()
        say(f"{about.title} ({about.grounds}: {GROUNDS[about.grounds]})")
        say(about.about.strip())


@sources.command("test")
@click.argument("name", metavar="SOURCE")
@click.option("--lead", metavar="REF", help="A stored lead, by id or number.")
@click.option(
    "--request",
    type=click.File("rb"),
    metavar="FILE",
    help="A captured request: request line, headers, an empty line, body. `-`: standard input.",
)
@click.option("--received", type=When(), help="When the captured request came; now, if not said.")
@click.option("--peer", default="", metavar="ADDRESS", help="Where the captured request came from.")
@json_option
@click.pass_context
def test(
    ctx: click.Context,
    *,
    name: str,
    lead: str | None,
    request: BinaryIO | None,
    received: int | None,
    peer: str,
    as_json: bool,
) -> None:
    """Verify a request as SOURCE would, and say what does not fit.

    Exit code 0: it is proved. 3: it is not. Nothing of the request or of a secret is printed.
    """
    from leadkeep.sources.verification.explaining import explain
    from leadkeep.sources.verification.verifier import Verifier

    settings: Settings = ctx.obj
    source = settings.sources.get(name)
    if source is None:
        known = ", ".join(settings.sources)
        raise NotFound(f"there is no source {name}", hint=f"Configured are: {known}.")
    if (lead is None) == (request is None):
        raise UsageError("which request?", hint="Give either --lead REF or --request FILE.")
    if lead is not None:
        captured = asyncio.run(_stored(settings, lead))
    else:
        assert request is not None
        captured = _read(request.read(), received, peer)
    verifier = Verifier(name, source)
    fault = verifier.fault(captured.evidence())
    guess = explain(name, source, captured) if fault else None
    if as_json:
        show_json(
            {
                "source": name,
                "asks_for_proof": bool(verifier),
                "proved": bool(verifier) and not fault,
                "fault": fault,
                "would_fit": guess and guess.what,
                "mend": guess and guess.mend,
            }
        )
    elif not verifier:
        click.echo(f"{name} asks for no proof: every request counts as the vendor's.")
    elif not fault:
        click.echo("Proved: it is the vendor's.")
    else:
        click.echo(f"Not proved: {fault}.")
        if guess is not None:
            click.echo(f"But {guess.what}. {guess.mend}")
    ctx.exit(Exit.UNHEALTHY if fault else Exit.OK)


def _preset_json(preset: Preset) -> dict[str, str]:
    return {
        "name": preset.name,
        "title": preset.title,
        "grounds": preset.grounds,
        "proof": _proof(preset),
        "about": preset.about.strip(),
    }


def _proof(preset: Preset) -> str:
    """By what its requests are known, in a word or two."""
    verify = preset.source.get("verify", {})
    kinds = {
        "signature": "signature",
        "token": "token",
        "addresses": "address",
        "basic": "password",
    }
    return ", ".join(word for key, word in kinds.items() if key in verify) or "none"


def _lines_of_source(settings: Settings, name: str) -> Iterator[tuple[str, str]]:
    from leadkeep.settings.describe import shown

    for line in shown(settings):
        key = line.key.removeprefix(f"sources.{name}.")
        if key != line.key and line.origin.kind != "default":
            yield key, line.value


def _lines_of_preset(preset: Preset) -> Iterator[tuple[str, str]]:
    from leadkeep.settings.kinds import parse
    from leadkeep.settings.kinds import show as written
    from leadkeep.settings.layers import from_preset
    from leadkeep.settings.table import pattern_of, rows

    for path, given in from_preset("name", preset).values.items():
        row = rows()[pattern_of(path)]
        yield ".".join(path[2:]), written(row, parse(row, given.raw))


async def _stored(settings: Settings, ref: str) -> "Captured":
    from leadkeep.app import open_store
    from leadkeep.sources.verification.explaining import Captured

    async with open_store(settings, read_only=True) as store:
        lead = await store.lead(ref)
    return Captured(
        lead.method, lead.target, lead.headers, lead.body, lead.received_at_ms * 1_000, lead.peer
    )


def _read(raw: bytes, received: int | None, peer: str) -> "Captured":
    from leadkeep.clock import SystemClock
    from leadkeep.sources.verification.explaining import Captured

    at_us = SystemClock().now_us() if received is None else received * 1_000
    gap = min((at for mark in (b"\r\n\r\n", b"\n\n") if (at := raw.find(mark)) >= 0), default=-1)
    head, body = (raw, b"") if gap < 0 else (raw[:gap], raw[gap:].removeprefix(b"\r\n\r\n"))
    if gap >= 0 and raw[gap : gap + 2] == b"\n\n":
        body = raw[gap + 2 :]
    line, *lines = head.replace(b"\r\n", b"\n").split(b"\n")
    words = line.split(b" ")
    if len(words) not in (2, 3) or not words[1].startswith((b"/", b"http")):
        raise UsageError(
            "the captured request does not begin with a request line",
            hint="It looks like `POST /hooks/vendor HTTP/1.1`, then the headers, an empty line, "
            "and the body exactly as it came.",
        )
    headers = b"".join(each + b"\r\n" for each in lines)
    return Captured(words[0].decode("latin-1"), words[1], headers, body, at_us, peer)
