"""`leadkeep deploy`: replace an application without a lead being tried at it meanwhile."""

import asyncio
import sys
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

import click

from leadkeep.cli.deciding import actor
from leadkeep.cli.deploy_options import BEGIN_OPTIONS, END_OPTIONS, with_options
from leadkeep.cli.deploy_words import COLUMNS, report, row_of, span, still_held
from leadkeep.cli.exits import Exit
from leadkeep.cli.groups import InOrder
from leadkeep.cli.options import json_option
from leadkeep.cli.passing import Signals, run_passing
from leadkeep.cli.render import local_time, say, show_json, show_table, tell
from leadkeep.cli.store import opened
from leadkeep.deployments import Deployment
from leadkeep.errors import LeadkeepError, NotFound, StoreUnavailable, UsageError
from leadkeep.settings.model import Settings
from leadkeep.wording import count

if TYPE_CHECKING:
    from leadkeep.app import Deploying
    from leadkeep.delivery.rollout import Wanted


_GROUP_EPILOG = """\b
A deployment in one command; `deploy run` may be shortened to `deploy`:
  leadkeep deploy --destination brain --health http://127.0.0.1:8000/health -- ./restart

\b
Blue and green:
  leadkeep deploy --destination brain --switch-to http://127.0.0.1:8002/webhook -- ./start-green

\b
In two steps, for CI systems:
  id=$(leadkeep deploy begin --destination brain)
  leadkeep deploy end "$id"            # or, if it has failed: deploy end "$id" --failed
"""
_RUN_EPILOG = """Exit code: that of the command. 3: the command ended with 0, but the application
did not take leads in time, or the deployment was not in force any more. 126, 127: the command
cannot be run. 128 and the number of a signal: stopped by it."""


class _Deploy(InOrder):
    """Takes `deploy --destination …` for `deploy run --destination …`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """The name of a command is the first word, or `run` is meant."""
        if args and args[0].startswith("-") and args[0] not in ctx.help_option_names:
            args = ["run", *args]
        return super().parse_args(ctx, args)


@click.group("deploy", cls=_Deploy, epilog=_GROUP_EPILOG)
def deploy() -> None:
    """Deploy the application behind a destination.

    No lead is tried at it meanwhile: leads are taken as before and wait. Once the application is
    back it gets one lead, the canary; if it confirms that one it gets all others, slowly at first.
    """


@deploy.command("run", epilog=_RUN_EPILOG, context_settings={"allow_interspersed_args": False})
@with_options(BEGIN_OPTIONS)
@with_options(END_OPTIONS)
@json_option
@click.argument("command", nargs=-1, type=click.UNPROCESSED, required=True)
@click.pass_context
def run(ctx: click.Context, /, *, command: tuple[str, ...], as_json: bool, **options: Any) -> None:
    """Hold, run COMMAND, and deliver again once a lead is taken.

    In order: the destination is held; attempts under way end; COMMAND runs, its output and signals
    pass through; the application comes up; the canary is sent; leads are delivered. If the canary
    fails, the destination stays held until `leadkeep resume`; with --switch-to leads go to the old
    address again, if that takes one.

    If COMMAND fails, the version that ran before is believed to run still: leads go there, after
    one has been taken. With --json the output of COMMAND goes to stderr.
    """
    settings: Settings = ctx.obj
    name = _name(settings, options.pop("destination"))
    ctx.exit(_stoppable(lambda signals: _run(settings, name, command, signals, as_json, **options)))


@deploy.command("begin")
@with_options(BEGIN_OPTIONS)
@json_option
@click.pass_context
def begin(
    ctx: click.Context,
    *,
    destination: str | None,
    at_most_seconds: float,
    drain_seconds: float | None,
    note: str,
    as_json: bool,
) -> None:
    """Begin a deployment: hold, and let attempts under way end.

    Prints its id. `leadkeep deploy end` ends it. If nobody does, it is abandoned after --at-most.
    """
    settings: Settings = ctx.obj
    name = _name(settings, destination)

    async def work(_signals: Signals) -> int:
        from leadkeep.app import open_deploying

        async with open_deploying(settings, name, actor=actor(), tell=say) as deploying:
            begun = await _begin(deploying, name, at_most_seconds, drain_seconds, note)
        if as_json:
            show_json(begun)
        else:
            click.echo(begun.deployment_id)
        return Exit.OK

    ctx.exit(_stoppable(work))


@deploy.command("end")
@click.argument("deployment", metavar="[ID]", type=int, required=False)
@click.option("--destination", "-d", metavar="NAME", help="End the one of this destination.")
@click.option("--failed", is_flag=True, help="What was to be deployed has failed.")
@with_options(END_OPTIONS)
@json_option
@click.pass_context
def end(
    ctx: click.Context,
    /,
    *,
    deployment: int | None,
    destination: str | None,
    as_json: bool,
    **options: Any,
) -> None:
    """End a deployment: wait for health, send the canary, deliver again.

    Without ID the one that is under way is meant. Exit code 3: the application did not take leads
    in time, or the deployment was not in force any more.
    """
    settings: Settings = ctx.obj

    async def work(_signals: Signals) -> int:
        from leadkeep.app import open_deploying

        known = await _under_way(settings, deployment, destination)
        wanted = _wanted(settings, known.destination, **options)
        if known.result is not None:
            say(f"Deployment {known.deployment_id} had ended already.")
            return report(known, as_json)
        async with open_deploying(
            settings, known.destination, actor=actor(), tell=say
        ) as deploying:
            try:
                ended = await deploying.rollout.finish(known, wanted)
            except asyncio.CancelledError:
                say(still_held(known))
                raise
        return report(ended, as_json)

    ctx.exit(_stoppable(work))


@deploy.command("list")
@click.option("--destination", "-d", metavar="NAME", help="Only those of this destination.")
@click.option("--limit", type=click.IntRange(1), default=20, show_default=True, help="So many.")
@json_option
@click.pass_context
def list_(ctx: click.Context, *, destination: str | None, limit: int, as_json: bool) -> None:
    """List deployments, newest first, with how each ended."""

    async def found() -> list[Deployment]:
        async with opened(ctx.obj) as store:
            return [] if store is None else await store.deployments(destination, limit=limit)

    deployments = asyncio.run(found())
    if as_json:
        show_json(deployments)
        return
    show_table(COLUMNS, [row_of(one) for one in deployments])


# ---------------------------------------------------------------- what the commands share


def _stoppable(work: Callable[[Signals], Coroutine[Any, Any, int]]) -> int:
    """Run it; a signal ends it in good order, with the code that a shell tells."""

    async def watched() -> int:
        with Signals() as signals:
            try:
                return await work(signals)
            except asyncio.CancelledError:
                if signals.stopped_by is None:
                    raise
                return 128 + signals.stopped_by

    return asyncio.run(watched())


async def _run(
    settings: Settings,
    name: str,
    command: tuple[str, ...],
    signals: Signals,
    as_json: bool,
    *,
    at_most_seconds: float,
    drain_seconds: float | None,
    note: str,
    **options: Any,
) -> int:
    from leadkeep.app import open_deploying

    _wanted(settings, name, **options)  # what is wrong in it is said before anything is held
    async with open_deploying(settings, name, actor=actor(), tell=say) as deploying:
        begun = await _begin(deploying, name, at_most_seconds, drain_seconds, note)
        say(f"Deployment {begun.deployment_id}: the leads of {name} wait.")
        late = asyncio.get_running_loop().call_later(
            at_most_seconds, say, f"Still running after {span(at_most_seconds)}: {_TOO_LATE}"
        )
        code = await run_passing(command, signals, stdout=sys.stderr if as_json else None)
        late.cancel()
        say(f"The command ended with {code}.")
        wanted = _wanted(settings, name, failed=code != 0, exit_code=code, **options)
        try:
            ended = await deploying.rollout.finish(begun, wanted)
        except LeadkeepError as error:
            tell(error)
            say(f"The hold ends by itself at {local_time(begun.term.until_ms)} at the latest.")
            return code or Exit.ERROR
        except asyncio.CancelledError:
            say(still_held(begun))
            raise
    unproved = report(ended, as_json)
    return code or unproved


async def _begin(
    deploying: "Deploying",
    name: str,
    at_most_seconds: float,
    drain_seconds: float | None,
    note: str,
) -> Deployment:
    """Hold and drain; nothing is changed if that cannot be done."""
    within = deploying.drain_seconds if drain_seconds is None else drain_seconds
    rollout = deploying.rollout
    beginning = asyncio.ensure_future(rollout.begin(note=note, at_most_seconds=at_most_seconds))
    try:
        begun = await asyncio.shield(beginning)
    except asyncio.CancelledError:
        # The store may be writing it at this moment: it shall not stand without anybody.
        await rollout.cancel(await beginning, _STOPPED)
        raise
    try:
        left = await rollout.drain(within_seconds=within)
    except BaseException:
        await rollout.cancel(begun, _STOPPED)
        raise
    if left:
        words = f"{count(left, 'attempt')} at {name} did not end within {span(within)}"
        await rollout.cancel(begun, words)
        raise StoreUnavailable(
            f"nothing was deployed: {words}",
            hint="Leads are delivered as before. Try again, or give a longer --drain-timeout.",
        )
    return begun


_TOO_LATE = "leads are not held any more."
_STOPPED = "it was stopped before the command had run"


def _name(settings: Settings, name: str | None) -> str:
    if name is not None:
        return name
    if len(settings.destinations) == 1:
        return next(iter(settings.destinations))
    names = ", ".join(sorted(settings.destinations))
    raise UsageError(
        "which destination is deployed?",
        hint=f"Give --destination with one of: {names}." if names else "None is configured.",
    )


def _wanted(
    settings: Settings,
    name: str,
    *,
    switch_to: str,
    canary_seconds: float | None,
    **options: Any,
) -> "Wanted":
    from leadkeep.app import check_addresses
    from leadkeep.delivery.rollout import Wanted

    check_addresses(settings, name, switch_to=switch_to, health=options["health"])
    return Wanted(switch_to=switch_to, canary_seconds=canary_seconds or 0.0, **options)


async def _under_way(
    settings: Settings, deployment: int | None, destination: str | None
) -> Deployment:
    async with opened(settings) as store:
        if store is None:
            raise NotFound("there is no deployment: there is no store yet")
        if deployment is not None:
            return await store.deployment(deployment)
        found = await store.deployments(destination, under_way=True)
    if len(found) == 1:
        return found[0]
    if not found:
        raise NotFound(
            "no deployment is under way",
            hint="It may have ended by itself: `leadkeep deploy list` tells.",
        )
    ids = ", ".join(f"{one.deployment_id} ({one.destination})" for one in found)
    raise UsageError("which deployment?", hint=f"Under way are: {ids}.")
