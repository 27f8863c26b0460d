"""What is said about deployments: a list of them, and how one ended."""

import click

from leadkeep.cli.exits import Exit
from leadkeep.cli.render import Column, local_time, say, show_json
from leadkeep.deployments import Deployment, DeploymentResult
from leadkeep.wording import count, duration

COLUMNS = (
    Column("ID", right=True),
    Column("DESTINATION", whole=True),
    Column("BEGUN", whole=True),
    Column("BY"),
    Column("RESULT", whole=True),
    Column("LASTED", right=True),
    Column("WAITED", right=True),
    Column("LONGEST", right=True),
    Column("NOTE"),
    Column("DETAIL"),
)


def row_of(one: Deployment) -> tuple[str, ...]:
    """One deployment in a table of `COLUMNS`."""
    lasted = "" if one.ended_at_ms is None else _seconds(one.ended_at_ms - one.begun_at_ms)
    return (
        str(one.deployment_id),
        one.destination,
        local_time(one.begun_at_ms),
        one.actor,
        "under way" if one.result is None else one.result.value.replace("_", " "),
        lasted,
        "" if one.waited is None else f"{one.waited:,}",
        "" if one.longest_wait_ms is None else _seconds(one.longest_wait_ms),
        one.note,
        one.detail,
    )


def report(ended: Deployment, as_json: bool) -> int:
    """Say how it ended; returns the code that says so to a script."""
    if as_json:
        show_json(ended)
    else:
        click.echo(_sentence(ended))
    for line in _next(ended):
        say(line)
    good = ended.result in (DeploymentResult.COMPLETED, DeploymentResult.COMMAND_FAILED)
    return Exit.OK if good else Exit.UNHEALTHY


def _sentence(ended: Deployment) -> str:
    waited = ended.waited or 0
    if not waited:
        return f"Deployment {ended.deployment_id}: no lead had to wait."
    longest = _seconds(ended.longest_wait_ms or 0)
    return (
        f"Deployment {ended.deployment_id}: {count(waited, 'lead')} waited, "
        f"the longest for {longest}."
    )


def _next(ended: Deployment) -> list[str]:
    """What became of it, and what a person may have to do."""
    name, because = ended.destination, f": {ended.detail}" if ended.detail else ""
    match ended.result:
        case DeploymentResult.COMPLETED:
            where = f" to {ended.switched_to}" if ended.switched_to else ""
            return [f"Leads are delivered{where}{because}."]
        case DeploymentResult.COMMAND_FAILED:
            return [f"The command failed; leads are delivered to what runs{because}."]
        case DeploymentResult.SWITCHED_BACK:
            return [f"{name} was not switched{because}.", "Leads go to the old address."]
        case DeploymentResult.CANARY_FAILED:
            return [
                f"{name} stays held{because}.",
                f"`leadkeep resume {name}` delivers its leads; another deployment tries again.",
            ]
        case _:
            return [
                f"Deployment {ended.deployment_id} had ended before{because}.",
                "Its leads had not waited until the end; nothing was switched.",
            ]


def still_held(deployment: Deployment) -> str:
    """What a person should know who stops a deployment before its end."""
    until = local_time(deployment.term.until_ms)
    return (
        f"{deployment.destination} stays held until {until} at the latest; "
        f"`leadkeep deploy end {deployment.deployment_id}` goes on."
    )


def span(seconds: float) -> str:
    """`1 s`, `15 min`, `0.5 s`."""
    return duration(seconds) if seconds >= 1 else f"{seconds:g} s"


def _seconds(milliseconds: int) -> str:
    seconds = milliseconds / 1_000
    return f"{seconds:.1f} s" if seconds < 60 else duration(seconds)
