"""The graph of statuses says what a person may rely on."""

from leadkeep.states import GRAPH, SETTLED, Status, Verb, allowed_moves


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
