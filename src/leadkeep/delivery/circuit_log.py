"""What is said of circuits, after the store has it: log lines of who moved them, gauges of all."""

import structlog

from leadkeep.delivery import metrics
from leadkeep.models import Circuit, CircuitMove
from leadkeep.states import CircuitState

_log = structlog.get_logger("leadkeep.delivery")

_OPEN, _HALF_OPEN = CircuitState.OPEN, CircuitState.HALF_OPEN


def moved(destination: str, before: Circuit, move: CircuitMove, *, now_us: int) -> None:
    """This worker has moved a circuit."""
    if before.state is not move.state:
        metrics.CIRCUIT_MOVES.labels(destination, move.state).inc()
    if move.state is _OPEN:
        _say_open(destination, before, move)
    elif move.state is _HALF_OPEN and before.state is _HALF_OPEN:
        _log.warning("took over a probe whose prober is not heard of", destination=destination)
    elif move.state is CircuitState.RAMPING and before.state is not CircuitState.RAMPING:
        _log.info("a destination works again: its leads begin to go", destination=destination)
    elif move.state is CircuitState.CLOSED:
        outage_ms = max(now_us // 1_000 - (before.opened_at_ms or 0), 0)
        _log.info(
            "circuit closed", destination=destination, seconds_since_opened=outage_ms // 1_000
        )


def stands(destination: str, state: CircuitState) -> None:
    """This worker has learnt where a circuit stands."""
    for each in CircuitState:
        metrics.CIRCUIT.labels(destination, each).set(each is state)


def hastened(destination: str, leads: int) -> None:
    """Leads that waited for another try are due at once."""
    if leads:
        _log.info("leads need not wait any longer", destination=destination, leads=leads)


def _say_open(destination: str, before: Circuit, move: CircuitMove) -> None:
    if before.state is _HALF_OPEN:
        if move.openings == before.openings:
            return  # the probe came to nothing
        what, say = "a probe failed", _log.info
    elif before.state is CircuitState.RAMPING:
        what, say = "circuit opened again", _log.warning
    else:
        what, say = "circuit opened: leads wait, without using up tries", _log.warning
    say(
        what,
        destination=destination,
        reason=move.reason,
        openings=move.openings,
        next_probe_in_ms=move.due_in_ms,
    )
