"""`leadkeep import-queue`: what an earlier system's queue still holds, taken over.

Invariant: nothing is taken before the person has seen what would be and said yes (or given --yes).
"""

import asyncio
import signal
from datetime import UTC, tzinfo
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import click

from leadkeep.cli.deciding import confirm
from leadkeep.cli.exits import Exit
from leadkeep.cli.import_shown import show_survey, show_taken
from leadkeep.cli.options import command_line, json_option
from leadkeep.cli.progress import Show, progress_shown
from leadkeep.cli.render import say, show_json
from leadkeep.cli.times import When
from leadkeep.errors import UsageError
from leadkeep.settings.model import Settings
from leadkeep.states import Status
from leadkeep.wording import count

if TYPE_CHECKING:
    from leadkeep.app.importing import Errand
    from leadkeep.recovery.importing.survey import Survey
    from leadkeep.recovery.importing.taking import Taken

_BEGINS = ("pending", "completed", "failed", "held")
_EPILOG = """\b
Look first, then take over what was never delivered:
  export OLD='mysql://reader:secret@db/app'
  leadkeep import-queue --from env:OLD --dry-run
  leadkeep import-queue --from env:OLD --source-map facebook=meta

\b
Only what came this year and failed, all of it to one destination:
  leadkeep import-queue --from env:OLD --status failed --since 2026-01-01 --destination brain
"""


class _Pair(click.ParamType[tuple[str, str]]):
    """A command-line value: `theirs=ours`."""

    name = "pair"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, str]:
        """Split it."""
        if isinstance(value, tuple):
            return value
        left, equals, right = str(value).rpartition("=")
        if not (equals and right.strip()):
            self.fail(f"{value!r} is not of the form A=B.", param, ctx)
        return left.strip(), right.strip()


class _Zone(click.ParamType[tzinfo]):
    """A command-line value: a time zone."""

    name = "zone"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> tzinfo:
        """Look it up."""
        if isinstance(value, tzinfo):
            return value
        if str(value).upper() == "UTC":
            return UTC
        try:
            return ZoneInfo(str(value))
        except (OSError, ValueError, LookupError):
            self.fail(f"{value!r} is no time zone. Say UTC or America/New_York.", param, ctx)


async def _run(settings: Settings, errand: "Errand", total: int, show: Show | None) -> "Taken":
    """Take it over, until that is done or somebody stops it by a signal."""
    from leadkeep.app.importing import import_queue

    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    return await import_queue(settings, errand, total=total, stop=stop, progress=show)


@click.command("import-queue", epilog=_EPILOG)
@click.option(
    "--from",
    "given",
    required=True,
    metavar="URL",
    help="The other system's database: postgresql://, mysql:// (MariaDB, too) or sqlite:///FILE; "
    "or env:NAME, the variable that holds the URL, which then shows in no list of processes.",
)
@click.option(
    "--table", default="lead_queue", show_default=True, metavar="NAME", help="Its table or view."
)
@click.option(
    "--column",
    "columns",
    type=_Pair(),
    multiple=True,
    metavar="OURS=THEIRS",
    help="What a column is called there, if not so: payload=raw_body.",
)
@click.option(
    "--source-map",
    "sources",
    type=_Pair(),
    multiple=True,
    metavar="OLD=NEW",
    help="Which source here a source there is; '*=NEW': every other one.",
)
@click.option(
    "--status-map",
    "statuses",
    type=_Pair(),
    multiple=True,
    metavar="OLD=NEW",
    help="What a status there means: pending, completed, failed or held.",
)
@click.option(
    "--destination", default="", metavar="NAME", help="All go there, whatever their sources say."
)
@click.option(
    "--status",
    "only",
    multiple=True,
    metavar="OLD",
    help="Only rows in this status, as it is called there; may be given several times.",
)
@click.option("--since", type=When(), metavar="TIME", help="Only rows created then or later.")
@click.option("--before", type=When(), metavar="TIME", help="Only rows created before then.")
@click.option(
    "--timezone",
    "zone",
    type=_Zone(),
    default="UTC",
    show_default=True,
    metavar="NAME",
    help="Of times that are written there without a zone.",
)
@click.option("--dry-run", is_flag=True, help="Show what would be taken and change nothing.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
@click.pass_context
def import_queue(
    ctx: click.Context,
    *,
    given: str,
    table: str,
    columns: tuple[tuple[str, str], ...],
    sources: tuple[tuple[str, str], ...],
    statuses: tuple[tuple[str, str], ...],
    destination: str,
    only: tuple[str, ...],
    since: int | None,
    before: int | None,
    zone: tzinfo,
    dry_run: bool,
    yes: bool,
    as_json: bool,
) -> None:
    """Take over the queue of an earlier system.

    It is a table with the columns id, payload, source, status, created_at and, if there are,
    attempts, error_message, processed_at, lead_name and phone. Each row becomes a lead with its
    payload byte for byte, its time and its tries. `pending` and `processing` are queued, `failed`
    stays failed until somebody retries it, `completed` is kept and not delivered again, and any
    other status is held. The table is only read.

    First it shows what would be done, and asks. Stopped at any point, the same command goes on;
    no row is ever taken twice. Exit code 3: there are rows that cannot be read.
    """
    from leadkeep.app.importing import Errand, check_wishes, queue_address, survey_queue
    from leadkeep.recovery.importing.reading import Wishes

    settings: Settings = ctx.obj
    address = queue_address(given)
    if address.has_open_password:
        say("The password in --from can be seen in lists of processes; env:NAME hides it.")
    wishes = Wishes(
        sources=dict(sources),
        statuses={_known(old): _begins(new) for old, new in statuses},
        destination=destination,
        only_statuses=frozenset(map(_known, only)),
        since_us=None if since is None else since * 1_000,
        before_us=None if before is None else before * 1_000,
        zone=zone,
        max_body_bytes=settings.intake.max_body_bytes,
    )
    check_wishes(settings, wishes)
    errand = Errand(address, table, dict(columns), wishes)
    with progress_shown("Reading", counted=True, rate=True) as show:
        survey = asyncio.run(survey_queue(settings, errand, show))
    if not as_json:
        show_survey(survey)
    taken = None
    if survey.wanted and not dry_run:
        if not yes:
            _ask(survey)
        with progress_shown("Importing", counted=True, rate=True) as show:
            taken = asyncio.run(_run(settings, errand, survey.wanted, show))
    _tell(ctx, survey, taken, dry_run=dry_run, as_json=as_json)


def _ask(survey: "Survey") -> None:
    queued = survey.beginning(Status.PENDING)
    question = "Take over {what}?"
    if queued:
        them = count(queued, "of them is", "of them are")
        question += f" {them} delivered from here then: first stop what delivers there."
    confirm("import-queue", count(survey.wanted, "lead"), question)


def _tell(
    ctx: click.Context,
    survey: "Survey",
    taken: "Taken | None",
    *,
    dry_run: bool,
    as_json: bool,
) -> None:
    if as_json:
        show_json({"dry_run": dry_run, "survey": survey, "taken": taken})
    elif taken is not None:
        show_taken(taken, survey)
    elif dry_run:
        click.echo(f"{count(survey.wanted, 'lead')} would be taken over")
    else:
        click.echo("there is nothing to take over")
    if taken is not None and taken.stopped:
        say("Stopped. Run the same command again: it goes on where it was.")
        ctx.exit(Exit.ERROR)
    if taken is not None and not as_json and survey.beginning(Status.PENDING):
        say(f"A running `serve` delivers them; without one: {command_line(ctx, 'process-queue')}")
    unreadable = taken.unreadable if taken is not None else survey.unreadable_rows
    ctx.exit(Exit.UNHEALTHY if unreadable else Exit.OK)


def _known(status: str) -> str:
    return status.strip().lower()


def _begins(status: str) -> Status:
    if _known(status) not in _BEGINS:
        raise UsageError(
            f"no lead can begin as {status!r}", hint=f"--status-map OLD={'|'.join(_BEGINS)}"
        )
    return Status(_known(status))
