"""What is worth telling a person, and what is not."""

from typing import Any

import pytest

from leadkeep.alerts.rules import RULE_KINDS, judge, unseen
from leadkeep.alerts.signs import DamageSign, DoorSign, JournalSign
from leadkeep.disks.survey import JournalRoom, Rooms
from leadkeep.models import AtStake, Circuit, Refused
from leadkeep.states import CircuitState, Status
from tests.unit.alerts.problems import LIMITS, MINUTE, NONE, NOW, room, signs, view

OPEN = Circuit(CircuitState.OPEN, opened_at_ms=NOW - 5 * MINUTE, reason="connect")
AWAY = JournalSign("/data/journal", in_use=False, last_error="no space left on device")
USED = JournalSign("/spare/journal", in_use=True)
FULL = JournalRoom("/data/journal", free_bytes=0, left_free_bytes=1)
ROOMY = JournalRoom("/spare/journal", free_bytes=10**12, left_free_bytes=1)
LATE = {**NONE, Status.PENDING: 7}


def test_nothing_is_told_where_all_is_well() -> None:
    assert judge(signs(), LIMITS) == []


WRONG: list[tuple[str, dict[str, Any], str, bool, str]] = [
    (
        "leads are refused",
        {"refused": (Refused("crm", 3, NOW - MINUTE, "http_422"),)},
        "refused",
        True,
        "crm refuses 3 leads",
    ),
    ("a destination is down", {"circuits": {"crm": OPEN}}, "down", True, "crm does not work"),
    (
        "a lead is late",
        {"destinations": (view(counts=LATE, oldest_waiting_at_ms=NOW - 16 * MINUTE),)},
        "late",
        True,
        "leads are not delivered to crm; 7 leads wait",
    ),
    (
        "leads came and nothing takes them",
        {"destinations": (view(name="", counts=LATE, oldest_waiting_at_ms=NOW - 16 * MINUTE),)},
        "late",
        True,
        "no destination takes them",
    ),
    (
        "somebody forgot a hold",
        {"destinations": (view(held=True, counts=LATE, oldest_waiting_at_ms=NOW - 16 * MINUTE),)},
        "paused",
        False,
        "until somebody resumes crm",
    ),
    (
        "deliveries failed",
        {"destinations": (view(counts={**NONE, Status.FAILED: 1}),)},
        "failed",
        True,
        "1 delivery to crm failed for good",
    ),
    (
        "leads are held",
        {"destinations": (view(name="", counts={**NONE, Status.HELD: 2}),)},
        "held",
        False,
        "2 leads are held",
    ),
    (
        "a certificate runs out",
        {"certificates": AtStake(4, NOW + 90 * MINUTE)},
        "certificate",
        True,
        "certificates of consent run out while 4 leads wait",
    ),
    ("the disk is nearly full", {"rooms": room(1024)}, "storage", True, "/data is nearly full"),
    (
        "a journal's disk is full",
        {"rooms": Rooms(journals=(FULL, ROOMY))},
        "storage",
        True,
        "/data/journal is nearly full",
    ),
    (
        "a journal is passed over",
        {"door": DoorSign(journals=(AWAY, USED))},
        "journal",
        False,
        "leads go to another",
    ),
    (
        "no journal is left",
        {"door": DoorSign(journals=(AWAY,))},
        "journal",
        True,
        "leads are answered 503",
    ),
    (
        "the door is silent",
        {"door": DoorSign(silent_for_ms=MINUTE + 1)},
        "door",
        True,
        "the door does not answer",
    ),
    (
        "the journal is damaged",
        {"damage": (DamageSign("1a", "/data/journal/1a.segment"),)},
        "damage",
        True,
        "cannot be read",
    ),
    (
        "the database does not sync",
        {"undurable": "fsync is off: a power cut loses leads"},
        "durability",
        True,
        "not set to keep",
    ),
]


@pytest.mark.parametrize(
    ("changes", "kind", "urgent", "words"),
    [case[1:] for case in WRONG],
    ids=[case[0] for case in WRONG],
)
def test_what_is_wrong_is_told_in_plain_words(
    changes: dict[str, Any], kind: str, urgent: bool, words: str
) -> None:
    (found,) = judge(signs(**changes), LIMITS)
    assert (found.kind, found.urgent) == (kind, urgent)
    assert words in found.what
    assert found.safe
    assert found.command


def test_every_kind_is_tried_here() -> None:
    assert {case[2] for case in WRONG} == set(RULE_KINDS)


@pytest.mark.parametrize(
    "changes",
    [
        {"circuits": {"crm": Circuit(CircuitState.OPEN, opened_at_ms=NOW - 5 * MINUTE + 1)}},
        {"circuits": {"crm": Circuit(CircuitState.RAMPING, opened_at_ms=NOW - 60 * MINUTE)}},
        {"destinations": (view(counts=LATE, oldest_waiting_at_ms=NOW - 15 * MINUTE),)},
        {
            "destinations": (
                view(
                    held=True,
                    hold_until_ms=NOW + MINUTE,
                    counts=LATE,
                    oldest_waiting_at_ms=NOW - 16 * MINUTE,
                ),
            )
        },
        {"door": DoorSign(silent_for_ms=MINUTE)},
        {"door": None},
    ],
    ids=["not yet down", "ramping", "not yet late", "held for a term", "door busy", "no door"],
)
def test_what_mends_itself_is_not_told(changes: dict[str, Any]) -> None:
    assert judge(signs(**changes), LIMITS) == []


def test_a_destination_that_is_down_is_not_told_as_late_besides() -> None:
    late = view(counts=LATE, oldest_waiting_at_ms=NOW - 60 * MINUTE)
    found = judge(signs(destinations=(late,), circuits={"crm": OPEN}), LIMITS)
    assert [one.kind for one in found] == ["down"]
    assert "7 leads wait" in found[0].what


def test_what_is_urgent_comes_first() -> None:
    held = view(name="", counts={**NONE, Status.HELD: 2})
    failed = view(counts={**NONE, Status.FAILED: 1})
    found = judge(signs(destinations=(held, failed), door=DoorSign(journals=(AWAY, USED))), LIMITS)
    assert [one.urgent for one in found] == [True, False, False]


def test_what_could_not_be_looked_at_is_said_to_be_unseen() -> None:
    assert unseen(signs()) == frozenset()
    assert unseen(signs(door=None)) == {"journal"}
    assert unseen(signs(door=DoorSign(silent_for_ms=1))) == {"journal"}
    assert unseen(signs(rooms=Rooms(unseen=("/data: Input/output error",)))) == {"storage"}


def test_of_several_machines_it_is_said_on_which_one() -> None:
    both = [
        judge(signs(rooms=room(1024), door=DoorSign(journals=(AWAY, USED)), node=node), LIMITS)
        for node in ("east", "west")
    ]
    keys = [problem.key for found in both for problem in found]
    assert len(set(keys)) == len(keys) == 4
    assert {problem.what for problem in both[0]} == {
        "the disk of /data on east is nearly full",
        "the journal /data/journal on east cannot be written: leads go to another",
    }
