"""What `leadkeep status` says for each state of the queue."""

from typing import Any

import msgspec
import pytest

from leadkeep.cli.health import Found, Processes, Waiting, judge
from leadkeep.models import DestinationView
from leadkeep.states import Status

NOW = 1_786_800_000_000
MINUTE = 60_000
NONE = dict.fromkeys(Status, 0)


def command(*words: str) -> str:
    return " ".join(("leadkeep", *words))


def found(**changes: Any) -> Found:
    calm = Found(
        now_ms=NOW,
        counts=NONE,
        destinations=(),
        configured=("brain",),
        journal=Waiting(leads=0, bytes=0, oldest_at_ms=None),
        processes=Processes(running=True, pid=1),
    )
    return msgspec.structs.replace(calm, **changes)


def waiting(number: int, minutes: float, *, name: str = "brain", held: bool = False) -> Any:
    view = DestinationView(
        name=name,
        held=held,
        hold_reason="",
        counts={**NONE, Status.PENDING: number},
        oldest_waiting_at_ms=NOW - int(minutes * MINUTE),
    )
    return {"counts": {**NONE, Status.PENDING: number}, "destinations": (view,)}


@pytest.mark.parametrize(
    ("state", "sentence"),
    [
        ({}, "No leads yet."),
        (
            {"counts": {**NONE, Status.COMPLETED: 900}, "today": {Status.COMPLETED: 412}},
            "All 412 leads today are delivered.",
        ),
        (
            {"counts": {**NONE, Status.COMPLETED: 900}, "today": {}},
            "All leads are delivered; none came today.",
        ),
        (
            {
                "counts": {**NONE, Status.COMPLETED: 1, Status.CANCELLED: 2},
                "today": {Status.COMPLETED: 1, Status.CANCELLED: 2},
            },
            "Today 1 delivered and 2 cancelled; none waits.",
        ),
        (waiting(7, 4), "7 leads are waiting, the oldest for 4 min."),
        (waiting(1, 4), "1 lead is waiting, the oldest for 4 min."),
        (
            {"counts": {**NONE, Status.FAILED: 2}},
            "2 leads have failed and will not be tried again.",
        ),
        ({"counts": {**NONE, Status.HELD: 3}}, "3 leads are held; no other waits."),
        (
            {"journal": Waiting(leads=5, bytes=2_000, oldest_at_ms=NOW - 2 * MINUTE)},
            "5 leads are waiting, the oldest for 2 min.",
        ),
        (
            {"store_error": "not a database"},
            "The store cannot be read: nothing is known about deliveries.",
        ),
    ],
)
def test_the_first_sentence_tells_the_state(state: dict[str, Any], sentence: str) -> None:
    assert judge(found(**state), command).sentence == sentence


@pytest.mark.parametrize(
    "state",
    [
        {},
        waiting(7, 4),
        waiting(7, 400, held=True),
        {"counts": {**NONE, Status.HELD: 3}},
        {"processes": Processes(running=False)},
    ],
)
def test_what_needs_nobody_is_safe(state: dict[str, Any]) -> None:
    health = judge(found(**state), command)
    assert health.safe, health.reasons


@pytest.mark.parametrize(
    ("state", "reason", "next_command"),
    [
        (
            {"counts": {**NONE, Status.FAILED: 1}},
            "failed for good",
            "leadkeep leads list --status failed",
        ),
        (
            waiting(7, 16),
            "brain has not confirmed its oldest lead for 16 min",
            "leadkeep leads list --destination brain --status pending",
        ),
        (
            {**waiting(7, 16, name="gone"), "processes": Processes(running=False)},
            "gone is not in the configuration",
            "leadkeep config show",
        ),
        (
            {**waiting(7, 16, name=""), "configured": ()},
            "no destination is configured",
            "leadkeep config show",
        ),
        (
            {**waiting(7, 16), "configured": ()},
            "brain has not confirmed",
            "leadkeep leads list --destination brain --status pending",
        ),
        (waiting(7, 16, name=""), "while no destination", "leadkeep process-queue"),
        (
            {**waiting(7, 1), "processes": Processes(running=False)},
            "no `leadkeep serve` runs here",
            "leadkeep serve",
        ),
        (
            {"processes": Processes(running=True, pid=1, dead=("intake (killed by 9)",))},
            "intake (killed by 9)",
            "leadkeep check",
        ),
        ({"store_error": "not a database"}, "not a database", "leadkeep check"),
        (
            {"journal": None, "journal_error": "no permission"},
            "no permission",
            "leadkeep check",
        ),
        (
            {"journal": Waiting(leads=5, bytes=9, oldest_at_ms=NOW - 16 * MINUTE)},
            "5 accepted leads not yet taken into the store",
            "leadkeep process-queue",
        ),
        (
            {"damage": ("segment x",)},
            "segment x",
            "leadkeep journal verify",
        ),
    ],
)
def test_each_danger_is_named_with_the_next_command(
    state: dict[str, Any], reason: str, next_command: str
) -> None:
    health = judge(found(**state), command)
    assert not health.safe
    assert [why.command for why in health.reasons if reason in why.what] == [next_command]


def homeless(**counts: int) -> DestinationView:
    return DestinationView(
        name="",
        held=False,
        hold_reason="",
        counts={Status(status): number for status, number in counts.items()},
        oldest_waiting_at_ms=NOW,
    )


def test_quarantined_leads_are_safe_and_still_need_a_person() -> None:
    health = judge(found(destinations=(homeless(held=3),)), command)
    assert health.safe
    (wish,) = health.wishes
    assert wish.what == "3 leads are held because no source claims the path"
    assert wish.command == "leadkeep leads release --help"


def test_leads_without_any_destination_ask_where_they_shall_go() -> None:
    health = judge(found(destinations=(homeless(pending=1),), configured=()), command)
    assert [wish.command for wish in health.wishes] == ["leadkeep serve --forward-to URL"]


def test_nothing_is_asked_of_anybody_when_all_leads_have_a_destination() -> None:
    assert judge(found(), command).wishes == ()


def test_leads_that_wait_at_a_held_destination_are_safe_and_need_a_person_in_the_end() -> None:
    health = judge(found(**waiting(3, 20, held=True)), command)
    assert health.safe
    assert [(wish.what, wish.command) for wish in health.wishes] == [
        ("3 leads wait until you resume brain", "leadkeep resume brain")
    ]
    assert judge(found(**waiting(3, 5, held=True)), command).wishes == ()


def test_a_hold_that_ends_by_itself_needs_nobody() -> None:
    state = waiting(3, 20, held=True)
    (view,) = state["destinations"]
    timed = msgspec.structs.replace(view, hold_until_ms=NOW + MINUTE)
    assert judge(found(**{**state, "destinations": (timed,)}), command).wishes == ()
