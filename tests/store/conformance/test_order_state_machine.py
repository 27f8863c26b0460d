"""Whatever workers, a person and the clock do, leads of one key keep their order.

The machine of `test_store_state_machine`, with leads in lines and leads that refer to others. The
same machine, run with the lines' guards taken out of the store, must find the difference.
"""

from typing import Any

import apsw
import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from leadkeep.errors import StoreError
from leadkeep.models import LeadOrder, NewLead
from leadkeep.states import Status
from leadkeep.store.sqlite.connections import SQL
from leadkeep.walltime import WallTime
from tests.store.builders import a_batch, a_lead
from tests.store.conformance.order_model import WAIT_MS, Ordered, OrderModel
from tests.store.conformance.test_store_state_machine import (
    DESTINATIONS,
    EVERYTHING,
    LEASE_MS,
    LONGEST_WAIT_MS,
    QUICK,
    WORKERS,
    StoreMachine,
    each_engine,
    examples,
    in_memory,
    on,
)
from tests.store.engines import Engine, SqliteEngine, SqlitePlace

__all__ = ["each_engine", "in_memory"]

KEYS = (b"a" * 16, b"b" * 16)


class OrderMachine(StoreMachine):
    """Leads of two keys at two destinations, and follow-ups of leads past and to come."""

    model: OrderModel

    def __init__(self) -> None:
        super().__init__()
        self.model = OrderModel(self.clock)
        self.wall = WallTime(self.clock)
        self.known: list[int] = []
        self.meant: dict[int, int] = {}
        """Lead number → number of the lead it refers to."""

    # ------------------------------------------------------------ absorbing

    @rule(
        keys=st.lists(st.sampled_from(KEYS), min_size=1, max_size=4),
        both=st.booleans(),
        worker=st.sampled_from((0, 1)),
    )
    def absorb_in_lines(self, keys: list[bytes], both: bool, worker: int) -> None:
        leads = [self._a_lead(LeadOrder(key=key, wait_ms=WAIT_MS), both) for key in keys]
        self._absorb_ordered(leads, worker)

    @precondition(lambda self: self.known)
    @rule(data=st.data(), key=st.sampled_from((*KEYS, None)), by_id=st.booleans())
    def absorb_a_follow_up(self, data: st.DataObject, key: bytes | None, by_id: bool) -> None:
        meant = data.draw(st.sampled_from(self.known))
        self._absorb_ordered([self._a_follow_up(meant, key, by_id=by_id)], 0)

    @rule(key=st.sampled_from((*KEYS, None)), wait=st.booleans())
    def a_follow_up_comes_before_its_lead(self, key: bytes | None, wait: bool) -> None:
        order = LeadOrder(key=key, wait_ms=WAIT_MS) if key else None
        later = self._a_lead(order, both=False)
        self._absorb_ordered([self._a_follow_up(later.record.lead_number, key)], 0)
        if wait:
            self.time_passes(600)
        self._absorb_ordered([later], 1)

    @rule(both_keys=st.sampled_from(((None, None), (KEYS[0], KEYS[0]), KEYS)))
    def two_leads_refer_to_each_other(self, both_keys: tuple[bytes | None, bytes | None]) -> None:
        other = a_lead(destinations=("crm",))
        one = self._a_follow_up(other.record.lead_number, both_keys[0])
        back = self._a_follow_up(one.record.lead_number, both_keys[1], record=other.record)
        self._absorb_ordered([one, back], 1)

    @rule()
    def a_lead_refers_to_itself(self) -> None:
        own = a_lead(destinations=("crm",))
        number = own.record.lead_number
        self._absorb_ordered([self._a_follow_up(number, None, record=own.record)], 0)

    def _a_lead(self, order: LeadOrder | None, both: bool) -> NewLead:
        return a_lead(destinations=DESTINATIONS if both else ("crm",), order=order)

    def _a_follow_up(
        self, meant: int, key: bytes | None, *, by_id: bool = False, **overrides: Any
    ) -> NewLead:
        lead = a_lead(destinations=("crm",), **overrides)
        refers_to = str(meant)
        if by_id:
            sql = f"SELECT lead_id FROM lead_queue WHERE lead_number = {meant}"
            _, ((refers_to,),) = self._do(self.stores[0].query(sql, limit=1))
        own_line = lead.record.lead_number.to_bytes(16, "big")
        order = LeadOrder(key=key or own_line, wait_ms=WAIT_MS, refers_to=refers_to)
        self.meant[lead.record.lead_number] = meant
        return a_lead(record=lead.record, destinations=("crm",), order=order)

    def _absorb_ordered(self, leads: list[NewLead], worker: int) -> None:
        batch = a_batch(*leads)
        assert self._do(self.stores[worker].absorb(batch)).absorbed == len(leads)
        self.batches.append(batch)
        self.leads += len(leads)
        for lead in leads:
            number = lead.record.lead_number
            self.known.append(number)
            for destination in lead.destinations:
                delivery = len(self.model.rows) + 1
                self._expect_new(destination, held=False)
                self.model.numbers[delivery] = number
                if lead.order is None:
                    continue
                refers_to = self.meant.get(number)
                self.model.ordered[delivery] = Ordered(
                    number,
                    lead.order.key,
                    self.clock.now_ms,
                    refers_to,
                    awaits=None if refers_to is None else 0,
                )
        self.model.resolve()

    # ------------------------------------------------------------ delivering

    @rule(
        worker=st.sampled_from((0, 1)),
        destination=st.sampled_from(DESTINATIONS),
        limit=st.integers(1, 4),
    )
    def claim(self, worker: int, destination: str, limit: int) -> None:
        self.model.steady_since_ms = self.wall.steady_since_us() // 1_000
        due = self.model.due(destination, LONGEST_WAIT_MS)
        claims = self._do(
            self.stores[worker].claim(
                destination,
                limit=limit,
                lease_ms=LEASE_MS,
                longest_wait_ms=LONGEST_WAIT_MS,
                worker=WORKERS[worker],
                steady_since_ms=self.model.steady_since_ms,
            )
        )
        assert len(claims) == min(limit, len(due))
        assert {one.delivery_id for one in claims} <= due
        for one in claims:
            row = self.model.claim(one.delivery_id, LEASE_MS)
            assert (one.fence, one.attempt) == (row.fence, row.attempts)
            assert one.out_of_order == self.model.out_of_order.get(one.delivery_id, "")
            assert one.in_line or one.delivery_id not in self.model.ordered
        self.claims += claims

    @rule(destination=st.sampled_from(DESTINATIONS), seconds=st.sampled_from((890, 901)))
    def patience_ends(self, destination: str, seconds: int) -> None:
        self.claim(0, destination, 1)
        self.clock.advance(seconds)
        self.claim(1, destination, 4)

    @rule(wait_seconds=st.sampled_from((0, 300, 899)))
    def all_under_way_fail(self, wait_seconds: int) -> None:
        for claim in list(self.claims):
            if self.model.is_ours(claim):
                self._record_one(claim, Status.PENDING, wait_seconds)

    @rule()
    def all_under_way_is_delivered(self) -> None:
        for claim in list(self.claims):
            if self.model.is_ours(claim):
                self._record_one(claim, Status.COMPLETED, 0)

    @rule(key=st.sampled_from(KEYS))
    def a_lead_is_delivered_and_then_its_follow_up(self, key: bytes) -> None:
        lead = self._a_lead(None, both=False)
        self._absorb_ordered([lead, self._a_follow_up(lead.record.lead_number, key)], 0)
        for _ in range(2):
            self.claim(0, "crm", 4)
            self.all_under_way_is_delivered()

    @rule(key=st.sampled_from(KEYS))
    def a_lead_overtakes_another_that_fails(self, key: bytes) -> None:
        self.absorb_in_lines([key, key], False, 0)
        self.claim(0, "crm", 4)
        self.clock.advance(100)
        self.all_under_way_fail(899)
        self.clock.advance(810)
        self.claim(1, "crm", 4)
        self.all_under_way_is_delivered()
        self.clock.advance(100)
        self.claim(1, "crm", 4)

    # ------------------------------------------------------------ after each step

    @invariant()
    def no_two_of_a_line_are_under_way(self) -> None:
        for number, row in self.model.rows.items():
            if row.status is Status.PROCESSING and number in self.model.ordered:
                line = self.model.line_of(number)
                under_way = [n for n in line if self.model.rows[n].status is Status.PROCESSING]
                assert under_way == [number]

    @invariant()
    def flags_are_where_the_model_has_them(self) -> None:
        if not self.stores:
            return
        views = self._do(self.stores[0].find(EVERYTHING, limit=10_000))
        flags = {view.delivery_id: view.out_of_order for view in views if view.out_of_order}
        assert flags == self.model.out_of_order
        assert all((view.waits_for_lead is None) == (view.waits_until_ms is None) for view in views)

    @invariant()
    def nobody_is_forgotten(self) -> None:
        if self.stores:
            assert self._do(self.stores[1].flaws()) == []


def test_leads_of_one_key_keep_their_order_whatever_happens(each_engine: Engine) -> None:
    run_state_machine_as_test(on(each_engine, OrderMachine), settings=examples(each_engine, 60))


@pytest.mark.parametrize(
    ("trigger", "guard", "nothing"),
    [
        ("say_whose_turn_it_is", "CASE WHEN under_way IS NULL THEN", "CASE WHEN 1 THEN"),
        ("say_whose_turn_it_is", "ORDER BY p.number LIMIT 1", "ORDER BY p.number DESC LIMIT 1"),
        ("say_whose_turn_it_is", "CASE WHEN p.awaits IS NULL THEN", "CASE WHEN 1 THEN"),
        (
            "take_the_place",
            "max(new.at_ms + (SELECT wait_ms",
            "max(new.at_ms + 0 * (SELECT wait_ms",
        ),
        ("keep_the_place", "new.after IN ('completed', 'cancelled')", "0"),
        ("keep_the_place", "THEN max(furthest,", "THEN min(furthest,"),
    ],
)
def test_the_model_notices_lines_without_their_guards(
    trigger: str, guard: str, nothing: str, in_memory: SqliteEngine
) -> None:
    class Unguarded(OrderMachine):
        @initialize()
        def open(self) -> None:
            super().open()
            assert isinstance(self.place, SqlitePlace)
            connection = apsw.Connection(str(self.place.path))
            where = "FROM sqlite_schema WHERE type = 'trigger' AND name = ?"
            sql = str(connection.execute(f"SELECT sql {where}", (trigger,)).fetchall()[0][0])
            assert guard in sql
            connection.execute(f"DROP TRIGGER {trigger}; {sql.replace(guard, nothing)}")
            connection.close()

    with pytest.raises((AssertionError, StoreError)):
        run_state_machine_as_test(
            on(in_memory, Unguarded),
            settings=settings(QUICK, max_examples=500, phases=[Phase.generate]),
        )


@pytest.mark.parametrize(
    ("statement", "guard", "nothing"),
    [
        ("due", "AND behind IS NOT 1", ""),
        ("out_of_patience", "p.since_ms >= :steady_since_ms", "1"),
        (
            "out_of_patience",
            "s.overtakes_at_ms <= :now_ms",
            "s.overtakes_at_ms < :now_ms - 1e6",
        ),
        ("out_of_time", "latest_since_ms > :now_ms", "latest_since_ms > 9e18 + :now_ms"),
        ("comes_round", "WHERE delivery = :delivery", "WHERE 0"),
        ("stir_line", "stirred + 1 WHERE id = :line", "stirred + 1 WHERE id = -:line"),
    ],
)
def test_the_model_notices_claims_without_their_guards(
    statement: str,
    guard: str,
    nothing: str,
    in_memory: SqliteEngine,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    unguarded = SQL[statement].replace(guard, nothing)
    assert unguarded != SQL[statement]
    monkeypatch.setitem(SQL, statement, unguarded)
    with pytest.raises((AssertionError, StoreError)):
        run_state_machine_as_test(
            on(in_memory, OrderMachine),
            settings=settings(QUICK, max_examples=500, phases=[Phase.generate]),
        )
