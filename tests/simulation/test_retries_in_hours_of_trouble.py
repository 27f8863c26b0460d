"""The retry policy over hours of trouble: nobody starves, tries are bounded, no stampede.

Alone, without circuits, which would keep most of these tries from being made at all.
"""

from pathlib import Path

import pytest

from leadkeep.delivery.retry import longest_wait_seconds
from leadkeep.models import Claim
from leadkeep.settings.model import RetrySettings
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
    come_back_in,
    simulate,
)

DEFAULT = RetrySettings()
LONGEST = longest_wait_seconds(DEFAULT)
ALONE = BreakerSettings(enabled=False)
SLACK = 10.0
"""What lane, store and destination may add to a wait."""


def usual_tries(seconds: float, policy: RetrySettings = DEFAULT) -> float:
    """How many tries full jitter makes in so long a time, on average."""
    tries, wait, spent = 1.0, policy.first_seconds, 0.0
    while spent + wait / 2 < seconds and wait < policy.longest_seconds:
        spent += wait / 2
        wait = min(wait * policy.factor, policy.longest_seconds)
        tries += 1
    return tries + (seconds - spent) / (policy.longest_seconds / 2)


def outage(folder: Path, *, leads: int, seconds: float, seed: int, **retry: object) -> Scripted:
    """A destination that is down from the start for so long."""

    def script(at: float, _claim: Claim) -> Answer:
        return Answer(DOWN if at < seconds else OK)

    async def scenario(world: World) -> None:
        await world.add_leads(leads)
        await world.all_settled(within=seconds + LONGEST + SLACK)

    policy = RetrySettings(**retry)  # type: ignore[arg-type]  # overrides of a factory
    world = simulate(folder, {"brain": script}, scenario, seed=seed, retry=policy, breaker=ALONE)
    return world.destinations["brain"]


@pytest.mark.parametrize("seed", [1, 2])
def test_in_an_outage_every_lead_is_tried_on_and_its_tries_are_bounded(
    folder: Path, seed: int
) -> None:
    leads, seconds = 60, 2 * HOUR
    brain = outage(folder, leads=leads, seconds=seconds, seed=seed)
    assert len(brain.delivered_at()) == leads
    assert brain.longest_pause() <= LONGEST + SLACK
    assert max(brain.delivered_at().values()) <= seconds + LONGEST + SLACK
    expected = usual_tries(seconds)
    assert len(brain.between(0, seconds)) <= 1.1 * expected * leads
    assert max(brain.tries_of_each().values()) <= 2 * expected


def test_who_failed_together_does_not_come_back_together(folder: Path) -> None:
    brain = outage(folder, leads=300, seconds=20 * MINUTE, seed=3)
    # 300 leads over up to 15 minutes each.
    assert brain.busiest_second(10 * MINUTE) <= 10


def test_without_jitter_they_would(folder: Path) -> None:
    brain = outage(folder, leads=300, seconds=20 * MINUTE, seed=3, jitter="none")
    assert brain.busiest_second(10 * MINUTE) >= 100


def test_one_seed_is_one_course_of_events(tmp_path: Path, folder: Path) -> None:
    def run(name: str, seed: int) -> Scripted:
        (folder / name).mkdir()
        return outage(folder / name, leads=30, seconds=5 * MINUTE, seed=seed)

    assert run("one", 7).tries == run("again", 7).tries
    assert run("other", 8).tries != run("once more", 7).tries


def test_who_is_told_when_to_come_back_comes_then_and_not_all_at_once(folder: Path) -> None:
    leads, pause = 300, 300.0

    def script(at: float, _claim: Claim) -> Answer:
        # Whoever comes before the time is over hears how much is left of it.
        return Answer(come_back_in(pause - at) if at < pause else OK)

    async def scenario(world: World) -> None:
        await world.add_leads(leads)
        await world.all_settled(within=2 * pause)

    brain = simulate(folder, {"brain": script}, scenario, seed=4, breaker=ALONE).destinations[
        "brain"
    ]
    early = [one for one in brain.tries if 10 <= one.at < pause - 1]
    assert early == []
    assert max(brain.tries_of_each().values()) == 2
    # A tenth of what they were told is spread over: 300 leads in 30 seconds.
    assert brain.busiest_second(pause) <= 30


def test_with_no_jitter_all_who_were_told_the_same_time_would_come_at_once(folder: Path) -> None:
    leads, pause = 300, 300.0

    def script(at: float, _claim: Claim) -> Answer:
        return Answer(come_back_in(pause - at) if at < pause else OK)

    async def scenario(world: World) -> None:
        await world.add_leads(leads)
        await world.all_settled(within=2 * pause)

    policy = RetrySettings(jitter="none")
    world = simulate(folder, {"brain": script}, scenario, seed=4, retry=policy, breaker=ALONE)
    assert world.destinations["brain"].busiest_second(pause - 1) >= 100


def test_a_destination_that_flaps_gets_every_lead_all_the_same(folder: Path) -> None:
    period, up, leads = 5 * MINUTE, 60.0, 40

    def script(at: float, _claim: Claim) -> Answer:
        return Answer(OK if at % period >= period - up else DOWN)

    async def scenario(world: World) -> None:
        for _ in range(4):
            await world.add_leads(leads // 4)
            await world.clock_reaches(world.clock.seconds + 10 * MINUTE)
        # A fifth of the time is up: each try has a fifth of a chance, and there are many.
        await world.all_settled(within=16 * HOUR)

    world = simulate(folder, {"brain": script}, scenario, seed=5, breaker=ALONE)
    brain = world.destinations["brain"]
    assert len(brain.delivered_at()) == leads
    assert brain.longest_pause() <= LONGEST + SLACK


def test_one_poisoned_lead_delays_no_other_and_fails_by_its_age(folder: Path) -> None:
    leads, age = 2_000, 2 * HOUR
    poisoned = 1_000

    def script(_at: float, claim: Claim) -> Answer:
        return Answer(REFUSED if claim.delivery_id == poisoned else OK)

    async def scenario(world: World) -> None:
        await world.add_leads(leads)
        await world.all_settled(within=age + LONGEST + SLACK)
        assert await world.count(Status.FAILED) == 1
        assert await world.count(Status.COMPLETED) == leads - 1

    policy = RetrySettings(age_seconds=age)
    brain = simulate(folder, {"brain": script}, scenario, retry=policy, breaker=ALONE).destinations[
        "brain"
    ]
    assert max(brain.delivered_at().values()) <= 60
    tries = brain.tries_of_each()
    assert {delivery for delivery, count in tries.items() if count > 1} == {poisoned}
    assert 2 <= tries[poisoned] <= 2 * usual_tries(age)
    assert brain.longest_pause() <= LONGEST + SLACK


def test_a_destination_that_hangs_delays_no_other_and_starves_nobody(folder: Path) -> None:
    leads, hours = 120, 1 * HOUR

    def hangs(at: float, _claim: Claim) -> Answer:
        return Answer(DOWN, seconds=30.0) if at < hours else Answer(OK)

    def works(_at: float, _claim: Claim) -> Answer:
        return Answer(OK)

    async def scenario(world: World) -> None:
        for _ in range(4):
            await world.add_leads(leads // 4)
            await world.clock_reaches(world.clock.seconds + 10 * MINUTE)
        await world.all_settled(within=hours + LONGEST + SLACK)

    scripts = {"brain": hangs, "crm": works}
    world = simulate(folder, scripts, scenario, seed=6, concurrency=8, breaker=ALONE)
    brain, crm = world.destinations["brain"], world.destinations["crm"]
    for batch in range(4):
        came = batch * 10 * MINUTE
        assert len(crm.between(came, came + 5)) == leads // 4
    assert brain.most_under_way == 8
    # 8 carriers of 30 s each: at worst all the others are tried between two tries of one.
    queue = leads / 8 * 45.0
    assert brain.longest_pause() <= LONGEST + queue + SLACK
    assert len(brain.delivered_at()) == len(crm.delivered_at()) == leads
