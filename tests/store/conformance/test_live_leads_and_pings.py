"""What live answers ask of a store: where a lead stands, a claim by name, and pings."""

from typing import Any
from uuid import UUID, uuid4

import msgspec

from leadkeep.clock import SystemClock
from leadkeep.deployments import DeploymentResult, Ending
from leadkeep.models import Claim, RecordKind, Selection
from leadkeep.states import Status, Verb
from leadkeep.store.asked import LiveAsk, LiveStanding, PingOutcome, PingWay
from leadkeep.store.base import Store
from tests.store.builders import a_batch, a_lead, a_quarantined_lead, a_record, an_outcome

NOW_MS = SystemClock().now_us() // 1_000


async def absorbed(store: Store, **overrides: Any) -> str:
    overrides.setdefault("destinations", ("crm",))
    lead = a_lead(**overrides)
    await store.absorb(a_batch(lead))
    return str(UUID(bytes=lead.record.lead_id))


async def standing(store: Store, lead_id: str, destination: str = "") -> LiveStanding:
    (found,) = await store.standings([LiveAsk(lead_id, destination)])
    return found


async def claim(store: Store, destination: str = "crm", **more: Any) -> list[Claim]:
    return await store.claim(
        destination, limit=10, lease_ms=60_000, longest_wait_ms=900_000, worker="one", **more
    )


async def test_a_lead_that_is_not_absorbed_stands_nowhere_yet(store: Store) -> None:
    lead_id = str(uuid4())
    assert await standing(store, lead_id) == LiveStanding(lead_id, "")


async def test_a_lead_that_waits_for_its_first_try_may_be_claimed_by_name(store: Store) -> None:
    others = [await absorbed(store) for _ in range(3)]
    lead_id = await absorbed(store)
    found = await standing(store, lead_id, "crm")
    assert (found.is_claimable, found.destination, found.reason) == (True, "crm", "")
    (mine,) = await claim(store, among=[found.delivery_id])
    assert mine.lead_id == lead_id
    assert (mine.attempt, mine.fence) == (1, 1)
    assert not (await standing(store, lead_id)).is_claimable
    assert {one.lead_id for one in await claim(store)} == set(others)
    assert await claim(store, among=[found.delivery_id]) == []


async def test_its_outcome_counts_as_every_other(store: Store) -> None:
    lead_id = await absorbed(store)
    found = await standing(store, lead_id)
    (mine,) = await claim(store, among=[found.delivery_id])
    await store.record([an_outcome(mine, Status.COMPLETED, response_body=b'{"id": 1}')])
    after = await standing(store, lead_id)
    assert (after.response_status, after.response_body) == (200, b'{"id": 1}')
    assert not after.is_claimable


async def test_a_failed_try_is_not_claimed_again_by_name(store: Store) -> None:
    lead_id = await absorbed(store)
    delivery = (await standing(store, lead_id)).delivery_id
    (mine,) = await claim(store, among=[delivery])
    due_now = an_outcome(mine, Status.PENDING, next_attempt_at_ms=NOW_MS - 1_000)
    await store.record([due_now])
    assert (await standing(store, lead_id)).reason == "failed"
    assert await claim(store, among=[delivery]) == []
    assert len(await claim(store)) == 1


async def test_nothing_is_claimed_by_name_at_a_held_destination(store: Store) -> None:
    lead_id = await absorbed(store)
    delivery = (await standing(store, lead_id)).delivery_id
    await store.hold_destination("crm", reason="deploying", actor="ada")
    assert (await store.ping_way("crm")).held
    assert not (await store.ping_way("other")).held
    assert (await standing(store, lead_id)).reason == "held"
    assert await claim(store, among=[delivery]) == []
    await store.resume_destination("crm", actor="ada")
    assert len(await claim(store, among=[delivery])) == 1


async def test_a_ping_goes_where_a_deployment_has_switched_to(store: Store) -> None:
    assert await store.ping_way("crm") == PingWay(held=False, url="")
    deployment = await store.begin_deployment("crm", actor="ada", note="", at_most_ms=60_000)
    assert (await store.ping_way("crm")).held
    ending = Ending(
        result=DeploymentResult.COMPLETED, switch_to="http://green/", configured_url="http://blue/"
    )
    await store.end_deployment(deployment.deployment_id, ending, actor="ada")
    assert await store.ping_way("crm") == PingWay(held=False, url="http://green/")
    assert (await store.ping_way("other")).url == ""


async def test_what_a_person_has_set_aside_or_cancelled_is_not_tried(store: Store) -> None:
    for verb, reason in ((Verb.HOLD, "held"), (Verb.CANCEL, "failed")):
        lead_id = await absorbed(store)
        delivery = (await standing(store, lead_id)).delivery_id
        await store.apply(verb, Selection(refs=(lead_id,)), reason="no", actor="ada")
        assert (await standing(store, lead_id)).reason == reason
        assert await claim(store, among=[delivery]) == []


async def test_a_lead_without_the_wanted_destination_has_no_route(store: Store) -> None:
    lead_id = await absorbed(store, destinations=("crm", "mail"))
    assert (await standing(store, lead_id, "nobody")).reason == "no_route"
    assert (await standing(store, lead_id, "mail")).destination == "mail"
    assert (await standing(store, lead_id)).destination == "crm"
    quarantined = a_quarantined_lead()
    await store.absorb(a_batch(quarantined))
    lead_id = str(UUID(bytes=quarantined.record.lead_id))
    assert (await standing(store, lead_id)).reason == "no_route"


async def test_a_claim_by_name_is_for_its_own_destination_only(store: Store) -> None:
    lead_id = await absorbed(store, destinations=("crm",))
    delivery = (await standing(store, lead_id)).delivery_id
    assert await claim(store, "mail", among=[delivery]) == []
    assert await claim(store, "crm", among=[]) == []


# -------------------------------------------------------------------------- pings


def a_ping(**overrides: Any) -> Any:
    values = {"kind": RecordKind.PING, "lead_number": 0, "target": b"/ping?zip=1", "source": "v"}
    return a_record(**(values | overrides))


def came_of(ping: Any, **overrides: Any) -> PingOutcome:
    values: dict[str, Any] = {
        "ping_id": str(UUID(bytes=ping.lead_id)),
        "destination": "bids",
        "started_at_ms": NOW_MS,
        "duration_ms": 12,
        "result": "answered",
        "message": "",
        "response_status": 200,
        "response_body": b'{"bid": 1}',
    }
    return PingOutcome(**(values | overrides))


async def test_a_ping_is_kept_with_what_came_of_it_whichever_comes_first(store: Store) -> None:
    early, late = a_ping(), a_ping()
    await store.record_pings([came_of(early)])
    await store.absorb(a_batch(notices=(early, late)))
    await store.record_pings([came_of(late, result="timeout", response_status=None)])
    newest, oldest = await store.pings(limit=10)
    assert (newest.result, newest.response_status) == ("timeout", None)
    assert (oldest.result, oldest.response_body) == ("answered", b'{"bid": 1}')
    assert (oldest.path, oldest.source, oldest.destination) == ("/ping", "v", "bids")


async def test_a_ping_is_no_lead_and_no_notice(store: Store) -> None:
    await store.absorb(a_batch(notices=(a_ping(),)))
    assert sum((await store.counts()).values()) == 0
    assert await store.lead_count() == 0
    assert sum((await store.notice_counts()).values()) == 0
    assert await store.flaws() == []
    (progress,) = (await store.progress()).values()
    assert (progress.pings, progress.leads, progress.probes) == (1, 0, 0)


async def test_a_ping_that_stands_in_two_journals_is_kept_once(store: Store) -> None:
    ping = a_ping()
    await store.absorb(a_batch(notices=(ping,)))
    await store.absorb(a_batch(notices=(ping,)))
    await store.record_pings([came_of(ping), came_of(ping, result="timeout")])
    (only,) = await store.pings(limit=10)
    assert only.result == "answered"


async def test_a_ping_of_which_nothing_is_heard_is_unanswered(store: Store) -> None:
    await store.absorb(a_batch(notices=(a_ping(),)))
    (only,) = await store.pings(limit=10)
    assert (only.result, only.destination, only.duration_ms) == ("unanswered", "", None)


async def test_pings_are_found_by_source_and_id_page_by_page(store: Store) -> None:
    pings = [a_ping(source="v" if number % 2 else "w") for number in range(6)]
    await store.absorb(a_batch(notices=tuple(pings)))
    assert len(await store.pings(limit=10, source="v")) == 3
    wanted = str(UUID(bytes=pings[2].lead_id))
    assert [one.ping_id for one in await store.pings(limit=10, ping_id=wanted)] == [wanted]
    first = await store.pings(limit=4)
    rest = await store.pings(limit=4, after=first[-1].number)
    assert [one.number for one in (*first, *rest)] == [6, 5, 4, 3, 2, 1]


async def test_old_pings_are_forgotten_and_younger_ones_stay(store: Store) -> None:
    old, young = a_ping(), a_ping()
    of_1970 = msgspec.structs.replace(old, lead_id=bytes(6) + old.lead_id[6:])
    await store.absorb(a_batch(notices=(of_1970, young)))
    await store.record_pings([came_of(of_1970), came_of(young)])
    while await store.prune_pings(before_ms=1_000):
        pass
    assert [one.ping_id for one in await store.pings(limit=10)] == [str(UUID(bytes=young.lead_id))]
    _, rows = await store.query("SELECT COUNT(*) FROM ping_outcomes", limit=1)
    assert rows == [(1,)]
