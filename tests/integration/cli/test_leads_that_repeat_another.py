"""A lead that repeats another says so on its page, and goes all the same when a person says so."""

from leadkeep.cli.exits import Exit
from leadkeep.models import Contact, Facts
from leadkeep.settings.duplicates import DuplicatesSettings
from leadkeep.sources.likeness import likeness_of
from tests.integration.cli.installation import Installation
from tests.store.builders import a_lead, a_record

ADA = Contact(name="Ada Example", phone="+16145550142")
FACTS = Facts(
    address="742 Sample Ave",
    city="Columbus",
    price="4.25",
    trusted_form="https://cert.trustedform.com/" + "a" * 40,
    ip_address="203.0.113.24",
    is_test=True,
)


def two(installation: Installation) -> tuple[int, int]:
    """A lead, and the same request again."""
    leads = []
    for _ in range(2):
        record = a_record(body=b"1")
        likeness = likeness_of(record, ("default",), DuplicatesSettings())
        leads.append(
            a_lead(
                record=record,
                contact=ADA,
                likeness=likeness,
                facts=FACTS,
                certificate_expires_at_ms=record.received_at_us // 1_000 + 1,
            )
        )
    installation.absorb(*leads)
    return leads[0].record.lead_number, leads[1].record.lead_number


def test_its_page_says_what_it_repeats_and_what_the_payload_says(
    installation: Installation,
) -> None:
    first, again = two(installation)
    page = installation.ok("leads", "show", again)
    assert f"repeats     lead {first:013d}" in page
    assert "disposition duplicate" in page
    assert "4.25" in page
    assert "no real lead" in page
    assert "742 Sample Ave" not in page
    assert "203.0.113.24" not in page
    assert "742 Sample Ave" in installation.ok("leads", "show", again, "--reveal")
    told = installation.json("leads", "show", again)
    assert (told["same_delivery_as"], told["same_person_as"]) == (first, first)
    assert told["facts"]["address"] == "•••"


def test_it_is_delivered_anyway(installation: Installation) -> None:
    first, again = two(installation)
    assert installation.statuses() == ["pending", "held"]
    assert installation.ok("leads", "deliver-anyway", again) == "1 lead due at once\n"
    assert installation.statuses() == ["pending", "pending"]
    assert installation.json("leads", "show", again)["same_delivery_as"] == first


def test_it_is_unlinked(installation: Installation) -> None:
    _, again = two(installation)
    assert installation.json("leads", "unlink", again) == {"leads": 1, "unlinked": True}
    assert installation.json("leads", "show", again)["same_delivery_as"] is None


def test_a_lead_that_repeats_none_is_said_to(installation: Installation) -> None:
    first, _ = two(installation)
    result = installation.run("leads", "unlink", first)
    assert result.exit_code == Exit.NOT_FOUND
    assert "none of these leads repeats another" in result.stderr


def test_leads_are_found_by_the_end_of_their_certificate(installation: Installation) -> None:
    two(installation)
    installation.absorb(a_lead(record=a_record(body=b"2")))
    assert len(installation.json("leads", "list", "--certificate-within", "12h")) == 2
    assert installation.run("leads", "list", "--certificate-within", "soon").exit_code == Exit.USAGE
