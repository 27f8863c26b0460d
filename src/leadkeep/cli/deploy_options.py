"""The options of deployments: those of their beginning, and those of their end."""

from collections.abc import Callable
from typing import Any, TypeVar

import click

from leadkeep.cli.times import Span

BEGIN_OPTIONS = (
    click.option(
        "--destination",
        "-d",
        metavar="NAME",
        help="Whose application is deployed. [default: the only one there is]",
    ),
    click.option(
        "--at-most",
        "at_most_seconds",
        type=Span(),
        default="15m",
        show_default=True,
        metavar="DURATION",
        help="After so long the hold ends by itself, and the deployment is abandoned.",
    ),
    click.option(
        "--drain-timeout",
        "drain_seconds",
        type=Span(),
        metavar="DURATION",
        help="Wait so long for attempts under way. [default: as long as they may take]",
    ),
    click.option("--note", default="", metavar="TEXT", help="What is deployed; kept with it."),
)
END_OPTIONS = (
    click.option(
        "--health",
        default="",
        metavar="URL",
        help="Wait until a GET of it is answered 2xx. [default: breaker.health_url, if leads are "
        "not switched; else until somebody listens]",
    ),
    click.option(
        "--health-timeout",
        "health_seconds",
        type=Span(),
        default="2m",
        show_default=True,
        metavar="DURATION",
        help="Wait so long.",
    ),
    click.option(
        "--switch-to",
        default="",
        metavar="URL",
        help="Deliver to this address from now on, if it takes the first lead.",
    ),
    click.option(
        "--canary-within",
        "canary_seconds",
        type=Span(),
        default=None,
        metavar="DURATION",
        help="If no lead waits to be tried first, wait so long for one. [default: do not]",
    ),
)

Command = TypeVar("Command", bound=Callable[..., Any])


def with_options(options: tuple[Callable[[Any], Any], ...]) -> Callable[[Command], Command]:
    """Give a command these options, in this order."""

    def add(function: Command) -> Command:
        for option in reversed(options):
            function = option(function)
        return function

    return add
