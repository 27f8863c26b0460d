"""Whatever two workers, a person and the clock do, the store and the model agree after each step.

The same machine, run with fencing taken out of the store, must find the difference.
"""

import asyncio
from collections.abc import Coroutine, Iterator
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from leadkeep.models import AbsorbBatch, Claim, Contact, LeadPart, NewLead, Selection, SetAside
from leadkeep.states import Status, Verb
from leadkeep.store.base import Store
from leadkeep.store.sqlite.connections import SQL
from tests.fakes.clock import FakeClock
from tests.store.builders import (
    BODY,
    a_batch,
    a_lead,
    a_quarantined_lead,
    an_outcome,
    an_unrouted_lead,
)
from tests.store.conformance.queue_model import QueueModel, Row
from tests.store.engines import ENGINES, Engine, Place, PostgresEngine, SqliteEngine

T = TypeVar("T")

EVERYTHING = Selection(everything=True)
LEASE_MS = 60_000
LONGEST_WAIT_MS = 900_000
DESTINATIONS = ("crm", "dialer")
WORKERS = ("worker-1", "worker-2")
OUTCOMES = (Status.COMPLETED, Status.PENDING, Status.FAILED)
PARTS = (LeadPart(Contact(), b'{"n":1}'), LeadPart(Contact(), b'{"n":2}'))

QUICK = settings(
    max_examples=40,
    stateful_step_count=25,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)


def some_leads() -> st.SearchStrategy[list[NewLead]]:
    kinds = st.sampled_from(("crm", "both", "unrouted", "quarantined", "split", "unrouted split"))
    return st.lists(kinds.map(_a_lead_of_kind), min_size=1, max_size=3)


def _a_lead_of_kind(kind: str) -> NewLead:
    if kind == "unrouted":
        return an_unrouted_lead()
    if kind == "unrouted split":
        return an_unrouted_lead(parts=PARTS, splits=True)
    if kind == "split":
        return a_lead(destinations=DESTINATIONS, parts=PARTS, splits=True)
    if kind == "quarantined":
        return a_quarantined_lead()
    return a_lead(destinations=DESTINATIONS if kind == "both" else ("crm",))


class StoreMachine(RuleBasedStateMachine):
    """Two workers, each with its own handle on one database; a person; and the clock."""

    engine: Engine
    place: Place

    def __init__(self) -> None:
        super().__init__()
        self._loop = asyncio.new_event_loop()
        self.clock = FakeClock()
        self.model = QueueModel(self.clock)
        self.stores: list[Store] = []
        self.claims: list[Claim] = []
        self.batches: list[AbsorbBatch] = []
        self.leads = 0

    @initialize()
    def open(self) -> None:
        self.place = self._do(self.engine.new_place())
        for _ in WORKERS:
            self.stores.append(self._do(self.place.open(self.clock)))

    def teardown(self) -> None:
        for store in self.stores:
            self._do(store.close())
        self._loop.run_until_complete(self._loop.shutdown_default_executor())
        self._loop.close()

    def _do(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return self._loop.run_until_complete(coroutine)

    # ------------------------------------------------------------ absorbing

    @rule(leads=some_leads(), worker=st.sampled_from((0, 1)))
    def absorb(self, leads: list[NewLead], worker: int) -> None:
        batch = a_batch(*leads)
        report = self._do(self.stores[worker].absorb(batch))
        assert (report.absorbed, report.moved) == (len(leads), True)
        self.batches.append(batch)
        self.leads += len(leads)
        for lead in sorted(leads, key=lambda lead: lead.splits):
            for part in range(1, len(lead.parts) + 1) if lead.splits else (0,):
                for destination in lead.destinations or (None,):
                    self._expect_new(destination, part, held=bool(lead.hold_reason))

    @precondition(lambda self: self.batches)
    @rule(data=st.data())
    def absorb_again(self, data: st.DataObject) -> None:
        batch = data.draw(st.sampled_from(self.batches))
        assert not self._do(self.stores[0].absorb(batch)).moved
        copy = self._do(self.stores[1].absorb(a_batch(*batch.leads)))
        assert (copy.absorbed, copy.already_known) == (0, len(batch.leads))

    @rule()
    def adopt_unrouted(self) -> None:
        adopted = self._do(self.stores[0].adopt_unrouted(["crm"]))
        views = self._do(self.stores[0].find(EVERYTHING, limit=10_000))
        now_routed = {view.delivery_id: view.destination for view in views}
        changed = 0
        for number, row in self.model.rows.items():
            if row.destination is None and now_routed[number] is not None:
                assert row.status in {Status.PENDING, Status.HELD}
                row.destination = "crm"
                changed += 1
        assert adopted == changed
        if changed == 0:
            assert not any(
                row.destination is None and row.status is Status.PENDING
                for row in self.model.rows.values()
            )

    def _expect_new(self, destination: str | None, part: int = 0, *, held: bool) -> None:
        self.model.rows[len(self.model.rows) + 1] = Row(
            destination,
            Status.HELD if held else Status.PENDING,
            None if held else self.clock.now_ms,
            part=part,
        )

    # ------------------------------------------------------------ delivering

    @rule(
        worker=st.sampled_from((0, 1)),
        destination=st.sampled_from(DESTINATIONS),
        limit=st.integers(1, 4),
    )
    def claim(self, worker: int, destination: str, limit: int) -> None:
        due = self.model.due(destination, LONGEST_WAIT_MS)
        claims = self._do(
            self.stores[worker].claim(
                destination,
                limit=limit,
                lease_ms=LEASE_MS,
                longest_wait_ms=LONGEST_WAIT_MS,
                worker=WORKERS[worker],
            )
        )
        assert len(claims) == min(limit, len(due))
        assert {one.delivery_id for one in claims} <= due
        for one in claims:
            row = self.model.claim(one.delivery_id, LEASE_MS)
            assert (one.fence, one.attempt, one.part) == (row.fence, row.attempts, row.part)
            assert one.body == (PARTS[one.part - 1].body if one.part else BODY)
        self.claims += claims

    @precondition(lambda self: self.claims)
    @rule(
        data=st.data(),
        worker=st.sampled_from((0, 1)),
        status=st.sampled_from(OUTCOMES),
        wait_seconds=st.integers(0, 600),
    )
    def record(self, data: st.DataObject, worker: int, status: Status, wait_seconds: int) -> None:
        claim = data.draw(st.sampled_from(self.claims))
        self._record_one(claim, status, wait_seconds, worker)

    def _record_one(self, claim: Claim, status: Status, wait_seconds: int, worker: int = 0) -> None:
        due_at_ms = self.clock.now_ms + wait_seconds * 1_000
        outcome = an_outcome(
            claim, status, next_attempt_at_ms=due_at_ms if status is Status.PENDING else None
        )
        expected = self.model.record(claim, outcome)
        (recorded,) = self._do(self.stores[worker].record([outcome]))
        assert (recorded.stale, recorded.status) == expected

    @precondition(lambda self: self.claims)
    @rule(data=st.data())
    def release(self, data: st.DataObject) -> None:
        self._release_one(data.draw(st.sampled_from(self.claims)))

    def _release_one(self, claim: Claim) -> None:
        assert self._do(self.stores[0].release([claim])) == self.model.release(claim)

    @precondition(lambda self: self.claims)
    @rule(data=st.data(), worker=st.sampled_from((0, 1)))
    def set_aside(self, data: st.DataObject, worker: int) -> None:
        self._set_one_aside(data.draw(st.sampled_from(self.claims)), worker)

    def _set_one_aside(self, claim: Claim, worker: int = 0) -> None:
        expected = self.model.set_aside(claim)
        refused = SetAside(claim.delivery_id, claim.fence, "it cannot be sent")
        (recorded,) = self._do(self.stores[worker].set_aside([refused], actor=WORKERS[worker]))
        assert (recorded.stale, recorded.status) == expected

    @precondition(lambda self: self.claims)
    @rule(data=st.data())
    def renew(self, data: st.DataObject) -> None:
        claim = data.draw(st.sampled_from(self.claims))
        lost = self._do(self.stores[1].renew([claim], lease_ms=LEASE_MS))
        assert lost == ([] if self.model.renew(claim, LEASE_MS) else [claim])

    @rule(seconds=st.sampled_from((0, 61)))
    def rescue(self, seconds: int) -> None:
        self.clock.advance(seconds)
        assert self._do(self.stores[0].rescue()) == self.model.rescue()

    @rule(destination=st.sampled_from(DESTINATIONS), limit=st.integers(1, 2))
    def a_worker_hangs_and_another_takes_over(self, destination: str, limit: int) -> None:
        self.claim(0, destination, limit)
        self.rescue(61)
        self.claim(1, destination, limit)

    @rule(
        destination=st.sampled_from(DESTINATIONS),
        late=st.sampled_from(("releases", "sets aside", *OUTCOMES)),
    )
    def a_worker_comes_back_too_late(self, destination: str, late: str) -> None:
        before = len(self.claims)
        self.a_worker_hangs_and_another_takes_over(destination, limit=1)
        for claim in self.claims[before : before + 1]:
            if late == "releases":
                self._release_one(claim)
            elif late == "sets aside":
                self._set_one_aside(claim)
            else:
                self._record_one(claim, Status(late), 0)

    @rule(destination=st.sampled_from(DESTINATIONS), limit=st.integers(1, 2))
    def the_machine_reboots_while_a_worker_works(self, destination: str, limit: int) -> None:
        self.claim(0, destination, limit)
        self.clock.reboot()
        self.rescue(0)

    # ------------------------------------------------------------ a person and the clock

    @rule(
        verb=st.sampled_from((Verb.HOLD, Verb.RESUME, Verb.RETRY, Verb.CANCEL)),
        statuses=st.sampled_from([(), *((status,) for status in Status)]),
    )
    def apply(self, verb: Verb, statuses: tuple[Status, ...]) -> None:
        selection = Selection(statuses=statuses, everything=True)
        changed = self._do(self.stores[1].apply(verb, selection, reason="", actor="ada"))
        assert changed == self.model.apply(verb, statuses)

    @rule(name=st.sampled_from(DESTINATIONS), hold=st.booleans())
    def hold_or_resume_destination(self, name: str, hold: bool) -> None:
        if hold:
            self._do(self.stores[0].hold_destination(name, reason="", actor="ada"))
            self.model.held_destinations.add(name)
        else:
            self._do(self.stores[1].resume_destination(name, actor="ada"))
            self.model.held_destinations.discard(name)

    @rule(seconds=st.sampled_from((1, 30, 600)))
    def time_passes(self, seconds: int) -> None:
        self.clock.advance(seconds)

    @rule(days=st.sampled_from((-3_650, -1, 1, 3_650)))
    def somebody_sets_the_clock(self, days: int) -> None:
        self.clock.jump(days * 86_400)

    @rule()
    def reboot(self) -> None:
        self.clock.reboot()

    # ------------------------------------------------------------ after each step

    @invariant()
    def every_delivery_is_where_the_model_has_it(self) -> None:
        if not self.stores:
            return
        views = self._do(self.stores[0].find(EVERYTHING, limit=10_000))
        found = {
            view.delivery_id: (
                view.destination,
                view.status,
                view.attempts,
                view.next_attempt_at_ms,
                view.part,
            )
            for view in views
        }
        assert found == {
            number: (row.destination, row.status, row.attempts, row.next_attempt_at_ms, row.part)
            for number, row in self.model.rows.items()
        }

    @invariant()
    def counters_are_what_is_counted(self) -> None:
        if self.stores:
            assert self._do(self.stores[1].counts()) == self.model.counts()

    @invariant()
    def no_lead_and_no_try_is_lost(self) -> None:
        if not self.stores:
            return
        sql = "SELECT (SELECT count(*) FROM leads), (SELECT count(*) FROM attempts)"
        _, rows = self._do(self.stores[0].query(sql, limit=1))
        assert rows == [(self.leads, sum(len(row.tries) for row in self.model.rows.values()))]


@pytest.fixture
def in_memory() -> Iterator[SqliteEngine]:
    """SQLite on what is no disk."""
    engine = SqliteEngine()
    yield engine
    engine.close()


@pytest.fixture(params=ENGINES)
def each_engine(request: pytest.FixtureRequest, in_memory: SqliteEngine) -> Engine:
    """Both, each where it is fastest."""
    if request.param == "sqlite":
        return in_memory
    return PostgresEngine(request.getfixturevalue("cluster"))


def examples(engine: Engine, number: int) -> settings:
    """So many for SQLite, and fewer where each step asks a server."""
    return settings(QUICK, max_examples=number if engine.name == "sqlite" else number // 6)


def on(engine: Engine, machine: type[StoreMachine]) -> type[StoreMachine]:
    """The machine on an engine."""
    return type(machine.__name__, (machine,), {"engine": engine})


def test_the_store_does_what_the_model_does(each_engine: Engine) -> None:
    run_state_machine_as_test(on(each_engine, StoreMachine), settings=examples(each_engine, 40))


@pytest.mark.parametrize(
    ("statement", "fencing", "nothing"),
    [
        ("move_recorded", "AND fence = :fence", "AND fence >= :fence"),
        ("release", "AND fence = :fence", "AND fence >= :fence"),
        ("set_aside", "AND fence = :fence", "AND fence >= :fence"),
        ("due", "AND next_attempt_at_ms <= :now_ms", "AND next_attempt_at_ms < :now_ms"),
        ("rescue", "lease_boot_id <> :boot_id OR", "0 OR"),
    ],
)
def test_the_model_notices_a_store_without_its_guards(
    statement: str,
    fencing: str,
    nothing: str,
    in_memory: SqliteEngine,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    unguarded = SQL[statement].replace(fencing, nothing)
    assert unguarded != SQL[statement]
    monkeypatch.setitem(SQL, statement, unguarded)
    with pytest.raises(AssertionError):
        run_state_machine_as_test(
            on(in_memory, StoreMachine),
            settings=settings(QUICK, max_examples=500, phases=[Phase.generate]),
        )
