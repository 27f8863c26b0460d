"""Holds of persons and of deployments: each stands by itself; with a term it ends by itself."""

from typing import Any

import pytest

from leadkeep.deployments import Deployment, DeploymentResult, Ending
from leadkeep.errors import AlreadyRunning, NotFound
from leadkeep.models import CircuitMove, Claim, DestinationView
from leadkeep.states import CircuitState
from leadkeep.store.base import Store
from tests.fakes.clock import FakeClock
from tests.store.builders import a_batch, a_lead, an_outcome
from tests.store.conftest import OpenStore

MINUTE_MS = 60_000
BLUE = "https://blue.test/hook?key=1"
GREEN = "https://green.test/hook?key=2"


async def claim(store: Store, **overrides: Any) -> list[Claim]:
    values: dict[str, Any] = {
        "limit": 10,
        "lease_ms": 60_000,
        "longest_wait_ms": 900_000,
        "worker": "test",
    }
    return await store.claim("default", **(values | overrides))


async def begin(store: Store, *, at_most_ms: int = 15 * MINUTE_MS) -> Deployment:
    return await store.begin_deployment("default", actor="ada", note="v2", at_most_ms=at_most_ms)


async def end(store: Store, deployment: Deployment, **overrides: Any) -> bool:
    ending = Ending(**({"result": DeploymentResult.COMPLETED} | overrides))
    return await store.end_deployment(deployment.deployment_id, ending, actor="ada")


async def view(store: Store) -> DestinationView:
    return next(one for one in await store.destinations() if one.name == "default")


@pytest.fixture
async def waiting(store: Store) -> Store:
    """A store in which one lead is due."""
    await store.absorb(a_batch(a_lead()))
    return store


# ---------------------------------------------------------------- holds with a time


async def test_a_hold_with_a_time_ends_by_itself_and_for_good(
    waiting: Store, clock: FakeClock
) -> None:
    await waiting.hold_destination("default", reason="work", actor="ada", for_ms=10 * MINUTE_MS)
    assert (await view(waiting)).hold_until_ms == clock.now_ms + 10 * MINUTE_MS
    assert await claim(waiting) == []
    assert await waiting.next_due_at_ms("default") is None

    clock.advance(10 * 60)

    assert await waiting.next_due_at_ms("default") is not None
    assert not (await view(waiting)).held
    assert len(await claim(waiting)) == 1
    _, rows = await waiting.query(
        "SELECT actor, verb, reason FROM actions ORDER BY id DESC LIMIT 1", limit=1
    )
    assert rows == [("leadkeep", "resume", "the hold ended: its time was over")]
    _, rows = await waiting.query("SELECT held, term_span_ms FROM destination_states", limit=1)
    assert rows == [(0, None)]


@pytest.mark.parametrize("jump", [-400 * 86_400.0, 400 * 86_400.0])
async def test_a_jump_of_the_clock_neither_ends_nor_prolongs_a_hold(
    waiting: Store, clock: FakeClock, jump: float
) -> None:
    await waiting.hold_destination("default", reason="work", actor="ada", for_ms=10 * MINUTE_MS)
    clock.jump(jump)
    clock.advance(9 * 60)
    assert await claim(waiting) == []
    clock.advance(60)
    assert len(await claim(waiting)) == 1


async def test_a_hold_survives_a_boot_and_a_clock_that_was_lost_with_it(
    waiting: Store, clock: FakeClock
) -> None:
    await waiting.hold_destination("default", reason="work", actor="ada", for_ms=10 * MINUTE_MS)
    clock.reboot()
    clock.jump(-400 * 86_400)
    assert await claim(waiting) == []
    clock.jump(-86_400)
    clock.advance(9 * 60)
    assert await claim(waiting) == []
    clock.advance(60)
    assert len(await claim(waiting)) == 1


async def test_a_hold_without_a_time_replaces_one_with_a_time(
    waiting: Store, clock: FakeClock
) -> None:
    await waiting.hold_destination("default", reason="work", actor="ada", for_ms=MINUTE_MS)
    await waiting.hold_destination("default", reason="more work", actor="ada")
    clock.advance(3_600)
    assert await claim(waiting) == []
    assert (await view(waiting)).hold_until_ms is None


# ---------------------------------------------------------------- a deployment's hold


async def test_nothing_is_claimed_during_a_deployment_but_by_itself(waiting: Store) -> None:
    deployment = await begin(waiting)
    assert await claim(waiting) == []
    assert await waiting.next_due_at_ms("default") is None
    seen = await view(waiting)
    assert (seen.held, seen.held_by_person, seen.deployment) == (True, False, 1)
    assert seen.hold_reason == "deployment 1 by ada"
    assert len(await claim(waiting, deployment=deployment.deployment_id)) == 1


async def test_a_deployment_that_has_ended_claims_nothing(waiting: Store) -> None:
    deployment = await begin(waiting)
    assert await end(waiting, deployment)
    assert await claim(waiting, deployment=deployment.deployment_id) == []
    assert len(await claim(waiting)) == 1


async def test_one_deployment_at_a_time_for_each_destination(
    store: Store, open_store: OpenStore
) -> None:
    await begin(store)
    other = await open_store()
    with pytest.raises(AlreadyRunning, match="deployment 1 of default is under way") as error:
        await begin(other)
    assert "deploy end 1" in error.value.hint
    await other.begin_deployment("crm", actor="bob", note="", at_most_ms=MINUTE_MS)
    assert [one.destination for one in await store.deployments(under_way=True)] == [
        "crm",
        "default",
    ]


async def test_a_deployment_that_nobody_ends_is_abandoned(waiting: Store, clock: FakeClock) -> None:
    deployment = await begin(waiting, at_most_ms=15 * MINUTE_MS)
    clock.jump(-86_400)
    clock.advance(15 * 60)

    seen = await waiting.deployment(deployment.deployment_id)
    assert (seen.result, seen.detail) == (DeploymentResult.ABANDONED, "its time was over")
    assert await waiting.deployments(under_way=True) == []
    assert not await end(waiting, deployment)
    assert len(await claim(waiting)) == 1
    assert (await waiting.deployment(1)).result is DeploymentResult.ABANDONED
    _, rows = await waiting.query("SELECT result FROM deployments", limit=1)
    assert rows == [("abandoned",)]


async def test_after_an_abandoned_deployment_another_may_begin(
    store: Store, clock: FakeClock
) -> None:
    await begin(store, at_most_ms=MINUTE_MS)
    clock.advance(60)
    assert (await begin(store)).deployment_id == 2


async def test_how_a_deployment_ended_is_kept(store: Store, clock: FakeClock) -> None:
    deployment = await begin(store)
    clock.advance(42)
    assert await end(
        store, deployment, exit_code=0, waited=37, longest_wait_ms=41_000, detail="fine"
    )
    kept = await store.deployment(deployment.deployment_id)
    assert (kept.actor, kept.note, kept.begun_at_ms) == ("ada", "v2", clock.now_ms - 42_000)
    assert (kept.ended_at_ms, kept.result) == (clock.now_ms, DeploymentResult.COMPLETED)
    assert (kept.exit_code, kept.waited, kept.longest_wait_ms) == (0, 37, 41_000)
    assert not await end(store, deployment, result=DeploymentResult.CANARY_FAILED)
    with pytest.raises(NotFound, match="no deployment 7"):
        await store.deployment(7)


# ---------------------------------------------------------------- the holds together


async def test_a_persons_hold_stands_above_a_deployments(waiting: Store) -> None:
    await waiting.hold_destination("default", reason="by hand", actor="bob")
    deployment = await begin(waiting)
    assert await claim(waiting, deployment=deployment.deployment_id) == []
    await end(waiting, deployment)
    seen = await view(waiting)
    assert (seen.held, seen.held_by_person, seen.hold_reason) == (True, True, "by hand")
    assert await claim(waiting) == []
    await waiting.resume_destination("default", actor="bob")
    assert len(await claim(waiting)) == 1


async def test_a_person_who_resumes_abandons_the_deployment(waiting: Store) -> None:
    await begin(waiting)
    assert await waiting.resume_destination("default", actor="bob") == 1
    ended = await waiting.deployment(1)
    assert (ended.result, ended.detail) == (DeploymentResult.ABANDONED, "bob resumed default")
    assert await waiting.resume_destination("default", actor="bob") is None
    assert len(await claim(waiting)) == 1


async def test_what_a_failed_deployment_leaves_held_waits_for_a_person(
    waiting: Store, clock: FakeClock
) -> None:
    await end(
        waiting,
        await begin(waiting),
        result=DeploymentResult.CANARY_FAILED,
        keep_held_because="the canary failed",
    )
    clock.advance(86_400)
    assert await claim(waiting) == []
    assert (await view(waiting)).hold_reason == "deployment 1: the canary failed"
    await waiting.resume_destination("default", actor="bob")
    assert len(await claim(waiting)) == 1


@pytest.mark.parametrize(
    ("result", "free"),
    [
        (DeploymentResult.COMPLETED, 1),
        (DeploymentResult.COMMAND_FAILED, 1),
        (DeploymentResult.SWITCHED_BACK, 1),
        (DeploymentResult.CANCELLED, 0),
    ],
)
async def test_a_deployment_after_a_failed_one_may_try_and_lets_go_if_it_succeeds(
    waiting: Store, result: DeploymentResult, free: int
) -> None:
    await end(
        waiting,
        await begin(waiting),
        result=DeploymentResult.CANARY_FAILED,
        keep_held_because="the canary failed",
    )
    again = await begin(waiting)
    claims = await claim(waiting, deployment=again.deployment_id)
    assert len(claims) == 1
    await waiting.release(claims)
    await end(waiting, again, result=result)
    assert len(await claim(waiting)) == free


# ---------------------------------------------------------------- the circuit


async def open_circuit(store: Store) -> None:
    assert await store.move_circuit("default", 0, CircuitMove(CircuitState.OPEN, openings=3))
    assert await claim(store) == []


async def test_the_canary_is_claimed_whatever_the_circuit_says(waiting: Store) -> None:
    await open_circuit(waiting)
    deployment = await begin(waiting)
    assert len(await claim(waiting, deployment=deployment.deployment_id)) == 1


@pytest.mark.parametrize(
    "result",
    [
        DeploymentResult.COMPLETED,
        DeploymentResult.COMMAND_FAILED,
        DeploymentResult.SWITCHED_BACK,
    ],
)
async def test_after_a_canary_leads_go_slowly_at_first(
    waiting: Store, result: DeploymentResult
) -> None:
    await open_circuit(waiting)
    await end(waiting, await begin(waiting), result=result)
    circuit = (await waiting.circuits())["default"]
    assert (circuit.state, circuit.ramp_limit) == (CircuitState.RAMPING, 1)
    assert circuit.reason == "deployment 1 has ended"
    assert len(await claim(waiting)) == 1


async def test_a_circuit_that_never_moved_ramps_too(waiting: Store) -> None:
    await end(waiting, await begin(waiting))
    assert (await waiting.circuits())["default"].state is CircuitState.RAMPING


async def test_a_ramp_after_a_deployment_is_no_outage_that_ends(waiting: Store) -> None:
    await end(waiting, await begin(waiting))
    assert await waiting.move_circuit("default", 1, CircuitMove(CircuitState.CLOSED))
    assert await waiting.circuit_events() == []


@pytest.mark.parametrize(
    ("result", "because"),
    [(DeploymentResult.CANARY_FAILED, "it failed"), (DeploymentResult.CANCELLED, "")],
)
async def test_without_a_canary_the_circuit_stays_as_it_was(
    waiting: Store, result: DeploymentResult, because: str
) -> None:
    await open_circuit(waiting)
    await end(waiting, await begin(waiting), result=result, keep_held_because=because)
    assert (await waiting.circuits())["default"].state is CircuitState.OPEN


# ---------------------------------------------------------------- switching, counting


async def test_leads_are_claimed_for_the_address_that_was_switched_to(waiting: Store) -> None:
    deployment = await begin(waiting)
    await end(waiting, deployment, switch_to=GREEN, configured_url=BLUE)

    claims = await claim(waiting)

    assert [one.url for one in claims] == [GREEN]
    kept = (await waiting.switched_urls())["default"]
    assert (kept.url, kept.instead_of) == (GREEN, "https://blue.test/hook")
    seen = await view(waiting)
    assert (seen.switched_url, seen.switched_instead_of) == (
        "https://green.test/hook",
        "https://blue.test/hook",
    )
    assert (await waiting.deployment(1)).switched_to == "https://green.test/hook"


async def test_switching_to_the_configured_address_ends_the_switch(waiting: Store) -> None:
    await end(waiting, await begin(waiting), switch_to=GREEN, configured_url=BLUE)
    await end(waiting, await begin(waiting), switch_to=BLUE, configured_url=BLUE)
    assert await waiting.switched_urls() == {}
    assert [one.url for one in await claim(waiting)] == [""]


async def test_a_deployment_that_had_ended_switches_nothing(waiting: Store) -> None:
    deployment = await begin(waiting)
    await waiting.resume_destination("default", actor="bob")
    assert not await end(waiting, deployment, switch_to=GREEN, configured_url=BLUE)
    assert await waiting.switched_urls() == {}


async def test_a_switch_may_be_dropped(waiting: Store) -> None:
    await end(waiting, await begin(waiting), switch_to=GREEN, configured_url=BLUE)
    assert await waiting.drop_switched_url("default", reason="changed", actor="leadkeep")
    assert not await waiting.drop_switched_url("default", reason="changed", actor="leadkeep")
    assert [one.url for one in await claim(waiting)] == [""]


async def test_what_waits_and_what_is_under_way_is_counted(store: Store, clock: FakeClock) -> None:
    await store.absorb(a_batch(a_lead(), a_lead(), a_lead(destinations=("crm",))))
    since_ms = clock.now_ms
    clock.advance(5)
    waits = await store.backlog("default")
    assert (waits.leads, waits.oldest_due_at_ms) == (2, since_ms)
    assert await store.under_way("default") == 0

    claims = await claim(store, limit=1)

    assert (await store.backlog("default")).leads == 1
    assert await store.under_way("default") == 1
    await store.record([an_outcome(claims[0])])
    assert await store.under_way("default") == 0
    assert (await store.backlog("nowhere")).leads == 0
