"""How an import from another system's queue is shown, before and after."""

from typing import TYPE_CHECKING

import click

from leadkeep.cli.render import Cell, Column, local_time, say, show_table, status_cell
from leadkeep.states import Status
from leadkeep.wording import count

if TYPE_CHECKING:
    from leadkeep.recovery.importing.survey import Group, Survey
    from leadkeep.recovery.importing.taking import Taken

_COLUMNS = (
    Column("SOURCE"),
    Column("GOES AS", spare=True),
    Column("STATUS"),
    Column("BEGINS", whole=True),
    Column("ROWS", right=True, whole=True),
    Column("HERE", right=True, whole=True),
    Column("OLDEST", spare=True),
    Column("NEWEST", spare=True),
)


def show_survey(survey: "Survey") -> None:
    """What is in the queue, and what would become of it."""
    click.echo(f"{survey.queue}: {count(survey.rows, 'row')}")
    if survey.groups:
        show_table(_COLUMNS, map(_cells, survey.groups))
    for status, words in (
        (Status.PENDING, "would be queued for delivery"),
        (Status.FAILED, "would stay failed until somebody retries them"),
        (Status.HELD, "would be held until somebody resumes them"),
        (Status.COMPLETED, "would be kept as completed, and not delivered again"),
    ):
        leads = survey.beginning(status)
        if leads:
            click.echo(f"  {count(leads, 'lead')} {words}")
    if survey.here_already:
        click.echo(f"  {count(survey.here_already, 'lead is', 'leads are')} here already")
    if survey.not_asked_for:
        click.echo(f"  {count(survey.not_asked_for, 'row')} left out as asked")
    for one in survey.unreadable:
        others = ", …" if one.rows > len(one.examples) else ""
        click.echo(
            f"  {count(one.rows, 'row')} cannot be taken: {one.why} "
            f"(id {', '.join(one.examples)}{others})"
        )
    _advise(survey)


def show_taken(taken: "Taken", survey: "Survey") -> None:
    """What was done."""
    click.echo(f"took over {count(taken.taken, 'lead')} of {survey.wanted:,}")
    if taken.gone:
        click.echo(f"  {count(taken.gone, 'row')} had been deleted there meanwhile")
    if taken.unreadable:
        click.echo(f"  {count(taken.unreadable, 'row')} could not be taken, as said above")


def _advise(survey: "Survey") -> None:
    """What a person may want to do before saying yes."""
    if survey.unknown_sources:
        names = ", ".join(name or "(none)" for name in survey.unknown_sources)
        say(f"Not configured here: {names}. What is not completed of them would be held.")
        say(f"--source-map {survey.unknown_sources[0]}=NAME says which source it is, '*=NAME' all.")
    if survey.missing_columns:
        say(f"The table has no {', '.join(survey.missing_columns)}: nothing is known of that.")
    if survey.unreadable:
        say("Mend these rows there, then run it again: what is here is not taken twice.")


def _cells(group: "Group") -> list[str | Cell]:
    return [
        group.source or "(none)",
        group.goes_as or "(none)",
        group.status or "(none)",
        status_cell(group.begins),
        f"{group.rows:,}",
        f"{group.here_already:,}",
        _when(group.oldest_us),
        _when(group.newest_us),
    ]


def _when(at_us: int | None) -> str:
    """The day, in the time zone of this terminal: more would not fit; --json has all of it."""
    return "" if at_us is None else local_time(at_us // 1_000)[:10]
