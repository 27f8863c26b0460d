"""Which deliveries a person means: references and filters, the same for every command."""

import functools
from collections.abc import Callable
from typing import Any, TypeVar

import click

from leadkeep.cli.times import Span, When
from leadkeep.clock import SystemClock
from leadkeep.models import Selection
from leadkeep.states import Status

AnyFunction = TypeVar("AnyFunction", bound=Callable[..., Any])

_FILTERS: tuple[Callable[[AnyFunction], AnyFunction], ...] = (
    click.option(
        "--status",
        "statuses",
        multiple=True,
        type=click.Choice([status.value for status in Status]),
        help="Only deliveries in this status; may be given several times.",
    ),
    click.option(
        "--source",
        "sources",
        multiple=True,
        metavar="NAME",
        help="Only leads of this source; may be given several times.",
    ),
    click.option(
        "--destination",
        "destinations",
        multiple=True,
        metavar="NAME",
        help="Only deliveries to this destination; may be given several times.",
    ),
    click.option(
        "--since",
        type=When(),
        metavar="TIME",
        help="Only leads received from then on: 2d, 4h, yesterday, 2026-08-15, …",
    ),
    click.option("--before", type=When(), metavar="TIME", help="Only leads received before then."),
    click.option(
        "--held-because",
        default="",
        metavar="TEXT",
        help="Only deliveries that are held for a reason with TEXT in it.",
    ),
    click.option(
        "--certificate-within",
        "certificate_within",
        type=Span(),
        metavar="DURATION",
        help="Only leads whose certificate of consent can no longer be claimed then: 12h, 2d, …",
    ),
)


def selection_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the filters to a command, which gets them as one `selection`, without references."""

    @functools.wraps(function)
    def with_selection(
        *args: object,
        statuses: tuple[str, ...],
        sources: tuple[str, ...],
        destinations: tuple[str, ...],
        since: int | None,
        before: int | None,
        held_because: str,
        certificate_within: float | None,
        **kwargs: object,
    ) -> object:
        selection = Selection(
            statuses=tuple(Status(status) for status in statuses),
            sources=sources,
            destinations=destinations,
            received_from_ms=since,
            received_before_ms=before,
            held_because=held_because,
            certificate_before_ms=_from_now_ms(certificate_within),
        )
        return function(*args, selection=selection, **kwargs)

    wrapped: Callable[..., Any] = with_selection
    for add in reversed(_FILTERS):
        wrapped = add(wrapped)
    return wrapped


def _from_now_ms(seconds: float | None) -> int | None:
    if seconds is None:
        return None
    return SystemClock().now_us() // 1_000 + round(seconds * 1_000)
