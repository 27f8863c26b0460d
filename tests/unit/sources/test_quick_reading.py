"""The quick way of reading finds what the plain way finds, and a lead's neighbours change nothing.

A group's leads are read together and with shortcuts for what nearly every value is; none of them
may show.
"""

import json
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leadkeep.absorber.making import LeadMaker
from leadkeep.models import Position
from leadkeep.settings.model import Settings
from leadkeep.sources.contact import ContactReader
from leadkeep.sources.facts import find_facts
from leadkeep.sources.fields import Fields, find_fields
from leadkeep.sources.routes import SourceTable
from leadkeep.sources.spellings import Means
from tests.store.builders import a_record
from tests.unit.sources import plainly

KEYS = st.sampled_from(
    [
        *("name", "first_name", "lastName", "phone", "Phone", "from", "email", "id", "leadid"),
        *(
            "contact",
            "data",
            "lead",
            "customer",
            "user",
            "fields",
            "answers",
            "x",
            "meta",
            "vendor",
        ),
        *("value", "key", "question", "price", "bid", "city", "zip", "Zip", "address1", "consent"),
        *("ip", "test", "is_test", "trusted_form", "jornaya", "campaign", "url", "landing_page"),
    ]
)
VALUES = st.one_of(
    st.sampled_from([None, True, False, 0, 6145550142, 4.25, 1e40, "null", "N/A ", " none", "-"]),
    st.sampled_from(["6145550142", "555", "ann@example.com", " Ann  Example\t", "a\x00b", "test"]),
    st.sampled_from(["$4.25", "203.0.113.24", "https://example.com/x", "x" * 301, "y" * 2_100]),
    st.sampled_from([f"https://cert.trustedform.com/{'a' * 40}", "43215", "1" * 1_001]),
    st.sampled_from(['{"phone": "6145550142"}', '[{"city": "Rome"}]', "{", "[", '"{"']),
    st.text(max_size=12),
)
TREES = st.recursive(
    VALUES,
    lambda below: st.one_of(st.lists(below, max_size=4), st.dictionaries(KEYS, below, max_size=7)),
    max_leaves=40,
)
ODD = {
    "more keys than are read": {f"x{number}": {"city": "Rome"} for number in range(5_000)},
    "the last key that is read": {**{f"x{n}": 1 for n in range(3_998)}, "phone": "6145550142"},
    "the first key that is not": {**{f"x{n}": 1 for n in range(4_000)}, "phone": "6145550142"},
    "lists in lists": [[[[["no"]], [{"city": "Rome"}]], [[{"phone": "6145550142"}]]]],
    "one key in two spellings": {"Phone": "6145550142", "phone": "6145550143", "Zip": 1, "zip": 2},
    "further in before nearer": {"data": {"data": {"city": "Rome"}}, "list": [{"city": "Oslo"}]},
}


def check_same(*trees: Any) -> None:
    assert find_facts(*trees) == plainly.facts_of(*trees)
    quick, plain = Fields(), plainly.Best()
    for after, tree in enumerate(trees):
        find_fields(tree, quick, after=1_000 * after)
        plainly.person_of(tree, plain, after=1_000 * after)
    said = {
        Means.FIRST: quick.first_name,
        Means.LAST: quick.last_name,
        Means.PHONE: quick.phone,
        Means.EMAIL: quick.email,
        Means.VENDOR_ID: quick.vendor_lead_id,
    }
    assert said == {means: plain.said.get(means, "") for means in said}
    assert quick.full_name == plain.full_name
    assert (quick.empty, quick.has_person, quick.complete) == (
        not plain.found,
        plain.has_person,
        plain.complete,
    )


@given(TREES, st.dictionaries(KEYS, st.text(max_size=12), max_size=4))
@settings(max_examples=600, deadline=None)
def test_the_quick_way_finds_what_the_plain_way_finds(tree: Any, query: dict[str, str]) -> None:
    check_same(tree, query)


@pytest.mark.parametrize("tree", ODD.values(), ids=ODD)
def test_both_ways_agree_on_odd_payloads(tree: Any) -> None:
    check_same(tree)
    check_same(tree, {"email": "ann@example.com", "city": "Bonn"})


@given(st.lists(TREES, max_size=6))
@settings(max_examples=100, deadline=None)
def test_a_lead_is_the_same_whatever_stands_beside_it_in_its_group(trees: list[Any]) -> None:
    maker = LeadMaker(SourceTable.of(Settings()), ContactReader("US"))
    records = [
        a_record(body=json.dumps(tree).encode(), source="default" if number % 3 else "unknown")
        for number, tree in enumerate(trees)
    ]
    where = Position(UUID(int=1), 4_096)

    together = maker.leads(records, where, acknowledged=True)

    assert together == [maker.lead(record, where, acknowledged=True) for record in records]
    assert [lead.record for lead in together] == records
