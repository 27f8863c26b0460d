"""Where a source's person says that a lead says it, it is read; and what is not there stays."""

from typing import Any

import pytest

from leadkeep.errors import SettingsError
from leadkeep.models import Contact, Facts
from leadkeep.settings.reading import FieldsSettings
from leadkeep.settings.source import SourceSettings
from leadkeep.sources.contact import ContactReader
from leadkeep.sources.vendor import Vendor
from tests.store.builders import a_record

READER = ContactReader("US")
JSON = "application/json"


def read(
    body: bytes, kind: str = JSON, *, target: bytes = b"/x", test_when: str = "", **fields: Any
) -> tuple[Contact, Facts]:
    settings = SourceSettings(fields=FieldsSettings(**fields), test_when=test_when)
    record = a_record(
        source="x", body=body, target=target, headers=f"Content-Type: {kind}\r\n".encode()
    )
    contact, facts = READER.read_all(kind, record.target, body)
    return Vendor("x", settings, READER).read(record, contact, facts)


def test_what_is_mapped_counts_more_than_what_is_found() -> None:
    answers = b'{"q1": "Ada Example", "q4": 6145550142}'
    body = b'{"name": "Desk", "phone": "614-555-0100", "answers": ' + answers + b"}"
    contact, _ = read(body, name="answers.q1", phone="answers.q4")
    assert contact == Contact(name="Ada Example", phone="+16145550142")


def test_what_is_mapped_and_not_there_leaves_what_was_found() -> None:
    body = b'{"name": "Ada", "email": "ada@x.test", "price": "4", "mail": "no address", "t": "n/a"}'
    found = read(body, name="a.b", email="mail", price="t", phone="length(payload.zip)")
    assert found == read(body)


def test_first_and_last_name_make_the_name() -> None:
    contact, facts = read(b'{"a": {"f": "Ada", "l": "Example"}}', first_name="a.f", last_name="a.l")
    assert (contact.name, facts.first_name, facts.last_name) == ("Ada Example", "Ada", "Example")
    contact, _ = read(b'{"name": "Ada Example", "given": "Ada"}', first_name="given")
    assert contact.name == "Ada Example"


def test_every_fact_may_be_mapped() -> None:
    facts = [name for name in Facts.__struct_fields__ if name != "is_test"]
    body = "{" + ",".join(f'"my_{name}": "v{number}"' for number, name in enumerate(facts)) + "}"
    mapped: dict[str, Any] = {name: f"my_{name}" for name in facts}
    _, found = read(body.encode(), **mapped)
    said: dict[str, Any] = {name: f"v{number}" for number, name in enumerate(facts)}
    assert found == Facts(**said)


def test_query_headers_and_expressions_are_read_too() -> None:
    contact, facts = read(
        b'{"people": [{"role": "agent", "n": "X"}, {"role": "buyer", "n": "Ada"}], "amount": 12.5}',
        target=b"/x?cid=77",
        name="payload.people[?role == 'buyer'].n | [0]",
        campaign="cid",
        price="amount",
    )
    assert (contact.name, facts.campaign, facts.price) == ("Ada", "77", "12.5")


def test_answers_in_a_text_that_holds_json_are_reached_by_a_path() -> None:
    body = b'{"rawRequest": "{\\"q7_x\\": {\\"a\\": \\"Ada\\"}}"}'
    assert read(body, name="rawRequest.q7_x.a")[0].name == "Ada"


def test_xml_is_reached_by_a_path() -> None:
    body = b"<lead><who><n>Ada</n></who></lead>"
    assert read(body, "text/xml", name="lead.who.n")[0].name == "Ada"


@pytest.mark.parametrize(
    ("body", "is_test"),
    [
        (b'{"campaign": "internal"}', True),
        (b'{"campaign": "auto"}', False),
        (b'{"campaign": 7}', False),
        (b"\x00", False),
        (b'{"campaign"', False),
        (b'{"test": true, "campaign": "auto"}', True),
    ],
)
def test_leads_for_which_a_condition_holds_are_tests(body: bytes, is_test: bool) -> None:
    _, facts = read(body, test_when="starts_with(payload.campaign, 'internal')")
    assert facts.is_test is is_test


def test_a_condition_that_cannot_be_judged_takes_nothing_from_what_is_mapped() -> None:
    condition = "starts_with(payload.campaign, 'x')"
    contact, facts = read(b'{"n": "Ada", "campaign": 7}', name="n", test_when=condition)
    assert (contact.name, facts.is_test) == ("Ada", False)


def test_a_mapped_no_is_no_test() -> None:
    assert read(b'{"test": true, "real": "no"}', is_test="real")[1].is_test is False
    assert read(b'{"demo": "yes"}', is_test="demo")[1].is_test is True


@pytest.mark.parametrize(
    "body", [b"[" * 50_000, b'{"a": "\\ud800"}', b"%", b'"{"', b"\x1f\x8b\x00"]
)
def test_hostile_payloads_never_raise(body: bytes) -> None:
    read(body, name="a", price="max(payload.*)", test_when="payload.a > `3`")


def test_a_source_without_mapping_reads_nothing_more() -> None:
    vendor = Vendor("x", SourceSettings())
    contact, facts = Contact(), Facts()
    found = vendor.read(a_record(source="x"), contact, facts)
    assert found[0] is contact
    assert found[1] is facts


@pytest.mark.parametrize(
    ("settings", "key"),
    [
        ({"fields": FieldsSettings(price="a..b")}, "sources.x.fields.price"),
        ({"fields": FieldsSettings(name="nothing(payload)")}, "sources.x.fields.name"),
        ({"test_when": "campaign =="}, "sources.x.test_when"),
    ],
)
def test_a_wrong_path_is_an_error_of_the_settings(settings: dict[str, Any], key: str) -> None:
    with pytest.raises(SettingsError, match=key):
        Vendor("x", SourceSettings(**settings))


def test_jotform_unbounce_and_their_kind_are_read_without_a_mapping() -> None:
    jotform = (
        b'--b\r\nContent-Disposition: form-data; name="formID"\r\n\r\n1\r\n'
        b'--b\r\nContent-Disposition: form-data; name="submissionID"\r\n\r\n99\r\n'
        b'--b\r\nContent-Disposition: form-data; name="rawRequest"\r\n\r\n'
        b'{"slug":"submit/1","q3_name":{"first":"Ada","last":"Example"},"q4_email":"ada@x.test",'
        b'"q5_phoneNumber":{"full":"(614) 555-0142"},"q6_address":{"addr_line1":"742 Sample Ave",'
        b'"city":"Columbus","state":"OH","postal":"43215"}}\r\n--b--\r\n'
    )
    contact, facts = READER.read_all("multipart/form-data; boundary=b", b"/", jotform)
    ada = Contact("Ada Example", "+16145550142", "ada@x.test", "99")
    assert contact == ada
    assert (facts.address, facts.city, facts.region, facts.postal_code) == (
        "742 Sample Ave",
        "Columbus",
        "OH",
        "43215",
    )
    unbounce = (
        b"page_id=7&data.json=%7B%22first_name%22%3A%5B%22Ada%22%5D%2C%22last_name%22%3A%5B%22Example"
        b"%22%5D%2C%22email%22%3A%5B%22ada%40x.test%22%5D%2C%22phone%22%3A%5B%226145550142%22%5D%7D"
    )
    kind = "application/x-www-form-urlencoded"
    contact, _ = READER.read_all(kind, b"/", unbounce)
    assert (contact.name, contact.phone, contact.email) == (ada.name, ada.phone, ada.email)
    xml = (
        b"data.xml=%3Cform_data%3E%3Cfirst_name%3EAda%3C%2Ffirst_name%3E%3Clast_name%3EExample%3C%2F"
        b"last_name%3E%3Cemail%3Eada%40x.test%3C%2Femail%3E%3Cphone%3E6145550142%3C%2Fphone%3E%3C%2F"
        b"form_data%3E"
    )
    contact, _ = READER.read_all(kind, b"/", xml)
    assert (contact.name, contact.phone, contact.email) == (ada.name, ada.phone, ada.email)
