"""What the database itself refuses of circuits; code, CHECK and page know the same states."""

import re
from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest

from leadkeep.models import CircuitMove
from leadkeep.states import CircuitState
from leadkeep.store.sqlite.migrations import migrate
from leadkeep.store.sqlite.store import SqliteStore
from leadkeep.store.transactions.steering import EVENTS_KEPT

PAGE = Path(__file__).parents[2] / "docs/reference/delivery.md"
SOUND: dict[CircuitState, dict[str, object]] = {
    CircuitState.CLOSED: {"opened_at_ms": None},
    CircuitState.OPEN: {"opened_at_ms": 1, "openings": 1},
    CircuitState.HALF_OPEN: {"opened_at_ms": 1, "openings": 1},
    CircuitState.RAMPING: {"opened_at_ms": 1, "ramp_limit": 1},
}


@pytest.fixture
def shell(database: Path) -> Iterator[apsw.Connection]:
    migrate(database)
    connection = apsw.Connection(str(database))
    yield connection
    connection.close()


def insert(shell: apsw.Connection, **columns: object) -> None:
    row: dict[str, object] = {
        "destination": "crm",
        "state": "closed",
        "version": 1,
        "since_ms": 0,
        "opened_at_ms": None,
        "boot_id": "b",
        "due_boot_ms": 0,
        "openings": 0,
        "ramp_limit": 0,
        "reason": "",
        "owner": "",
    }
    row |= columns
    marks = ", ".join("?" for _ in row)
    shell.execute(
        f"INSERT INTO circuits ({', '.join(row)}) VALUES ({marks})",
        tuple(row.values()),
    )


@pytest.mark.parametrize("state", list(CircuitState))
def test_a_circuit_has_what_belongs_to_its_state_and_nothing_else(
    shell: apsw.Connection, state: CircuitState
) -> None:
    insert(shell, state=state.value, **SOUND[state])
    shell.execute("DELETE FROM circuits")
    wrong = {"opened_at_ms": None if SOUND[state]["opened_at_ms"] else 1}
    with pytest.raises(apsw.ConstraintError):
        insert(shell, state=state.value, **(SOUND[state] | wrong))
    limit = 0 if state is CircuitState.RAMPING else 1
    with pytest.raises(apsw.ConstraintError):
        insert(shell, state=state.value, **(SOUND[state] | {"ramp_limit": limit}))


def test_no_other_state_is_known(shell: apsw.Connection) -> None:
    with pytest.raises(apsw.ConstraintError):
        insert(shell, state="ajar", opened_at_ms=1)


@pytest.mark.parametrize("version", [0, 1, 3])
def test_a_circuit_moves_to_its_next_version_only(shell: apsw.Connection, version: int) -> None:
    insert(shell)
    with pytest.raises(apsw.ConstraintError):
        shell.execute("UPDATE circuits SET version = ?", (version,))
    shell.execute("UPDATE circuits SET version = 2")


def test_the_documented_states_are_the_states() -> None:
    section = PAGE.read_text("utf-8").partition("## When a destination does not work")[2]
    table = section.partition("**What opens it**")[0]
    assert re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE) == [one.value for one in CircuitState]


async def test_events_of_a_destination_that_comes_and_goes_do_not_fill_the_store(
    sqlite_store: SqliteStore,
) -> None:
    for version in range(EVENTS_KEPT + 20):
        state = CircuitState.CLOSED if version % 2 else CircuitState.OPEN
        await sqlite_store.move_circuit("crm", version, CircuitMove(state))
    await sqlite_store.move_circuit("other", 0, CircuitMove(CircuitState.OPEN))
    assert len(await sqlite_store.circuit_events("crm", limit=10_000)) == EVENTS_KEPT
    assert len(await sqlite_store.circuit_events(limit=10_000)) == EVENTS_KEPT + 1
