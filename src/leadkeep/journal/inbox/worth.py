"""What a committed lead is worth, by what the database says of itself: pure, and in plain words."""

from typing import Any, NamedTuple


class Worth(NamedTuple):
    """What a 200 is worth."""

    sentence: str
    risks: tuple[str, ...]
    """Why leads, or what is known of them, can be lost; empty: nothing is set so."""


def worth_of(row: tuple[Any, ...], *, first: bool, falls_back: bool) -> Worth:
    """The worth of a 200.

    Args:
        row: what the statement `what_a_commit_is_worth` returns.
        first: leads become durable in the database, and only otherwise on a disk.
        falls_back: there is a journal on a disk as well.
    """
    syncs, pages, commits, waits, standbys, followers, recovers, read_only = row
    return Worth(
        _sentence(first, falls_back, waits and standbys, followers),
        tuple(_risks(syncs, pages, commits, waits, standbys, recovers or read_only)),
    )


def _sentence(first: bool, falls_back: bool, standbys: int, followers: int) -> str:
    if not first:
        return "A 200 is on the disk of its door's journal, until the database has it as well."
    if standbys:
        where = "the database's disk and on that of a synchronous standby"
    elif followers:
        where = (
            "the database's disk; its standby follows a moment later, so that a failover can lose "
            "the latest leads"
        )
    else:
        where = "the database's disk alone"
    rest = "; while the database is away, on that of its door's journal" if falls_back else ""
    return f"A 200 is on {where}{rest}."


def _risks(  # noqa: PLR0917 - one for each setting
    syncs: bool, pages: bool, commits: str, waits: bool, standbys: int, closed: bool
) -> list[str]:
    risks = []
    if not syncs:
        risks.append("the database has fsync off: a power cut can lose every lead in it")
    if not pages:
        risks.append("the database has full_page_writes off: a power cut can damage it")
    if commits == "off":
        risks.append(
            "the database has synchronous_commit off: what became of the latest leads can be lost, "
            "and they are delivered again"
        )
    if waits and not standbys:
        risks.append("the database waits for a synchronous standby, and none is connected")
    if closed:
        risks.append("the database can only be read: it is a standby, or set so")
    return risks
