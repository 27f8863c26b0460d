"""`leadkeep check`, `config show|reference|example` and `migrate`: before anything runs."""

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from leadkeep.cli.exits import Exit
from leadkeep.cli.groups import InOrder
from leadkeep.cli.options import json_option, load, without_settings
from leadkeep.cli.render import Column, show_json, show_table, tell
from leadkeep.cli.serve import shown_url
from leadkeep.cli.store import opened
from leadkeep.errors import LeadkeepError, SettingsError
from leadkeep.settings.model import Settings

if TYPE_CHECKING:
    from leadkeep.store.migrations import MigrationStatus


@click.command("check")
@json_option
@click.pass_context
@without_settings
def check(ctx: click.Context, as_json: bool) -> None:
    """Check the configuration, and start nothing.

    Exit code 0: it is right. 1: it is not; every wrong key is named with its value and what is
    allowed.
    """
    from leadkeep.app import check_parts

    try:
        settings = load(ctx)
        asyncio.run(check_parts(settings))
    except SettingsError as error:
        if as_json:
            show_json({"valid": False, "error": str(error), "hint": error.hint})
            ctx.exit(Exit.ERROR)
        tell(error)
        ctx.exit(Exit.ERROR)
    summary = _summary(settings)
    if as_json:
        show_json({"valid": True, **summary})
        return
    click.echo("The configuration is right.")
    for name, values in summary.items():
        for value in values or ["none"]:
            click.echo(f"  {name:<13} {value}")


def _summary(settings: Settings) -> dict[str, Sequence[str]]:
    return {
        "data": [str(settings.data.absolute())],
        "listen": [str(address) for address in settings.intake.listen],
        "journals": [str(place) for place in settings.journal_places],
        "store": [settings.store_name],
        "sources": [
            f"{name}: {', '.join((*source.paths, *map('{} (pings)'.format, source.ping_paths)))}"
            for name, source in settings.sources.items()
        ],
        "destinations": [
            f"{name}: {shown_url(destination.url)}"
            for name, destination in settings.destinations.items()
        ],
    }


@click.group("config", cls=InOrder)
def config() -> None:
    """Show the configuration, and what it may be."""


@config.command("show")
@json_option
@click.pass_context
def show(ctx: click.Context, as_json: bool) -> None:
    """Print every setting, its value and where it came from.

    Secrets are masked. Where a deployment has switched a destination to another address, that is
    told too.
    """
    from leadkeep.settings.describe import shown

    lines = shown(ctx.obj)
    switched = asyncio.run(_switched(ctx.obj))
    if as_json:
        show_json(
            {
                line.key: {"value": line.value, "origin": str(line.origin)}
                | ({"switched_to": switched[line.key]} if line.key in switched else {})
                for line in lines
            }
        )
        return
    show_table(
        (Column("SETTING", whole=True), Column("VALUE"), Column("ORIGIN")),
        (
            (line.key, line.value or "not set", _origin(str(line.origin), switched.get(line.key)))
            for line in lines
        ),
    )


def _origin(origin: str, switched_to: str | None) -> str:
    return origin if switched_to is None else f"{origin}; a deployment switched to {switched_to}"


async def _switched(settings: Settings) -> dict[str, str]:
    """Setting → the address that counts instead, as far as the store can tell."""
    try:
        async with opened(settings) as store:
            views = [] if store is None else await store.destinations()
    except LeadkeepError:
        # The settings are what was asked for; `status` says what is wrong with the store.
        return {}
    return {
        f"destinations.{view.name}.url": view.switched_url for view in views if view.switched_url
    }


@config.command("reference")
@without_settings
def reference() -> None:
    """Print the reference of all settings, in Markdown."""
    from leadkeep.settings.describe import reference as page

    click.echo(page(), nl=False)


@config.command("example")
@without_settings
def example() -> None:
    """Print a file with every setting at its default."""
    from leadkeep.settings.describe import example as file

    click.echo(file(), nl=False)


@click.command("migrate")
@click.option("--dry-run", is_flag=True, help="Say what would run and change nothing.")
@json_option
@click.pass_context
def migrate(ctx: click.Context, dry_run: bool, as_json: bool) -> None:
    """Bring the store's schema up to date.

    If there is no store, one is made. `leadkeep serve` does this by itself when it starts.
    """
    settings: Settings = ctx.obj
    steps = _migrations_left(settings) if dry_run else _migrate(settings)
    names = [f"{step.number:04d} {step.name}" for step in steps]
    if as_json:
        show_json({"dry_run": dry_run, "migrations": names})
        return
    for name in names:
        click.echo(f"{'would apply' if dry_run else 'applied'} {name}")
    if not names:
        click.echo(f"{settings.store_name} is up to date.")


def _migrate(settings: Settings) -> "Sequence[MigrationStatus]":
    from leadkeep.app import migrate_store

    return migrate_store(settings)


def _migrations_left(settings: Settings) -> "Sequence[MigrationStatus]":
    from leadkeep.app import migrations_left

    return migrations_left(settings)
