"""A destination's circuit over hours of trouble: few tries, a soon end, and a ramp that holds."""

from pathlib import Path

import pytest

from leadkeep.models import Claim
from leadkeep.settings.steering import BreakerSettings
from leadkeep.states import Status
from tests.simulation.world import (
    DOWN,
    HOUR,
    MINUTE,
    OK,
    REFUSED,
    Answer,
    Scripted,
    World,
    simulate,
)

DEFAULT = BreakerSettings()
CONCURRENCY = 16
"""A destination's, by default."""
SLACK = 10.0
"""What lane, store and destination may add."""


def most_tries(seconds: float, policy: BreakerSettings = DEFAULT) -> float:
    """How many tries an outage of so long may cost, however many leads wait."""
    until_it_opens = policy.consecutive_failures + CONCURRENCY
    # Up to 1, 2, 4 … seconds apart, then up to a minute, and no less than half of it.
    first_probes = 7
    return until_it_opens + first_probes + seconds / (policy.probe_longest_seconds / 2)


def outage(
    folder: Path, *, leads: int, seconds: float, seed: int = 1, **breaker: object
) -> Scripted:
    """A destination that is down from the start for so long."""

    def script(at: float, _claim: Claim) -> Answer:
        return Answer(DOWN if at < seconds else OK)

    async def scenario(world: World) -> None:
        await world.add_leads(leads)
        await world.all_settled(within=seconds + HOUR)

    policy = BreakerSettings(**breaker)  # type: ignore[arg-type]  # overrides of a factory
    world = simulate(folder, {"brain": script}, scenario, seed=seed, breaker=policy)
    return world.destinations["brain"]


def ramp_breaches(brain: Scripted, after: float) -> int:
    """Tries that went beyond 1, 2, 4 … at once in the steps of the ramp after this moment."""
    steps = (CONCURRENCY - 1).bit_length()
    step = DEFAULT.ramp_seconds / steps
    began = brain.first_confirmed(after).at
    return sum(
        one.beside + 1 > 2 ** int((one.at - began) / step)
        for one in brain.between(began, began + DEFAULT.ramp_seconds)
    )


# ---------------------------------------------------------------- an outage


@pytest.mark.parametrize("seed", [1, 2])
def test_an_outage_of_hours_costs_a_probe_a_minute_and_is_over_soon_after_its_end(
    folder: Path, seed: int
) -> None:
    leads, seconds = 3_000, 2 * HOUR
    brain = outage(folder, leads=leads, seconds=seconds, seed=seed)
    tries = brain.between(0, seconds)
    assert len(tries) <= most_tries(seconds)
    assert max(brain.tries_of_each().values()) <= 3
    # A probe comes within a minute; then the ramp; then all others as fast as it takes them.
    assert brain.first_confirmed(seconds).at <= seconds + DEFAULT.probe_longest_seconds + SLACK
    at_full_speed = leads * 0.02 / CONCURRENCY
    soon = DEFAULT.probe_longest_seconds + DEFAULT.ramp_seconds + at_full_speed + SLACK
    assert len(brain.delivered_at()) == leads
    assert max(brain.delivered_at().values()) <= seconds + soon


def test_without_a_circuit_it_would_cost_many_more(folder: Path) -> None:
    seconds = 1 * HOUR
    brain = outage(folder, leads=80, seconds=seconds, enabled=False)
    assert len(brain.between(0, seconds)) > 5 * most_tries(seconds)


def test_after_an_outage_its_load_rises_no_faster_than_the_ramp_allows(folder: Path) -> None:
    seconds = 30 * MINUTE
    brain = outage(folder, leads=3_000, seconds=seconds)
    assert ramp_breaches(brain, seconds) == 0
    # Nor is it slower than it need be: the last step is used in full.
    assert brain.most_under_way == CONCURRENCY


def test_without_a_ramp_all_would_come_at_once(folder: Path) -> None:
    seconds = 30 * MINUTE
    brain = outage(folder, leads=3_000, seconds=seconds, ramp_seconds=0)
    assert ramp_breaches(brain, seconds) > 100


def test_a_destination_that_fails_again_under_the_ramps_load_is_left_alone_again(
    folder: Path,
) -> None:
    """It stands two at a time from the tenth minute on, and more only after an hour."""
    under_way: list[float] = []

    def script(at: float, _claim: Claim) -> Answer:
        under_way[:] = [end for end in under_way if end > at]
        works = at >= HOUR or (at >= 10 * MINUTE and len(under_way) < 2)
        under_way.append(at + 0.2)
        return Answer(OK if works else DOWN, seconds=0.2)

    async def scenario(world: World) -> None:
        await world.add_leads(1_500)
        await world.all_settled(within=3 * HOUR)

    brain = simulate(folder, {"brain": script}, scenario).destinations["brain"]
    # Each time it is overrun costs a failure or two, and then it is probed again: it takes all of
    # them long before it stands more.
    failed = [one for one in brain.between(10 * MINUTE, HOUR) if not one.confirmed]
    assert len(failed) <= 1_500 / 3
    assert len(brain.delivered_at()) == 1_500
    assert max(brain.delivered_at().values()) <= 20 * MINUTE


# ---------------------------------------------------------------- flapping, hanging, poison


def test_a_destination_that_flaps_gets_every_lead_and_few_tries_besides(folder: Path) -> None:
    period, up, leads = 5 * MINUTE, 30.0, 1_000

    def script(at: float, _claim: Claim) -> Answer:
        return Answer(OK if at % period >= period - up else DOWN)

    async def scenario(world: World) -> None:
        for _ in range(4):
            await world.add_leads(leads // 4)
            await world.clock_reaches(world.clock.seconds + 10 * MINUTE)
        await world.all_settled(within=4 * HOUR)

    world = simulate(folder, {"brain": script}, scenario, seed=5)
    brain = world.destinations["brain"]
    assert len(brain.delivered_at()) == leads
    failed = [one for one in brain.tries if not one.confirmed]
    spent = world.clock.seconds
    openings = spent / period + 1
    assert len(failed) <= openings * most_tries(period)


def test_a_destination_that_hangs_holds_no_carriers_and_delays_no_other(folder: Path) -> None:
    leads, hang = 1_000, 1 * HOUR

    def hangs(at: float, _claim: Claim) -> Answer:
        return Answer(DOWN, seconds=30.0) if at < hang else Answer(OK)

    def works(_at: float, _claim: Claim) -> Answer:
        return Answer(OK)

    async def scenario(world: World) -> None:
        for _ in range(4):
            await world.add_leads(leads // 4)
            await world.clock_reaches(world.clock.seconds + 10 * MINUTE)
        await world.all_settled(within=hang + 10 * MINUTE)

    world = simulate(folder, {"brain": hangs, "crm": works}, scenario, seed=6)
    brain, crm = world.destinations["brain"], world.destinations["crm"]
    for batch in range(4):
        came = batch * 10 * MINUTE
        assert len(crm.between(came, came + 5)) == leads // 4
    assert len(brain.between(0, hang)) <= most_tries(hang)
    # Once it is known to hang, one probe at a time waits for it.
    assert max(one.beside for one in brain.between(2 * MINUTE, hang)) == 0
    assert len(brain.delivered_at()) == len(crm.delivered_at()) == leads


@pytest.mark.parametrize("reply", [DOWN, REFUSED], ids=["503", "422"])
def test_one_poisoned_lead_among_thousands_opens_nothing_and_delays_no_other(
    folder: Path, reply: object
) -> None:
    leads, poisoned = 2_000, 700

    def script(_at: float, claim: Claim) -> Answer:
        return (
            Answer(DOWN if reply is DOWN else REFUSED)
            if claim.delivery_id == poisoned
            else (Answer(OK))
        )

    came: dict[int, float] = {}

    async def scenario(world: World) -> None:
        await world.add_leads(leads // 2)
        known = 0
        for _ in range(leads // 2 // 50):
            known += 50
            came.update({leads // 2 + n + 1: world.clock.seconds for n in range(known - 50, known)})
            await world.add_leads(50)
            await world.clock_reaches(world.clock.seconds + MINUTE)
        assert await world.count(Status.COMPLETED) == leads - 1
        assert await world.count(Status.PENDING) == 1

    brain = simulate(folder, {"brain": script}, scenario, seed=8).destinations["brain"]
    delivered = brain.delivered_at()
    assert max(delivered[delivery] - came.get(delivery, 0.0) for delivery in delivered) <= SLACK
    assert {d for d, count in brain.tries_of_each().items() if count > 1} == {poisoned}
