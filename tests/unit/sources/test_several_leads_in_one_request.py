"""Which leads a request holds: told apart by the source's path, byte for byte, within bounds."""

import gzip
import json
from typing import Any
from uuid import UUID

import pytest

from leadkeep.absorber.making import LeadMaker
from leadkeep.errors import SettingsError
from leadkeep.models import Contact, Facts, Position
from leadkeep.settings.reading import FieldsSettings
from leadkeep.settings.source import SourceSettings
from leadkeep.sources.contact import ContactReader
from leadkeep.sources.routes import Route, SourceTable
from leadkeep.sources.several import PARTS_MOST, WHOLE, Parted
from leadkeep.sources.vendor import TEST_LEAD, Vendor
from leadkeep.states import Disposition
from tests.store.builders import a_record

META = "entry[].changes[].value"
JSON = b"Content-Type: application/json\r\n"


def parted(body: bytes, headers: bytes = JSON, **settings: Any) -> Parted:
    vendor = Vendor("meta", SourceSettings(**settings))
    return vendor.parts(a_record(source="meta", body=body, headers=headers))


def bodies(body: bytes, **settings: Any) -> list[bytes]:
    return [part.body for part in parted(body, **settings).parts]


def test_a_list_of_leads_is_taken_apart_with_what_each_says() -> None:
    found = parted(
        b'[{"first_name":"Ada","phone":"614-555-0142"},{"name":"Bo","email":"b@x.test"}]'
    )
    assert [part.contact for part in found.parts] == [
        Contact(name="Ada", phone="+16145550142"),
        Contact(name="Bo", email="b@x.test"),
    ]
    assert found.unparted == ""


def test_each_part_is_byte_for_byte_what_the_vendor_wrote() -> None:
    first, second = (
        b'{"price": 1.10, "id": 12345678901234567890123, "name": "\\u00e9"}',
        b'{"a":1 }',
    )
    assert bodies(b" [ " + first + b" ,\n" + second + b"]") == [first, second]
    nested = b'{"entry":[{"changes":[{"value":' + first + b'}]},{"changes":[{"value":' + second
    assert bodies(nested + b"}]}]}", several_at=META) == [first, second]


ONE_OF_META = (
    b'{"object":"page","entry":[{"id":"153125381133","time":1438292065,"changes":[{"field":'
    b'"leadgen","value":{"leadgen_id":"123123123123","page_id":"123123","form_id":"1231231",'
    b'"adgroup_id":"12312","ad_id":"12312","created_time":1440120384}}]}]}'
)


def shown(body: bytes, **settings: Any) -> tuple[Contact, Facts]:
    """What a request as a whole is shown to say."""
    maker = LeadMaker(
        SourceTable({}, {}),
        ContactReader("US"),
        {"meta": Vendor("meta", SourceSettings(**settings))},
    )
    record = a_record(source="meta", body=body, headers=JSON)
    lead = maker.lead(record, Position(UUID(int=7), 0), acknowledged=True)
    assert lead.parts == ()
    return lead.contact, lead.facts


def test_the_one_lead_of_a_request_says_what_it_is_called_and_not_what_is_around_it() -> None:
    assert parted(ONE_OF_META, several_at=META).parts == ()
    assert shown(ONE_OF_META, several_at=META)[0].vendor_lead_id == "123123123123"
    assert shown(ONE_OF_META)[0].vendor_lead_id == "153125381133", "the page's"


def test_where_the_one_lead_says_nothing_the_request_does() -> None:
    body = b'{"id":"9","phone":"614-555-0142","city":"Columbus","l":[{"name":"Ada","state":"OH"}]}'
    contact, facts = shown(body, several_at="l")
    assert contact == Contact(name="Ada", phone="+16145550142", vendor_lead_id="9")
    assert (facts.city, facts.region) == ("Columbus", "OH")


@pytest.mark.parametrize(
    ("body", "at", "found"),
    [
        (
            b'{"payloads":[{"a":1},{"a":2}],"s":[{"b":1},{"b":2}]}',
            "payloads",
            [b'{"a":1}', b'{"a":2}'],
        ),
        (b'{"l":[[{"a":1}],[{"a":2.0}]]}', "l[]", [b'{"a":1}', b'{"a":2.0}']),
        (b'{"l":[null,{"a":1},{"v":null},{"v":2}]}', "l", None),
        (b'{"l":[{"v":null},{"v":{"a":1}},{"v":{"a": 2}}]}', "l[].v", [b'{"a":1}', b'{"a": 2}']),
        (b'[{"a":1.50},{"a":2}]', "[]", [b'{"a":1.50}', b'{"a":2}']),
        (b'[{"a":1.50},{"a":2}]', "payload", [b'{"a":1.50}', b'{"a":2}']),
        (b'[{"a":1.50},{"a":2}]', "payload[]", [b'{"a":1.50}', b'{"a":2}']),
        (b'{"x":{"l":[{"a":1.50}, {"a":2}]}}', "payload.x.l", [b'{"a":1.50}', b'{"a":2}']),
    ],
)
def test_bytes_are_never_those_of_another_part(
    body: bytes, at: str, found: list[bytes] | None
) -> None:
    parts = bodies(body, several_at=at)
    if found is None:
        assert [json.loads(one) for one in parts] == [None, {"a": 1}, {"v": None}, {"v": 2}]
    else:
        assert parts == found


def test_what_leads_nowhere_is_left_out() -> None:
    body = b'{"entry":[{"id":"1"},{"changes":[{"value":{"a":1}},{"field":"x"},{"value":{"b":2}}]}]}'
    assert bodies(body, several_at=META) == [b'{"a":1}', b'{"b":2}']


def test_an_expression_finds_leads_that_no_path_finds() -> None:
    body = b'{"leads": [{"kind": "a", "n": 1}, {"kind": "b", "n": 2}, {"kind": "a", "n": 3}]}'
    found = bodies(body, several_at="payload.leads[?kind == 'a']")
    assert [json.loads(one)["n"] for one in found] == [1, 3]


def test_a_compressed_list_is_taken_apart() -> None:
    assert bodies(gzip.compress(b'[{"a":1},{"b":2}]')) == [b'{"a":1}', b'{"b":2}']


@pytest.mark.parametrize(
    "body",
    [
        b'{"name": "Ada"}',
        b'[{"name": "Ada"}]',
        b"[]",
        b"[1, 2]",
        b'[{"name": "email", "value": "a@x.test"}, {"name": "phone", "value": "6145550142"}]',
        b"name=Ada",
        b"",
        b"\x00\xff",
    ],
)
def test_one_lead_is_left_whole(body: bytes) -> None:
    assert parted(body) is WHOLE


def test_a_source_that_splits_gives_one_lead_the_same_form_as_many() -> None:
    assert bodies(b'[{"a":1}]', several="split") == [b'{"a":1}']
    assert bodies(b'{"entry":[{"changes":[{"value":{"a":1}}]}]}', several="split", several_at=META)
    assert parted(b'{"object":"page"}', several="split", several_at=META) is WHOLE


def test_too_many_or_too_large_is_not_taken_apart_and_says_so() -> None:
    most = b"[" + b",".join([b"{}"] * PARTS_MOST) + b"]"
    assert len(parted(most).parts) == PARTS_MOST
    more = parted(most[:-1] + b",{}]")
    assert (more.parts, more.unparted) == ((), "it holds 1,001 leads, more than 1,000")
    large = parted(b'[{"a":"' + b"x" * 300_000 + b'"},{}]')
    assert (large.parts, "256 KiB" in large.unparted) == ((), True)
    assert parted(b"[" * 100_000).unparted
    assert parted(b'[{"a":1},{"b"').unparted


@pytest.mark.parametrize("several", ["together", "split"])
def test_a_request_that_should_be_split_and_cannot_be_is_held(several: str) -> None:
    vendor = Vendor("x", SourceSettings(several=several))
    route = Route(Disposition.ROUTED, ("brain",), "")
    found = vendor.whole(route, Parted(unparted="it is broken"))
    assert bool(found.hold_reason) is (several == "split")


def test_leads_whose_text_is_no_utf_8_are_still_json() -> None:
    found = bodies(b'[{"name": "\\ud800", "n": NaN}, {"b": 2}]')
    assert found == [b'{"name":"\\ud800","n":NaN}', b'{"b":2}']


def test_a_test_among_real_leads_is_held_alone() -> None:
    body = b'[{"name":"Ada","is_test":true},{"name":"Bo"}]'
    found = parted(body, several="split", test_leads="hold")
    assert [part.hold_reason for part in found.parts] == [TEST_LEAD, ""]


def test_a_wrong_path_is_an_error_of_the_settings() -> None:
    with pytest.raises(SettingsError, match=r"sources\.meta\.several_at"):
        Vendor("meta", SourceSettings(several_at="entry[]..value"))


def test_mapped_fields_are_looked_for_in_each_part() -> None:
    fields = FieldsSettings(name="who", price="cost.cents", is_test="demo")
    found = parted(b'[{"who":"Ada","cost":{"cents":425}},{"who":"Bo","demo":1}]', fields=fields)
    assert [part.contact.name for part in found.parts] == ["Ada", "Bo"]
    assert [part.facts for part in found.parts] == [Facts(price="425"), Facts(is_test=True)]
