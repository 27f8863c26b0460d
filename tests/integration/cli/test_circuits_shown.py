"""What people see of a circuit, and how they let leads go by hand."""

import json

from leadkeep.models import CircuitEvent, CircuitMove
from leadkeep.states import CircuitState
from leadkeep.store.base import Store
from tests.integration.cli.installation import Installation
from tests.integration.cli.sink import a_sink
from tests.store.builders import a_lead

TO = ("--forward-to", "http://127.0.0.1:9/")
OPENED = CircuitMove(
    CircuitState.OPEN, due_in_ms=45_500, openings=7, reason="no connection to default", owner="w"
)


def opened(installation: Installation, move: CircuitMove = OPENED) -> None:
    async def work(store: Store) -> bool:
        return await store.move_circuit("default", 0, move)

    installation.absorb(a_lead())
    assert installation.in_store(work)


def test_status_says_that_a_circuit_is_open_and_what_comes_next(
    installation: Installation,
) -> None:
    opened(installation)
    text = installation.run("status", *TO).stdout
    assert "circuit open for 0 s (no connection to default), probed in 4" in text
    told = json.loads(installation.run("status", "--json", *TO).stdout)["circuits"]["default"]
    assert (told["state"], told["openings"], told["owner"]) == ("open", 7, "w")
    assert 0 < told["due_in_ms"] <= 45_500


def test_status_says_that_a_destination_is_ramping(installation: Installation) -> None:
    opened(installation, CircuitMove(CircuitState.RAMPING, ramp_limit=4, openings=1))
    assert "works again: ramping, 4 at once" in installation.run("status", *TO).stdout


def test_resuming_a_destination_lets_its_leads_go_again(installation: Installation) -> None:
    opened(installation)
    with a_sink() as sink:
        to = ("--forward-to", sink.url)
        waits = installation.run("process-queue", "--json", *to)
        assert waits.exit_code == 3
        assert json.loads(waits.stdout)["still_waiting"] == 1
        assert sink.bodies == []
        installation.ok("resume", "default", *to)
        assert installation.json("process-queue", *to)["completed"] == 1


def test_programs_see_circuits_and_their_events(installation: Installation) -> None:
    from leadkeep import Queue

    opened(installation)
    with Queue(installation.settings) as queue:
        assert queue.circuits()["default"].state is CircuitState.OPEN
        (event,) = queue.circuit_events("default")
        assert isinstance(event, CircuitEvent)
        assert (event.event, event.reason) == ("opened", "no connection to default")
        queue.resume_destination("default")
        assert queue.circuits()["default"].state is CircuitState.RAMPING
