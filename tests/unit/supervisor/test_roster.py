"""The roster's decisions, with time as a number: restarts, replacing, stopping."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leadkeep.supervisor.actions import (
    Abandon,
    Action,
    Adopt,
    Finish,
    Kill,
    Say,
    Start,
    Terminate,
)
from leadkeep.supervisor.roster import Roster, backoff_seconds

DRAINS = {"intake": 10.0, "worker": 25.0}


def roster() -> Roster:
    return Roster(("intake", "worker"), DRAINS, ready_seconds=60)


def serving(now: float = 0.0) -> Roster:
    """Intake is child 1, worker child 2, both ready."""
    made = roster()
    made.begin(now)
    made.became_ready(1, now)
    made.became_ready(2, now)
    return made


def silent(actions: list[Action]) -> list[Action]:
    """Without what is only said."""
    return [action for action in actions if not isinstance(action, Say)]


def test_at_the_beginning_everyone_is_started() -> None:
    assert roster().begin(0) == [Start(1, "intake", 0), Start(2, "worker", 0)]


def test_a_child_that_died_is_started_again_after_its_wait_and_not_before() -> None:
    made = serving()
    assert silent(made.exited(1, "exit code 1", now=5)) == []
    assert made.next_due() == pytest.approx(5.1)
    assert made.due(5.05) == []
    assert made.due(5.1) == [Start(3, "intake", 0)]
    assert made.due(5.2) == []
    assert made.posts["intake"].restarts == 1


def test_waits_double_up_to_half_a_minute() -> None:
    waits = [backoff_seconds(failures) for failures in range(1, 12)]
    assert waits[:4] == [0.1, 0.2, 0.4, 0.8]
    assert (waits[-1], backoff_seconds(10_000)) == (30.0, 30.0)


def test_a_child_that_ran_well_for_a_minute_is_forgiven_its_past() -> None:
    made = serving()
    now = 0.0
    for number in (1, 3, 4):
        made.exited(number, "exit code 1", now)
        due = made.next_due()
        assert due is not None
        now = due
        made.due(now)
    made.exited(5, "exit code 1", now + 60)
    assert made.next_due() == pytest.approx(now + 60.1)


def test_every_death_is_said_with_how_and_when_it_starts_again() -> None:
    said = [action for action in serving().exited(2, "killed by SIGKILL", 7) if action]
    assert said == [
        Say(
            "error",
            "worker died; it is started again",
            {"how": "killed by SIGKILL", "ran_seconds": 7.0, "again_in_seconds": 0.1},
        )
    ]


def test_the_old_ones_leave_only_when_every_new_one_is_ready() -> None:
    made = serving()
    assert made.replace(DRAINS, 10) == [Start(3, "intake", 1), Start(4, "worker", 1)]
    assert silent(made.became_ready(3, 11)) == []
    assert silent(made.became_ready(4, 12)) == [Terminate(1), Terminate(2), Adopt(1)]
    assert silent(made.exited(1, "exit code 0", 13)) == []
    assert (made.generation, made.replacing) == (1, False)


def test_a_new_one_that_dies_takes_the_other_new_one_with_it_and_the_old_ones_stay() -> None:
    made = serving()
    made.replace(DRAINS, 10)
    made.became_ready(3, 11)
    assert silent(made.exited(4, "exit code 1", 12)) == [Terminate(3), Abandon(1)]
    assert (made.generation, made.replacing, made.next_generation) == (0, False, 2)
    serve = [post.serving.number for post in made.posts.values() if post.serving]
    assert serve == [1, 2]


def test_a_new_one_that_is_not_ready_in_time_is_given_up() -> None:
    made = serving()
    made.replace(DRAINS, 10)
    made.became_ready(3, 11)
    assert made.next_due() == 70
    assert silent(made.due(69.9)) == []
    assert silent(made.due(70)) == [Terminate(3), Terminate(4), Abandon(1)]


def test_an_old_one_that_dies_while_new_ones_come_is_started_again() -> None:
    made = serving()
    made.replace(DRAINS, 10)
    made.exited(1, "exit code 1", 11)
    assert made.due(11.1) == [Start(5, "intake", 0)]
    made.became_ready(3, 12)
    assert silent(made.became_ready(4, 12)) == [Terminate(5), Terminate(2), Adopt(1)]


def test_an_old_one_that_waits_for_its_restart_is_not_started_after_the_new_ones_serve() -> None:
    made = serving()
    made.replace(DRAINS, 10)
    made.exited(1, "exit code 1", 11)
    made.became_ready(3, 11.05)
    made.became_ready(4, 11.05)
    assert silent(made.due(12)) == []


def test_the_first_child_of_a_role_may_take_its_time_and_it_is_said_once() -> None:
    made = roster()
    made.begin(0)
    made.became_ready(1, 0)
    assert [type(action) for action in made.due(60)] == [Say]
    assert (made.due(61), made.next_due()) == ([], None)


def test_stopping_asks_the_door_first_and_the_worker_when_the_door_is_gone() -> None:
    made = serving()
    assert silent(made.stop(0)) == [Terminate(1)]
    assert silent(made.exited(1, "exit code 0", 1)) == [Terminate(2)]
    assert silent(made.exited(2, "exit code 0", 2)) == [Finish()]


def test_who_does_not_leave_in_time_is_killed_once() -> None:
    made = serving()
    made.stop(0)
    assert made.next_due() == 10
    assert silent(made.due(10)) == [Kill(1)]
    assert silent(made.due(11)) == []


def test_asked_twice_everyone_is_told_and_has_two_seconds() -> None:
    made = serving()
    made.stop(0)
    assert silent(made.stop(1)) == [Terminate(2)]
    assert made.next_due() == 3


def test_stopping_while_new_ones_come_stops_them_too() -> None:
    made = serving()
    made.replace(DRAINS, 10)
    assert silent(made.stop(11)) == [Terminate(3), Terminate(4), Terminate(1)]
    made.exited(3, "exit code 0", 12)
    made.exited(1, "exit code 0", 12)
    made.exited(4, "exit code 0", 12)
    assert silent(made.exited(2, "exit code 0", 13)) == [Finish()]


def test_a_child_that_waits_for_its_restart_is_not_started_while_stopping() -> None:
    made = serving()
    made.exited(2, "exit code 1", 0)
    made.stop(0.01)
    assert made.due(1) == []
    assert silent(made.exited(1, "exit code 0", 2)) == [Finish()]


EVENTS = st.lists(st.sampled_from(["ready", "exit", "time", "replace", "stop"]), max_size=40)


class World:
    """Does what the roster says, and checks it."""

    def __init__(self) -> None:
        self.roster = roster()
        self.running: dict[int, str] = {}
        self.finished = False

    def do(self, actions: list[Action]) -> None:
        for action in actions:
            match action:
                case Start(number, role, _):
                    assert number not in self.running
                    self.running[number] = role
                case Finish():
                    assert not self.running
                    self.finished = True

    def happen(self, event: str, choose: Random, now: float) -> None:
        made, door = self.roster, self.roster.posts["intake"]
        before = door.serving
        actions: list[Action] = []
        if event == "ready" and self.running:
            actions = made.became_ready(choose.choice(sorted(self.running)), now)
        elif event == "exit" and self.running:
            number = choose.choice(sorted(self.running))
            del self.running[number]
            actions = made.exited(number, "exit code 1", now)
        elif event == "time":
            actions = made.due(now)
        elif event == "replace" and not made.stopping and not made.replacing:
            actions = made.replace(DRAINS, now)
        elif event == "stop" and not self.finished:
            actions = made.stop(now)
        if before and Terminate(before.number) in actions and not made.stopping:
            assert door.serving is not None
            assert door.serving.ready_at is not None
        self.do(actions)


@given(EVENTS, st.randoms(use_true_random=False))
def test_whatever_happens_a_door_is_only_left_for_a_ready_one_and_stopping_ends(
    events: list[str], choose: Random
) -> None:
    world, now = World(), 0.0
    world.do(world.roster.begin(now))
    for event in events:
        now += choose.choice([0.01, 1.0, 61.0])
        world.happen(event, choose, now)
    if not world.roster.stopping:
        world.happen("stop", choose, now)
    while world.running:
        world.happen("exit", choose, now)
    assert world.finished
