"""When a circuit opens, is probed, ramps and closes: pure functions of what was seen and when.

Each worker judges by its own recent attempts; what it decides becomes true for all workers by a
compare-and-set in the store. A lead that is itself the trouble opens nothing: a refusal (4xx) never
counts, and a row of failures counts different leads, unless the destination was not even reached.
"""

from enum import Enum
from typing import NamedTuple

from leadkeep.delivery.retry import is_refusal
from leadkeep.models import Circuit, CircuitMove, Outcome
from leadkeep.settings.steering import BreakerSettings
from leadkeep.states import CircuitState, Status

OUR_OWN_FAULTS = frozenset({"interrupted", "internal", "unsendable"})
"""Classes of error that say nothing about the destination."""

_NOT_REACHED = frozenset({"dns", "connect", "tls"})
_CUT_OFF = frozenset({"timeout", "reset", "malformed_reply"})
_LARGEST_EXPONENT = 16


class Sign(Enum):
    """What one attempt tells about its destination."""

    WORKS = "works"
    """It confirmed a lead."""
    AWAY = "away"
    """It could not be reached: no lead can be the cause."""
    FAILS = "fails"
    """A broken exchange, a timeout, a 5xx, or a 4xx that asks to come again."""
    DOUBTFUL = "doubtful"
    """It answered, but not with a confirmation: counts in a row, not for the ratio."""
    REFUSES = "refuses"
    """It answered, and refused this lead."""
    NOTHING = "nothing"
    """The trouble was ours."""


class Seen(NamedTuple):
    """What one worker has seen of a destination since its circuit last changed its state."""

    in_a_row: int = 0
    """Failures since the last confirmation; those of one lead count once, unless it was AWAY."""
    tries: int = 0
    """Attempts within the window."""
    failures: int = 0
    """Of these, failed."""
    failing: int = 0
    """The failures, counted in the same way."""
    confirmed: int = 0
    """Confirmations since the circuit last moved."""
    last_words: str = ""
    """Why the last one failed."""


def sign_of(outcome: Outcome) -> Sign:
    """What an attempt's outcome tells about its destination."""
    if outcome.status is Status.COMPLETED:
        return Sign.WORKS
    if outcome.error_class in OUR_OWN_FAULTS:
        return Sign.NOTHING
    if outcome.error_class in _NOT_REACHED:
        return Sign.AWAY
    if is_refusal(outcome.response_status):
        return Sign.REFUSES
    status = outcome.response_status
    if status is not None and 200 <= status < 400 and outcome.error_class not in _CUT_OFF:
        return Sign.DOUBTFUL
    return Sign.FAILS


def why_open(seen: Seen, policy: BreakerSettings) -> str:
    """Why a closed or ramping circuit must open, in words; empty: it need not."""
    if seen.in_a_row >= policy.consecutive_failures:
        tries = "try" if seen.in_a_row == 1 else "tries in a row"
        return f"{seen.in_a_row} {tries} failed: {seen.last_words}"
    if (
        seen.tries >= policy.minimum_tries
        and seen.failures >= policy.failure_ratio * seen.tries
        and seen.failing >= policy.consecutive_failures
    ):
        return f"{seen.failures} of {seen.tries} tries failed: {seen.last_words}"
    return ""


def works_meanwhile(circuit: Circuit, seen: Seen) -> bool:
    """True if a lead was confirmed since a circuit that is ramping was open."""
    return circuit.openings == 0 or seen.tries > seen.failures


def opened(
    circuit: Circuit,
    reason: str,
    policy: BreakerSettings,
    *,
    anew: bool = False,
    asked_seconds: float = 0,
    owner: str,
) -> CircuitMove:
    """Open a circuit, or open it again; each time in a row the next probe is further off.

    Args:
        anew: a lead was confirmed since it last opened: this is the first time in a row.
        asked_seconds: how long the destination itself asked to be left alone.
    """
    openings = 1 if anew else circuit.openings + 1
    wait = policy.probe_first_seconds * 2 ** min(openings - 1, _LARGEST_EXPONENT)
    wait = min(max(wait, asked_seconds), policy.probe_longest_seconds)
    return CircuitMove(
        CircuitState.OPEN,
        due_in_ms=round(wait * 1_000),
        openings=openings,
        reason=reason,
        owner=owner,
    )


def probing(circuit: Circuit, *, lease_ms: int, owner: str) -> CircuitMove:
    """Begin a probe, or take over one whose prober is not heard of."""
    return CircuitMove(
        CircuitState.HALF_OPEN,
        due_in_ms=lease_ms,
        openings=circuit.openings,
        reason=circuit.reason,
        owner=owner,
    )


def not_probed(circuit: Circuit, policy: BreakerSettings, *, owner: str) -> CircuitMove:
    """Return to OPEN: the probe came to nothing that could be judged."""
    return CircuitMove(
        CircuitState.OPEN,
        due_in_ms=round(policy.probe_first_seconds * 1_000),
        openings=circuit.openings,
        reason=circuit.reason,
        owner=owner,
    )


def ramping(
    circuit: Circuit, policy: BreakerSettings, *, confirmed: bool, concurrency: int, owner: str
) -> CircuitMove:
    """Begin to ramp: the probe worked.

    Args:
        confirmed: it delivered a lead; then the row of openings has ended.
    """
    return CircuitMove(
        CircuitState.RAMPING,
        due_in_ms=_step_ms(policy, concurrency),
        openings=0 if confirmed else circuit.openings,
        ramp_limit=1,
        reason=circuit.reason,
        owner=owner,
    )


def step(
    circuit: Circuit,
    seen: Seen,
    policy: BreakerSettings,
    *,
    due_in_ms: int,
    idle: bool,
    patience_ms: int,
    concurrency: int,
    owner: str,
) -> CircuitMove | None:
    """The next step of a ramp, the last of which closes the circuit; None: not yet.

    A step needs a confirmation in the step before. Where nothing is sent, nothing confirms: after
    as long as an attempt may take, it closes without.

    Args:
        due_in_ms: until the next step, now.
        idle: this worker has nothing under way there.
        patience_ms: how long an attempt may take.
    """
    closes = CircuitMove(CircuitState.CLOSED, owner=owner)
    if due_in_ms > 0:
        return None
    if not seen.confirmed:
        return closes if idle and due_in_ms <= -patience_ms else None
    limit = 2 * circuit.ramp_limit
    if limit >= concurrency:
        return closes
    return CircuitMove(
        CircuitState.RAMPING,
        due_in_ms=_step_ms(policy, concurrency),
        openings=circuit.openings,
        ramp_limit=limit,
        reason=circuit.reason,
        owner=owner,
    )


def _step_ms(policy: BreakerSettings, concurrency: int) -> int:
    """1, 2, 4 … are as many steps as doublings below `concurrency`."""
    steps = max((concurrency - 1).bit_length(), 1)
    return round(policy.ramp_seconds * 1_000 / steps)
