"""Whatever is sent, reading it comes back soon, with little, and nothing that could do harm."""

import gzip
import json
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from leadkeep.models import Contact, Facts
from leadkeep.sources import spellings
from leadkeep.sources.contact import ContactReader, read_contact
from leadkeep.sources.facts import find_facts
from leadkeep.sources.payload import read_query, read_tree
from leadkeep.sources.readable import TEXT_CHARS, payload_text

CONTENT_TYPES = [
    *("", "application/json", "application/x-www-form-urlencoded", "text/xml"),
    *("multipart/form-data; boundary=b", "multipart/form-data", "text/plain; charset=utf-16"),
    *("text/plain; charset=idna", "text/plain; charset=zlib", "text/plain; charset=\x00"),
]
KEYS = st.sampled_from(
    [
        *("name", "first_name", "last_name", "phone", "email", "id", "contact", "data", "lead"),
        *("fields", "answers", "user_column_data", "value", "key", "payload", "q3_name", "", "\0"),
        *("price", "city", "consent", "ip_address", "is_test", "trusted_form", "campaign", "zip"),
    ]
)


def check_harmless(contact: Contact) -> None:
    assert len(contact.name) <= 200
    assert len(contact.phone) <= 40
    assert len(contact.email) <= 254
    assert len(contact.vendor_lead_id) <= 128
    for text in (contact.name, contact.phone, contact.email, contact.vendor_lead_id):
        assert text.isprintable()
        text.encode()


def check_harmless_facts(facts: Facts) -> None:
    for name in Facts.__struct_fields__:
        value = getattr(facts, name)
        if isinstance(value, str):
            assert len(value) <= 2_000
            assert value.isprintable()
            value.encode()


@given(
    content_type=st.one_of(st.sampled_from(CONTENT_TYPES), st.text(max_size=40)),
    target=st.binary(max_size=200),
    body=st.one_of(
        st.binary(max_size=400),
        st.builds(lambda tail: b'{"name":"' + tail, st.binary(max_size=100)),
        st.builds(lambda tail: b"name=A&phone=" + tail, st.binary(max_size=100)),
        st.builds(lambda tail: b"<lead><price>1</price><city>" + tail, st.binary(max_size=100)),
        st.builds(lambda tail: b'--b\r\nX: y; name="name"\r\n\r\n' + tail, st.binary(max_size=100)),
    ),
)
@example(content_type="", target=b"/?%", body=b'{"name":"\\ud800"}')
@settings(max_examples=400, deadline=None)
def test_arbitrary_bytes_never_raise(content_type: str, target: bytes, body: bytes) -> None:
    # Through `_read`: `read` itself would hide an error that we should know of.
    check_harmless(ContactReader("US")._read(content_type, target, body))
    check_harmless_facts(find_facts(read_tree(content_type, body), read_query(target)))
    text = payload_text(content_type, target, body)
    assert text is None or "\0" not in text


TREES = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(),
        st.text(max_size=20),
        st.sampled_from(["6145550142", "ann@example.com", '{"name": "Ann"}', "[1]", "null"]),
    ),
    lambda children: st.one_of(
        st.lists(children, max_size=4),
        st.dictionaries(st.one_of(KEYS, st.text(max_size=10)), children, max_size=6),
    ),
    max_leaves=30,
)


@given(TREES)
@settings(max_examples=400, deadline=None)
def test_arbitrary_json_never_raises(tree: Any) -> None:
    check_harmless(ContactReader("US")._read("application/json", b"/", json.dumps(tree).encode()))
    check_harmless_facts(find_facts(tree))


HOSTILE = {
    "deep lists": b"[" * 200_000,
    "deep closed lists": b"[" * 100_000 + b"]" * 100_000,
    "deep objects": b'{"data":' * 30_000 + b"1" + b"}" * 30_000,
    "deep unknown objects": b'{"x":' * 30_000 + b"1" + b"}" * 30_000,
    "huge integer": b'{"phone":' + b"9" * 200_000 + b"}",
    "huge integer in broken json": b'{"phone":' + b"9" * 200_000 + b",}",
    "huge exponent": b'{"phone":1e999999999,"id":-1e99999}',
    "not a number": b'{"phone":NaN,"id":Infinity,"name":-Infinity}',
    "many keys": b"{" + b",".join(b'"name%d":"x"' % n for n in range(20_000)) + b"}",
    "many unknown objects": b"{" + b",".join(b'"x%d":{}' % n for n in range(20_000)) + b"}",
    "many containers": b"{" + b",".join(b'"data":{"a":1}' for _ in range(10_000)) + b"}",
    "one key for ever": b'{"' + b"n" * 250_000 + b'":1}',
    "one value for ever": b'{"name":"' + b"n" * 250_000 + b'"}',
    "beyond what is read": b'{"x":"' + b"n" * 2_000_000 + b'"}',
    "quotes": b'{"a' + b'"' * 200_000,
    "backslashes": b'{"name":"' + b"\\" * 200_000,
    "many pairs cut off": b'{"a":"' * 40_000,
    "many spaces": b'{"name"' + b" " * 200_000,
    "many ampersands": b"name=" + b"&" * 200_000,
    "many percents": b"name=" + b"%" * 200_000,
    "many digits": b"phone=" + b"1" * 200_000,
    "many parts": b"--b\r\n" * 40_000,
    "part without end": b'--b\r\nX; name="name"\r\n\r\n' + b"x" * 200_000,
    "bomb": gzip.compress(b" " * 50_000_000),
    "half a bomb": gzip.compress(b'{"name":"' + b"A" * 10_000_000)[:5_000],
    "nul": b'{"name":"A\\u0000nn\x00"}',
    "surrogates": b'{"name":"\\ud800Ann\\udfff"}',
    "overrides": '{"name":"\u202eeeL nnA\u2066"}'.encode(),
    "bad utf-8": b'{"name":"\xff\xfe\xc0\x80"}',
    "json in json in json": json.dumps(
        {"data": json.dumps({"data": json.dumps({"data": json.dumps({"name": "Ann"})})})}
    ).encode(),
    "empty object": b"{}",
    "a scalar": b"7",
    "spaces": b" " * 1_000,
}


@pytest.mark.timeout(10)
@pytest.mark.parametrize("body", HOSTILE.values(), ids=HOSTILE.keys())
@pytest.mark.parametrize("content_type", ["application/json", "multipart/form-data; boundary=b"])
def test_a_hostile_payload_is_read_in_bounds(body: bytes, content_type: str) -> None:
    check_harmless(ContactReader("US")._read(content_type, b"/", body))
    text = payload_text(content_type, b"/", body)
    assert text is None or len(text) <= TEXT_CHARS + 1


def test_control_characters_are_gone_from_what_is_shown() -> None:
    contact = read_contact("", b"/", b'{"name":"An\\u0007n\\r\\nSet\\u202eLee"}')

    assert contact.name == "Ann SetLee"


def test_an_error_inside_reading_costs_the_view_and_not_the_lead(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("boom")

    monkeypatch.setattr("leadkeep.sources.contact.read_tree", broken)

    assert read_contact("", b"/", b'{"name":"Ann"}') == Contact()


def test_ever_new_keys_do_not_fill_the_memory() -> None:
    for number in range(2_000):
        body = json.dumps({f"key {number} {place}": 1 for place in range(5)}).encode()
        read_contact("", b"/", body)
        read_contact("", b"/", json.dumps({f"{number}" + "k" * 3_000: 1}).encode())

    assert len(spellings._shapes) <= 512
    assert all(sum(map(len, keys)) <= 2_000 for keys in spellings._shapes)
