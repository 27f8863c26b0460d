"""`leadkeep journal list|cat|verify`: looking into journals and archive, changing nothing."""

import asyncio
import base64
import sys
from collections.abc import Iterator
from uuid import UUID

import click
import msgspec

from leadkeep.cli.exits import Exit
from leadkeep.cli.groups import InOrder
from leadkeep.cli.options import json_option
from leadkeep.cli.render import (
    Cell,
    Column,
    as_json,
    console,
    local_time,
    say,
    show_json,
    show_json_rows,
    show_table,
)
from leadkeep.cli.store import opened
from leadkeep.clock import rfc3339
from leadkeep.errors import JournalError, LeadkeepError, NotFound, UsageError
from leadkeep.journal.archive import Archive
from leadkeep.journal.base import Damage, Group, SegmentState, TornTail
from leadkeep.journal.identity import text as id_text
from leadkeep.journal.survey import Place, Survey
from leadkeep.journal.verify import Verdict, verified
from leadkeep.models import Record, SegmentProgress
from leadkeep.settings.model import Settings
from leadkeep.wording import count

_COLUMNS = (
    Column("SEGMENT", whole=True),
    Column("JOURNAL"),
    Column("STATE", whole=True),
    Column("MADE", whole=True),
    Column("BYTES", right=True),
    Column("RECORDS", right=True),
    Column("ABSORBED", whole=True),
)
_STYLES = {SegmentState.POISONED.value: "bold red", SegmentState.DEAD.value: "yellow"}


class _Row(msgspec.Struct, frozen=True):
    """One segment, as listed."""

    segment: UUID
    path: str
    journal: str
    state: str
    created_at: str
    created_at_ms: int
    bytes: int
    records: int
    unacknowledged_records: int
    damaged_places: int
    absorbed_to: int | None
    """None: the store cannot be read."""
    absorbed: bool | None


@click.group("journal", cls=InOrder)
def journal() -> None:
    """Look into the journals and the archive. Nothing here changes anything."""


@journal.command("list")
@click.option("--all", "all_", is_flag=True, help="Archived segments too.")
@json_option
@click.pass_context
def list_(ctx: click.Context, *, all_: bool, as_json: bool) -> None:
    """List segments, oldest first, with what is in them."""
    settings: Settings = ctx.obj
    survey = _survey(settings)
    progress, store_error = asyncio.run(_progress(settings))
    if progress is None:
        say(f"The store cannot be read, so what is absorbed is not known: {store_error}")
    rows = (_row(survey, place, progress) for place in survey.places(archive=all_))
    if as_json:
        show_json_rows(rows)
    else:
        show_table(_COLUMNS, map(_cells, rows))


@journal.command("cat")
@click.option("--segment", type=click.UUID, metavar="UUID", help="Only this segment.")
@click.option("--lead", metavar="REF", help="Only this lead: its id or 13-digit number.")
@click.option(
    "--body",
    type=click.Choice(["base64", "text", "none"]),
    default="base64",
    show_default=True,
    help="How to print bodies; text only where they are UTF-8.",
)
@click.option("--json", "_json", is_flag=True, help="JSON lines; they always are.")
@click.pass_context
def cat(
    ctx: click.Context, *, segment: UUID | None, lead: str | None, body: str, _json: bool
) -> None:
    """Print records as JSON lines, exactly as they came.

    That is personal data, with any secret in it. Headers and target are text in which each
    character stands for one byte (Latin-1). Exit code 3 if a segment could not be read.
    """
    survey = _survey(ctx.obj)
    wanted = _lead_filter(lead)
    segment_seen = lead_seen = unreadable = False
    for place in survey.places(archive=True):
        if segment not in {None, place.info.segment}:
            continue
        segment_seen = True
        try:
            for group, record in _records(survey, place):
                if wanted in {None, record.lead_id, record.lead_number}:
                    lead_seen = True
                    line = _record_line(place, group, record, body)
                    sys.stdout.write(as_json(line) + "\n")
        except JournalError as error:
            unreadable = True
            say(f"{place.info.path}: {error}")
    if unreadable:
        ctx.exit(Exit.UNHEALTHY)
    if segment is not None and not segment_seen:
        raise NotFound(f"there is no segment {segment}")
    if lead is not None and not lead_seen:
        raise NotFound(f"no journal and no archived segment holds the lead {lead}")


@journal.command("verify")
@json_option
@click.pass_context
def verify(ctx: click.Context, *, as_json: bool) -> None:
    """Read everything, the archive too, and check each byte.

    Exit code 3 if something that was acknowledged cannot be read. A write cut short by a crash is
    no damage: nobody was told that it had arrived.
    """
    verdict = verified(_survey(ctx.obj))
    if as_json:
        show_json(verdict)
    else:
        _tell(verdict)
    if not verdict.ok:
        ctx.exit(Exit.UNHEALTHY)


def _survey(settings: Settings) -> Survey:
    from leadkeep.app import journal_readers

    return Survey(journal_readers(settings), Archive(settings.archive_folder))


def _tell(verdict: Verdict) -> None:
    target = console()
    for problem in verdict.damage:
        place = "" if problem.offset is None else f" from {problem.offset} to {problem.end}"
        target.print(f"DAMAGED {problem.path}{place}: {problem.reason}", soft_wrap=True)
    for cut in verdict.torn_tails:
        target.print(
            f"cut short {cut.path} at {cut.offset}: the last write of a process that died, "
            "acknowledged to nobody",
            soft_wrap=True,
        )
    words = (
        "All of it can be read."
        if verdict.ok
        else f"{count(len(verdict.damage), 'place is', 'places are')} damaged."
    )
    target.print(
        f"{count(verdict.segments, 'segment')}, {count(verdict.groups, 'group')}, "
        f"{count(verdict.records, 'record')}. {words}",
        soft_wrap=True,
    )


def _records(survey: Survey, place: Place) -> Iterator[tuple[Group, Record]]:
    """A segment's records; what cannot be read is said on stderr."""
    for entry in survey.entries(place):
        if isinstance(entry, Group):
            for record in entry.records:
                yield entry, record
        else:
            say(f"{place.info.path}: {_in_words(entry)}")


async def _progress(settings: Settings) -> tuple[dict[UUID, SegmentProgress] | None, str]:
    """How far the store has each segment; None and why, if it cannot be read."""
    try:
        async with opened(settings) as store:
            return ({} if store is None else await store.progress()), ""
    except LeadkeepError as error:
        return None, str(error)


def _row(survey: Survey, place: Place, progress: dict[UUID, SegmentProgress] | None) -> _Row:
    info, content = place.info, survey.content(place)
    known = progress.get(info.segment) if progress is not None else None
    absorbed_to = known.offset if known is not None else 0
    return _Row(
        segment=info.segment,
        path=str(info.path),
        journal=info.journal,
        state="archived" if place.archived else info.state.value,
        created_at=rfc3339(info.created_at_us),
        created_at_ms=info.created_at_us // 1_000,
        bytes=content.end,
        records=content.records,
        unacknowledged_records=content.unacknowledged,
        damaged_places=len(content.damage) + bool(content.error),
        absorbed_to=None if progress is None else absorbed_to,
        absorbed=None if progress is None else absorbed_to >= content.end,
    )


def _cells(row: _Row) -> tuple[str | Cell, ...]:
    damage = f", {count(row.damaged_places, 'place')} damaged" if row.damaged_places else ""
    style = "bold red" if row.damaged_places else _STYLES.get(row.state, "")
    absorbed = "not known" if row.absorbed is None else f"to {row.absorbed_to:,}"
    return (
        str(row.segment),
        row.journal,
        Cell(row.state + damage, style),
        local_time(row.created_at_ms),
        f"{row.bytes:,}",
        f"{row.records:,}",
        "yes" if row.absorbed else absorbed,
    )


def _lead_filter(ref: str | None) -> bytes | int | None:
    """A lead's id as bytes, or its number."""
    if ref is None:
        return None
    if len(ref) == 13 and ref.isascii() and ref.isdecimal():
        return int(ref)
    try:
        return UUID(ref).bytes
    except ValueError:
        raise UsageError(
            f"{ref!r} names no lead", hint="Give its id (36 characters) or its 13-digit number."
        ) from None


def _record_line(place: Place, group: Group, record: Record, body: str) -> dict[str, object]:
    line: dict[str, object] = {
        "segment": str(place.info.segment),
        "offset": group.offset,
        "acknowledged": group.acknowledged,
        "kind": record.kind.name.lower(),
        "lead_id": id_text(record.lead_id),
        "lead_number": record.lead_number,
        "received_at": rfc3339(record.received_at_us),
        "received_at_us": record.received_at_us,
        "flags": int(record.flags),
        "source": record.source,
        "peer": record.peer,
        "method": record.method,
        "target": record.target.decode("latin-1"),
        "headers": record.headers.decode("latin-1"),
        "answer_status": record.answer_status,
        "detail": record.detail,
        "body_bytes": len(record.body),
    }
    if body == "text":
        try:
            return {**line, "body": record.body.decode("utf-8"), "body_encoding": "text"}
        except UnicodeDecodeError:
            body = "base64"
    if body == "base64":
        line["body"] = base64.b64encode(record.body).decode("ascii")
        line["body_encoding"] = "base64"
    return line


def _in_words(entry: Damage | TornTail) -> str:
    if isinstance(entry, Damage):
        return f"damaged from {entry.offset} to {entry.end}: {entry.reason}"
    return f"cut short at {entry.offset}"
