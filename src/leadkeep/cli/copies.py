"""`leadkeep leads deliver-anyway` and `unlink`: a lead that repeats another goes all the same."""

import asyncio

import click

from leadkeep.cli.deciding import actor
from leadkeep.cli.options import json_option
from leadkeep.cli.render import show_json
from leadkeep.errors import NotFound
from leadkeep.settings.model import Settings
from leadkeep.wording import count


@click.command("deliver-anyway")
@click.argument("refs", nargs=-1, required=True, metavar="REF...")
@json_option
@click.pass_context
def deliver_anyway(ctx: click.Context, refs: tuple[str, ...], as_json: bool) -> None:
    """Deliver leads that repeat an earlier one all the same.

    It stays visible which lead they repeat.
    """
    _go(ctx.obj, refs, unlink=False, as_json=as_json)


@click.command("unlink")
@click.argument("refs", nargs=-1, required=True, metavar="REF...")
@json_option
@click.pass_context
def unlink(ctx: click.Context, refs: tuple[str, ...], as_json: bool) -> None:
    """Say that leads repeat no other, and deliver them.

    The link to the earlier lead is taken away.
    """
    _go(ctx.obj, refs, unlink=True, as_json=as_json)


def _go(settings: Settings, refs: tuple[str, ...], *, unlink: bool, as_json: bool) -> None:
    leads = asyncio.run(_in_store(settings, refs, unlink=unlink))
    if not leads:
        raise NotFound(
            "none of these leads repeats another",
            hint="`leadkeep leads show REF` says what a lead repeats.",
        )
    if as_json:
        show_json({"leads": leads, "unlinked": unlink})
    else:
        click.echo(f"{count(leads, 'lead')} due at once")


async def _in_store(settings: Settings, refs: tuple[str, ...], *, unlink: bool) -> int:
    from leadkeep.app import open_store

    async with open_store(settings) as store:
        return await store.deliver_anyway(refs, unlink=unlink, actor=actor())
