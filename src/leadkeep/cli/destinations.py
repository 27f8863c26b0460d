"""`leadkeep hold` and `resume`: let the leads of one destination wait, and go again."""

import asyncio

import click

from leadkeep.cli.deciding import actor
from leadkeep.cli.render import show_json
from leadkeep.errors import NotFound
from leadkeep.settings.model import Settings

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.command("hold")
@click.argument("destination")
@click.option("--reason", default="", metavar="TEXT", help="Why; shown by `leadkeep status`.")
@json_option
@click.pass_context
def hold(ctx: click.Context, destination: str, reason: str, as_json: bool) -> None:
    """Let the leads of a DESTINATION wait, without using up tries, until it is resumed.

    Leads are taken as before. Deliveries under way are finished.
    """
    reason = reason or "asked on the command line"
    asyncio.run(_switch(ctx.obj, destination, hold_reason=reason))
    if as_json:
        show_json({"destination": destination, "held": True, "reason": reason})
    else:
        click.echo(f"{destination} is held: its leads wait until `resume {destination}`.")


@click.command("resume")
@click.argument("destination")
@json_option
@click.pass_context
def resume(ctx: click.Context, destination: str, as_json: bool) -> None:
    """Deliver to a DESTINATION again.

    Also when its circuit is open because it did not work: its leads go at once, at first few at a
    time, and a failure opens it again.
    """
    asyncio.run(_switch(ctx.obj, destination, hold_reason=None))
    if as_json:
        show_json({"destination": destination, "held": False})
    else:
        click.echo(f"{destination} is resumed: its leads are delivered.")


async def _switch(settings: Settings, name: str, *, hold_reason: str | None) -> None:
    from leadkeep.app import open_store

    async with open_store(settings) as store:
        known = {*settings.destinations, *(view.name for view in await store.destinations())}
        if name not in known or not name:
            names = ", ".join(sorted(filter(None, known)))
            raise NotFound(
                f"there is no destination {name}",
                hint=f"Known are: {names}." if names else "None is configured.",
            )
        if hold_reason is None:
            await store.resume_destination(name, actor=actor())
        else:
            await store.hold_destination(name, reason=hold_reason, actor=actor())
