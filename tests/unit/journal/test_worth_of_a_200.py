"""What a 200 is worth is said as the database says it of itself."""

import pytest

from leadkeep.journal.inbox.worth import worth_of

WELL = (True, True, "on", False, 0, 0, False, False)
"""fsync, full_page_writes, synchronous_commit, waits for standbys, synchronous ones, others, in
recovery, read-only."""


def changed(**columns: object) -> tuple[object, ...]:
    names = ("fsync", "pages", "commits", "waits", "standbys", "others", "recovers", "read_only")
    return tuple(columns.get(name, value) for name, value in zip(names, WELL, strict=True))


def test_a_database_that_is_well_has_no_risks() -> None:
    worth = worth_of(WELL, first=True, falls_back=False)
    assert worth.risks == ()
    assert worth.sentence == "A 200 is on the database's disk alone."


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"fsync": False}, "fsync off"),
        ({"pages": False}, "full_page_writes off"),
        ({"commits": "off"}, "synchronous_commit off"),
        ({"waits": True}, "none is connected"),
        ({"recovers": True}, "can only be read"),
        ({"read_only": True}, "can only be read"),
    ],
)
def test_what_is_set_so_that_leads_can_be_lost_is_said(
    columns: dict[str, object], words: str
) -> None:
    (risk,) = worth_of(changed(**columns), first=True, falls_back=True).risks
    assert words in risk


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"waits": True, "standbys": 1}, "and on that of a synchronous standby"),
        ({"others": 1}, "a failover can lose the latest leads"),
        ({}, "the database's disk alone"),
    ],
)
def test_standbys_count_for_what_they_are(columns: dict[str, object], words: str) -> None:
    worth = worth_of(changed(**columns), first=True, falls_back=False)
    assert words in worth.sentence
    assert worth.risks == ()


def test_a_disk_that_stands_in_is_named() -> None:
    assert "while the database is away" in worth_of(WELL, first=True, falls_back=True).sentence
    assert "until the database has it" in worth_of(WELL, first=False, falls_back=True).sentence
