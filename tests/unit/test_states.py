"""The graph of statuses says what a person may rely on."""

import itertools

import pytest

from leadkeep.states import GRAPH, SETTLED, Status, Verb, allowed_moves, way


def test_every_verb_is_in_the_graph() -> None:
    assert set(GRAPH) == set(Verb)


def test_a_delivery_can_leave_every_status_but_completed() -> None:
    left = {before for before, _ in allowed_moves()}
    assert left == set(Status) - {Status.COMPLETED}


def test_every_status_but_pending_is_reached_and_pending_is_where_it_begins() -> None:
    assert {after for _, after in allowed_moves()} == set(Status)


def test_only_completed_and_cancelled_let_a_lead_leave_the_archive() -> None:
    assert frozenset({Status.COMPLETED, Status.CANCELLED}) == SETTLED


def test_a_failed_delivery_is_never_left_by_the_machine_without_a_success() -> None:
    machine = {Verb.CLAIM, Verb.RETRY_LATER, Verb.GIVE_UP, Verb.RELEASE, Verb.RESCUE}
    assert all(Status.FAILED not in GRAPH[verb] for verb in machine)


@pytest.mark.parametrize("before", list(Status))
@pytest.mark.parametrize("after", list(Status))
def test_a_way_is_made_of_allowed_moves_and_only_completed_has_none(
    before: Status, after: Status
) -> None:
    if before is Status.COMPLETED and after is not before:
        with pytest.raises(ValueError, match="no way"):
            way(before, after)
        return
    stations = [before, *way(before, after)]
    assert stations[-1] is after
    assert all(move in allowed_moves() for move in itertools.pairwise(stations))


def test_a_way_is_as_short_as_it_can_be() -> None:
    assert way(Status.HELD, Status.HELD) == ()
    assert way(Status.HELD, Status.COMPLETED) == (Status.COMPLETED,)
    assert way(Status.HELD, Status.FAILED) == (Status.PENDING, Status.PROCESSING, Status.FAILED)
