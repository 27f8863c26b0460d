"""What absorbing makes of a lead from another system's queue."""

from typing import Any
from uuid import UUID

import pytest

from leadkeep.absorber.importing import FAILED_THERE, UNREADABLE
from leadkeep.absorber.making import LeadMaker
from leadkeep.models import NewLead, Origin, Position, RecordFlag
from leadkeep.sources.contact import ContactReader
from leadkeep.sources.routes import SourceTable
from leadkeep.states import Disposition, Status
from tests.store.builders import a_record

SOURCES = SourceTable(
    {"one": ["/one"], "two": ["/two"], "none": ["/none"]},
    {"one": ("brain",), "two": ("brain", "crm"), "none": ()},
)
MAKER = LeadMaker(SOURCES, ContactReader("US"))


def made(standing: Status, source: str = "one", **others: Any) -> NewLead:
    origin = Origin(queue="sqlite:///old.db/lead_queue", row="7", standing=standing, **others)
    return made_of(origin.detail(), source)


def made_of(detail: str, source: str = "one") -> NewLead:
    record = a_record(
        source=source, flags=RecordFlag.PUSHED | RecordFlag.IMPORTED, detail=detail, target=b"/"
    )
    return MAKER.lead(record, Position(UUID(int=1), 4096), acknowledged=True)


def standing_of(lead: NewLead) -> tuple[Disposition, tuple[str, ...], str]:
    return lead.disposition, lead.destinations, lead.hold_reason


def test_what_waited_goes_where_leads_of_its_source_go() -> None:
    assert standing_of(made(Status.PENDING, "two")) == (
        Disposition.ROUTED,
        ("brain", "crm"),
        "",
    )
    assert standing_of(made(Status.PENDING, "none")) == (Disposition.UNROUTED, (), "")


@pytest.mark.parametrize(
    ("source", "disposition", "destinations"),
    [
        ("one", Disposition.ROUTED, ("brain",)),
        ("two", Disposition.UNROUTED, ()),
        ("none", Disposition.UNROUTED, ()),
        ("unheard of", Disposition.UNROUTED, ()),
    ],
)
def test_what_was_completed_is_held_by_nothing_and_has_one_delivery(
    source: str, disposition: Disposition, destinations: tuple[str, ...]
) -> None:
    lead = made(Status.COMPLETED, source)
    assert standing_of(lead) == (disposition, destinations, "")
    assert lead.certificate_expires_at_ms is None
    assert lead.origin is not None


def test_what_had_failed_fails_where_it_went_and_is_held_where_it_goes_nowhere() -> None:
    assert standing_of(made(Status.FAILED)) == (Disposition.ROUTED, ("brain",), "")
    assert standing_of(made(Status.FAILED, "none"))[2] == FAILED_THERE
    held = made(Status.FAILED, "unheard of").hold_reason
    assert held == f"{FAILED_THERE}; the source 'unheard of' is no longer configured"


def test_an_unknown_status_is_held_with_its_word() -> None:
    lead = made(Status.HELD, status="half\x1bdone")
    assert lead.hold_reason.endswith("was 'half\ufffddone'")
    assert made(Status.HELD).hold_reason == "it had no status where it was imported from"


def test_somebodys_word_for_where_it_goes_counts_more_than_its_source() -> None:
    for source in ("one", "two", "none", "unheard of"):
        lead = made(Status.PENDING, source, destination="crm")
        assert standing_of(lead) == (Disposition.ROUTED, ("crm",), "")


@pytest.mark.parametrize("detail", ["", "{}", "nonsense", '{"standing": "odd"}', "\0"])
def test_what_cannot_be_read_of_its_row_holds_it(detail: str) -> None:
    lead = made_of(detail)
    assert lead.hold_reason == UNREADABLE
    assert lead.origin is None


def test_a_record_that_is_not_imported_is_left_alone_whatever_its_detail() -> None:
    origin = Origin(queue="q", row="7", standing=Status.COMPLETED)
    record = a_record(source="one", flags=RecordFlag.PUSHED, detail=origin.detail())
    lead = MAKER.lead(record, Position(UUID(int=1), 4096), acknowledged=True)
    assert lead.origin is None
    assert standing_of(lead) == (Disposition.ROUTED, ("brain",), "")


def test_names_of_the_table_stand_in_for_what_the_payload_does_not_tell() -> None:
    lead = made(Status.PENDING, name="Somebody Else", phone="123")
    assert (lead.contact.name, lead.contact.phone) == ("Ada Example", "+16145550142")
