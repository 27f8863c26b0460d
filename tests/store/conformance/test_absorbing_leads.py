"""Absorbing is exactly once, whatever is read again, and refuses one bad lead as a whole."""

from uuid import uuid4

import msgspec
import pytest

from leadkeep.errors import RecordRefused
from leadkeep.models import Contact, Position, Record, RecordFlag, RecordKind, Selection
from leadkeep.states import Disposition, Status, Verb
from leadkeep.store.base import Store
from tests.fakes.clock import FakeClock
from tests.store.builders import (
    a_batch,
    a_lead,
    a_probe,
    a_quarantined_lead,
    a_record,
    an_unrouted_lead,
)

EVERYTHING = Selection(everything=True)


def lead_id_of(record: Record) -> str:
    text = record.lead_id.hex()
    return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))


async def test_what_was_received_is_stored_byte_for_byte(store: Store, clock: FakeClock) -> None:
    record = a_record(
        body=b"\x00\xff not text",
        target=b"/a%20b?x=\xe9",
        headers=b"X: 1\r\nx: 2\r\n",
        method="PUT",
        flags=RecordFlag.TLS,
        received_at_us=1_786_802_449_999_999,
    )
    batch = a_batch(a_lead(record=record, payload_text="hex: 00 ff"), expected_offset=0)

    report = await store.absorb(batch)

    assert (report.absorbed, report.already_known, report.renumbered) == (1, 0, 0)
    assert report.moved
    lead = await store.lead(lead_id_of(record))
    assert lead.body == record.body
    assert lead.target == record.target
    assert lead.headers == record.headers
    assert lead.method == "PUT"
    assert lead.lead_number == record.lead_number
    assert lead.received_at_ms == 1_786_802_449_999
    assert lead.absorbed_at_ms == clock.now_ms
    assert lead.payload_text == "hex: 00 ff"
    assert lead.acknowledged
    assert lead.disposition is Disposition.ROUTED
    assert lead.contact.name == "Ada Example"
    assert lead.position == Position(batch.progress.segment, 0)


async def test_without_a_payload_text_the_body_is_the_text(store: Store) -> None:
    record = a_record(body='{"name":"Zoë"}'.encode())
    await store.absorb(a_batch(a_lead(record=record)))
    assert (await store.lead(str(record.lead_number))).payload_text == '{"name":"Zoë"}'


async def test_every_destination_gets_a_delivery_of_its_own(store: Store, clock: FakeClock) -> None:
    await store.absorb(a_batch(a_lead(destinations=("crm", "dialer"))))
    deliveries = await store.find(EVERYTHING, limit=10)
    assert {one.destination for one in deliveries} == {"crm", "dialer"}
    assert {one.status for one in deliveries} == {Status.PENDING}
    assert {one.next_attempt_at_ms for one in deliveries} == {clock.now_ms}


async def test_a_lead_without_destination_waits_once(store: Store) -> None:
    await store.absorb(a_batch(an_unrouted_lead()))
    (delivery,) = await store.find(EVERYTHING, limit=10)
    assert delivery.destination is None
    assert delivery.status is Status.PENDING


async def test_a_lead_with_a_hold_reason_starts_held_and_says_why(store: Store) -> None:
    await store.absorb(a_batch(a_quarantined_lead()))
    (delivery,) = await store.find(EVERYTHING, limit=10)
    assert delivery.status is Status.HELD
    assert delivery.error_message == "no source claims the path /nowhere"


async def test_the_same_batch_twice_is_stored_once(store: Store) -> None:
    batch = a_batch(a_lead(), a_lead(), notices=(a_probe(),))
    await store.absorb(batch)

    again = await store.absorb(batch)

    assert not again.moved
    assert (again.absorbed, again.already_known) == (0, 0)
    assert (await store.counts())[Status.PENDING] == 2
    assert (await store.notice_counts())["probe"] == 1


async def test_of_two_absorbers_at_one_position_only_one_writes(store: Store) -> None:
    segment = uuid4()
    first = a_batch(a_lead(), segment=segment)
    second = a_batch(a_lead(), segment=segment)

    moved = [(await store.absorb(batch)).moved for batch in (first, second)]

    assert moved == [True, False]
    assert (await store.counts())[Status.PENDING] == 1


async def test_a_batch_goes_on_where_the_one_before_ended(store: Store) -> None:
    segment = uuid4()
    await store.absorb(a_batch(a_lead(), segment=segment))
    report = await store.absorb(
        a_batch(a_lead(), segment=segment, expected_offset=4096, finished=True, leads=2)
    )
    assert report.moved
    progress = (await store.progress())[segment]
    assert (progress.offset, progress.finished, progress.leads) == (8192, True, 2)
    assert progress.journal == "journal"


async def test_a_record_found_in_two_journals_is_one_lead(store: Store) -> None:
    lead = a_lead()
    await store.absorb(a_batch(lead))

    report = await store.absorb(a_batch(lead, a_lead()))

    assert (report.absorbed, report.already_known, report.moved) == (1, 1, True)
    assert (await store.counts())[Status.PENDING] == 2


async def test_a_record_twice_in_one_batch_is_one_lead(store: Store) -> None:
    lead = a_lead()
    report = await store.absorb(a_batch(lead, lead))
    assert (report.absorbed, report.already_known) == (1, 1)


async def test_an_acknowledged_copy_frees_what_was_held_as_unacknowledged(store: Store) -> None:
    record = a_record()
    unknown = a_lead(
        record=record,
        acknowledged=False,
        disposition=Disposition.QUARANTINED,
        destinations=(),
        hold_reason="nobody is known to have been told 2xx",
    )
    await store.absorb(a_batch(unknown))

    report = await store.absorb(a_batch(a_lead(record=record, destinations=("crm", "dialer"))))

    assert (report.absorbed, report.already_known) == (0, 1)
    deliveries = await store.find(EVERYTHING, limit=10)
    assert {one.destination for one in deliveries} == {"crm", "dialer"}
    assert {one.status for one in deliveries} == {Status.PENDING}
    lead = await store.lead(str(record.lead_number))
    assert lead.acknowledged
    assert lead.disposition is Disposition.ROUTED


async def test_an_acknowledged_copy_frees_a_routed_lead_too(store: Store) -> None:
    record = a_record()
    await store.absorb(a_batch(a_lead(record=record, acknowledged=False, hold_reason="not told")))
    await store.absorb(a_batch(a_lead(record=record)))
    (delivery,) = await store.find(EVERYTHING, limit=10)
    assert delivery.status is Status.PENDING


async def test_an_acknowledged_copy_does_not_undo_what_a_person_decided(store: Store) -> None:
    record = a_record()
    await store.absorb(a_batch(a_lead(record=record, acknowledged=False, hold_reason="not told")))
    await store.apply(Verb.CANCEL, EVERYTHING, reason="junk", actor="ada")

    await store.absorb(a_batch(a_lead(record=record, destinations=("default", "crm"))))

    (delivery,) = await store.find(EVERYTHING, limit=10)
    assert delivery.status is Status.CANCELLED


async def test_an_unacknowledged_copy_changes_nothing(store: Store) -> None:
    record = a_record()
    await store.absorb(a_batch(a_lead(record=record)))
    await store.absorb(a_batch(a_lead(record=record, acknowledged=False, hold_reason="not told")))
    assert (await store.lead(str(record.lead_number))).acknowledged
    assert (await store.counts())[Status.PENDING] == 1


@pytest.mark.parametrize("in_one_batch", [True, False])
async def test_a_number_that_is_taken_is_replaced_by_a_higher_one(
    store: Store, clock: FakeClock, in_one_batch: bool
) -> None:
    number = clock.now_ms + 5_000
    first, second = a_lead(lead_number=number), a_lead(lead_number=number)

    if in_one_batch:
        report = await store.absorb(a_batch(first, second))
    else:
        await store.absorb(a_batch(first))
        report = await store.absorb(a_batch(second))

    assert report.renumbered == 1
    assert (await store.lead(lead_id_of(first.record))).lead_number == number
    assert (await store.lead(lead_id_of(second.record))).lead_number == number + 1
    assert await store.highest_lead_number() == number + 1


async def test_a_lead_without_number_gets_one_of_13_digits(store: Store, clock: FakeClock) -> None:
    later = a_lead(lead_number=clock.now_ms + 10)
    without = [a_lead(lead_number=0), a_lead(lead_number=0)]

    report = await store.absorb(a_batch(*without, later))

    assert report.renumbered == 2
    numbers = [(await store.lead(lead_id_of(one.record))).lead_number for one in without]
    assert numbers == [clock.now_ms + 11, clock.now_ms + 12]


async def test_a_new_number_is_above_the_time(store: Store, clock: FakeClock) -> None:
    await store.absorb(a_batch(a_lead(lead_number=0)))
    assert await store.highest_lead_number() == clock.now_ms + 1


async def test_a_number_from_the_epoch_still_has_13_digits(store: Store, clock: FakeClock) -> None:
    clock.jump(-clock.now_us() / 1_000_000)
    await store.absorb(a_batch(a_lead(lead_number=0)))
    assert len(str(await store.highest_lead_number())) == 13


@pytest.mark.parametrize(
    "bad",
    [
        pytest.param({"lead_id": b"short"}, id="an id that is no UUID"),
        pytest.param({"lead_number": 17}, id="a number that has not 13 digits"),
        pytest.param({"lead_number": 2**70}, id="a number too large for the store"),
        pytest.param({"received_at_us": -5_000}, id="a time before 1970"),
        pytest.param({"source": "\udcff"}, id="text that is not Unicode"),
    ],
)
async def test_one_bad_lead_refuses_the_batch_and_nothing_is_written(
    store: Store, bad: dict[str, object]
) -> None:
    batch = a_batch(a_lead(), a_lead(**bad), a_lead(), notices=(a_probe(),))

    with pytest.raises(RecordRefused) as refused:
        await store.absorb(batch)

    assert "Ada" not in str(refused.value)
    assert sum((await store.counts()).values()) == 0
    assert (await store.notice_counts())["probe"] == 0
    assert await store.progress() == {}
    good = msgspec.structs.replace(batch, leads=(batch.leads[0], batch.leads[2]))
    assert (await store.absorb(good)).absorbed == 2


async def test_a_text_that_cannot_be_written_does_not_travel_with_the_error(store: Store) -> None:
    hostile = Contact(name="Ada \udcff Example")
    with pytest.raises(RecordRefused) as refused:
        await store.absorb(a_batch(a_lead(contact=hostile)))
    error: BaseException | None = refused.value
    while error is not None:
        assert not isinstance(error, UnicodeEncodeError)
        error = error.__cause__
    assert refused.value.__suppress_context__


async def test_a_notice_keeps_the_path_without_its_query(store: Store) -> None:
    await store.absorb(a_batch(notices=(a_probe(target=b"/hook?phone=6145550142"),)))
    _, rows = await store.query("SELECT path, peer, method FROM notices", limit=5)
    assert rows == [("/hook", "127.0.0.1", "GET")]


async def test_notices_are_counted_by_kind(store: Store) -> None:
    notices = (
        a_probe(),
        a_probe(kind=RecordKind.REJECTION, answer_status=413, detail="larger than 10 MiB"),
        a_probe(kind=RecordKind.HANDSHAKE),
        a_probe(),
    )
    report = await store.absorb(a_batch(notices=notices))
    assert report.absorbed == 0
    assert await store.notice_counts() == {"probe": 2, "rejection": 1, "handshake": 1}


async def test_leads_from_before_there_was_a_destination_go_to_the_first_ones(
    store: Store,
) -> None:
    await store.absorb(a_batch(an_unrouted_lead(), an_unrouted_lead(), a_quarantined_lead()))
    held = Selection(refs=(str(await store.highest_lead_number()),))
    assert len(await store.find(held, limit=5)) == 1

    assert await store.adopt_unrouted(["crm", "dialer"]) == 2

    assert await store.adopt_unrouted(["crm", "dialer"]) == 0
    deliveries = await store.find(Selection(statuses=(Status.PENDING,)), limit=10)
    assert sorted(str(one.destination) for one in deliveries) == ["crm", "crm", "dialer", "dialer"]
    assert (await store.lead(deliveries[0].lead_id)).disposition is Disposition.ROUTED
    assert (await store.counts())[Status.HELD] == 1


async def test_a_large_backlog_is_adopted_in_several_calls(store: Store) -> None:
    await store.absorb(a_batch(*(an_unrouted_lead() for _ in range(2_500))))
    adopted = [await store.adopt_unrouted(["crm"]) for _ in range(3)]
    assert adopted == [2_000, 500, 0]
    (view,) = await store.destinations()
    assert (view.name, view.counts[Status.PENDING]) == ("crm", 2_500)


async def test_a_held_unrouted_lead_is_adopted_and_stays_held(store: Store) -> None:
    await store.absorb(a_batch(an_unrouted_lead()))
    await store.apply(Verb.HOLD, EVERYTHING, reason="later", actor="ada")
    assert await store.adopt_unrouted(["crm"]) == 1
    (delivery,) = await store.find(EVERYTHING, limit=10)
    assert (delivery.destination, delivery.status) == ("crm", Status.HELD)
