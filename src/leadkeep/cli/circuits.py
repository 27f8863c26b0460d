"""A destination's circuit in words, for people who look at a queue."""

from leadkeep.cli.health import Found
from leadkeep.models import Circuit
from leadkeep.states import CircuitState
from leadkeep.wording import duration


def circuit_words(found: Found, destination: str) -> str:
    """Why leads wait or go slowly there, and what comes next; empty while its circuit is closed."""
    circuit = found.circuits.get(destination, Circuit())
    if circuit.state is CircuitState.CLOSED:
        return ""
    if circuit.state is CircuitState.RAMPING:
        return f"works again: ramping, {circuit.ramp_limit} at once"
    opened_at_ms = found.now_ms if circuit.opened_at_ms is None else circuit.opened_at_ms
    span = duration(max(found.now_ms - opened_at_ms, 0) / 1_000)
    return f"circuit open for {span} ({circuit.reason}), {_next(circuit)}"


def _next(circuit: Circuit) -> str:
    if circuit.state is CircuitState.HALF_OPEN:
        return "being probed"
    if circuit.due_in_ms <= 0:
        return "probed with the next lead"
    return f"probed in {duration(circuit.due_in_ms / 1_000)}"
