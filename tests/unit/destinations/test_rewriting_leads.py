"""What a transformation makes of a lead, what it leaves alone, and what it refuses."""

import json
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leadkeep.destinations.request import RequestForm, Unsendable
from leadkeep.destinations.transform import Transform
from leadkeep.errors import SettingsError
from leadkeep.models import Claim
from leadkeep.settings.model import DestinationSettings
from leadkeep.settings.transform import TransformSettings

SAMPLES = Path(__file__).parents[2] / "samples"
JSON = b"Content-Type: application/json; charset=utf-8\r\n"
FORM = b"Content-Type: application/x-www-form-urlencoded\r\n"
BODY = b'{"fname": "Ada",  "price": 1.10, "big": 123456789012345678901234567890, "t": "\\u00e9"}'


def a_claim(body: bytes = BODY, **overrides: Any) -> Claim:
    values: dict[str, Any] = {
        "delivery_id": 1,
        "fence": 1,
        "destination": "crm",
        "attempt": 1,
        "first_attempt_at_ms": None,
        "lead_id": "01234567-0123-7123-8123-0123456789ab",
        "lead_number": 1_786_802_449_123,
        "source": "auto",
        "received_at_ms": 1_786_802_449_123,
        "method": "POST",
        "target": b"/auto?a=1",
        "headers": JSON + b"X-A: 1\r\nx-a: 2\r\n",
        "body": body,
    }
    return Claim(**(values | overrides))


def a_transform(configured: dict[str, str] | None = None, **transform: Any) -> Transform:
    chosen = DestinationSettings(
        url="http://a.example/",
        headers=configured or {},
        transform=TransformSettings(**transform),
    )
    found = Transform.of("crm", chosen)
    assert found is not None
    return found


def rewritten(claim: Claim | None = None, **transform: Any) -> Claim:
    return a_transform(**transform).apply(claim or a_claim())


def test_without_settings_there_is_no_transformation() -> None:
    assert Transform.of("crm", DestinationSettings(url="http://a.example/")) is None


def test_a_renamed_field_keeps_its_bytes_and_so_do_all_others() -> None:
    body = rewritten(rename={"fname": "first_name"}).body
    assert list(json.loads(body)) == ["first_name", "price", "big", "t"]
    for exact in (b"1.10", b"123456789012345678901234567890", b'"\\u00e9"'):
        assert exact in body


def test_a_renamed_field_of_a_form_keeps_the_rest_to_the_byte() -> None:
    claim = a_claim(b"a=%41+b&fname=Ada%20L&&x&a=2", headers=FORM)
    found = rewritten(claim, rename={"fname": "first name"})
    assert found.body == b"a=%41+b&first+name=Ada%20L&x&a=2"
    assert found.headers == FORM


def test_what_has_the_old_and_the_new_name_is_refused() -> None:
    with pytest.raises(Unsendable, match="both the old and the new name"):
        rewritten(a_claim(b'{"a": 1, "b": 2}'), rename={"a": "b"})


def test_two_fields_may_change_names_with_each_other() -> None:
    found = rewritten(a_claim(b'{"a": 1, "b": 2}'), rename={"a": "b", "b": "a"})
    assert json.loads(found.body) == {"b": 1, "a": 2}


def test_json_becomes_a_form_with_its_numbers_as_sent() -> None:
    body = (
        b'{"a b": "x&y=\\u00e9", "n": 1.10, "t": true, "z": null,'
        b' "in": {"p": "6", "l": [1, {"k": 2}]}, "e": [], "o": {}}'
    )
    found = rewritten(a_claim(body), format="form")
    assert parse_qsl(found.body.decode(), keep_blank_values=True) == [
        ("a b", "x&y=é"),
        ("n", "1.10"),
        ("t", "true"),
        ("z", ""),
        ("in[p]", "6"),
        ("in[l][0]", "1"),
        ("in[l][1][k]", "2"),
        ("e", ""),
        ("o", ""),
    ]
    assert (
        found.headers == b"X-A: 1\r\nx-a: 2\r\nContent-Type: application/x-www-form-urlencoded\r\n"
    )


def test_a_form_becomes_json_and_a_name_twice_a_list() -> None:
    claim = a_claim(b"a=1&b=%C3%A9+x&a=2&c&a=3", headers=FORM + b"Content-Length: 5\r\n")
    found = rewritten(claim, format="json")
    assert json.loads(found.body) == {"a": ["1", "2", "3"], "b": "é x", "c": ""}
    assert b"Content-Type: application/json\r\n" in found.headers


def test_a_lead_without_body_has_its_fields_in_the_query() -> None:
    claim = a_claim(b"", method="GET", headers=b"X-A: 1\r\n")
    found = rewritten(claim, format="json", method="post")
    assert (found.method, json.loads(found.body)) == ("POST", {"a": "1"})


def test_what_was_true_of_the_old_body_only_is_not_said_of_the_new_one() -> None:
    headers = JSON + b"Content-Encoding: gzip\r\nContent-MD5: x\r\nDigest: y\r\nX-Sig: z\r\n"
    assert rewritten(a_claim(headers=headers), format="form").headers.startswith(b"X-Sig: z\r\n")
    kept = rewritten(a_claim(headers=headers), headers={"X-B": "b"})
    assert kept.headers == headers + b"X-B: b\r\n"


def test_a_template_writes_the_body_and_its_type() -> None:
    text = '{"phone": {{ payload.fname|tojson }}, "n": "{{ lead.number }}"}'
    found = rewritten(body=text)
    assert json.loads(found.body) == {"phone": "Ada", "n": "1786802449123"}
    assert found.headers.endswith(b"Content-Type: application/json\r\n")
    assert found.headers.count(b"ontent-") == 1
    xml = rewritten(body="<n>{{ payload.fname|e }}</n>", content_type="text/xml")
    assert (xml.body, xml.headers[-24:]) == (b"<n>Ada</n>", b"Content-Type: text/xml\r\n")


def test_a_template_that_says_json_and_is_none_is_refused() -> None:
    with pytest.raises(Unsendable, match="its result is no JSON"):
        rewritten(a_claim(b'{"fname": "O\\"Neil"}'), body='{"n": "{{ payload.fname }}"}')


def test_headers_are_templates_and_an_empty_one_is_left_out() -> None:
    found = rewritten(
        headers={"X-A": "{{ payload.fname }}", "X-B": "{{ payload.none|default('') }}", "X-C": "c"}
    )
    assert found.headers == JSON + b"X-A: Ada\r\nX-C: c\r\n"
    assert found.body == BODY


def test_a_value_cannot_end_a_header_early() -> None:
    with pytest.raises(Unsendable, match="the template of a header: its result has control"):
        rewritten(
            a_claim(b'{"fname": "a\\r\\nX-Forged: 1"}'), headers={"X-A": "{{ payload.fname }}"}
        )


def test_a_lone_surrogate_is_refused_and_not_replaced() -> None:
    with pytest.raises(Unsendable, match="no UTF-8"):
        rewritten(
            a_claim(b'{"fname": "\\ud800"}', headers=JSON),
            body="{{ payload.fname }}",
            content_type="text/plain",
        )


@pytest.mark.parametrize(
    ("body", "headers", "why"),
    [
        (b'{"a": ', JSON, "broken JSON"),
        (b'{"a": "\xff"}', JSON, "not UTF-8"),
        (b"[1]", JSON, "JSON and no object"),
        (b"<a/>", b"Content-Type: text/xml\r\n", "neither JSON nor a form"),
        (b"--x\r\n\r\n", b"Content-Type: multipart/form-data; boundary=x\r\n", "neither JSON"),
        (b"\x89PNG", b"Content-Type: image/png\r\n", "neither JSON nor a form"),
        (b"a=%FF", FORM, "not UTF-8"),
        (b"a=1&" * 10_002, FORM, "more than 10,000 fields"),
        (b'{"a": ' + b"[" * 60 + b"]" * 60 + b"}", JSON, "nested deeper than 32"),
        (b'{"a": ' + b"[" * 99_999 + b"]" * 99_999 + b"}", JSON, "nested"),
        (b'{"a": "' + b"x" * 5_000_000 + b'"}', JSON, "too large"),
        (b"", b"", "neither JSON nor a form"),
    ],
)
def test_what_cannot_be_read_whole_is_refused(body: bytes, headers: bytes, why: str) -> None:
    target = b"/auto" if not body else b"/auto?a=1"
    wanted = "json" if headers == FORM else "form"
    with pytest.raises(Unsendable, match=why):
        rewritten(a_claim(body, headers=headers, target=target), format=wanted)


@pytest.mark.parametrize(
    ("transform", "what"),
    [
        ({"body": "{{ nope }}"}, "crm.transform.body: a lead has no `nope`"),
        ({"body": "x", "rename": {"a": "b"}}, "transform.body: rename or format is set as well"),
        ({"body": "x", "format": "json"}, "transform.body: rename or format is set as well"),
        ({"headers": {"X-A": "{{"}}, "transform.headers.X-A: line 1"),
        ({"headers": {"Leadkeep-A": "1"}}, "Leadkeep-A cannot be set here"),
        ({"headers": {"Idempotency-Key": "1"}}, "cannot be set here"),
        ({"headers": {"host": "1"}}, "cannot be set here"),
        ({"headers": {"Content-type": "1"}}, "cannot be set here"),
        ({"headers": {"x-key": "1"}}, "cannot be set here"),
    ],
)
def test_a_wrong_transformation_is_named_before_it_is_ever_used(
    transform: dict[str, Any], what: str
) -> None:
    with pytest.raises(SettingsError) as caught:
        a_transform({"X-Key": "secret"}, **transform)
    assert what in str(caught.value)
    assert str(caught.value).startswith("destinations.crm.transform.")


WAYS: list[dict[str, Any]] = [
    {"rename": {"phone": "tel", "first_name": "a[b]"}},
    {"format": "form"},
    {"format": "json"},
    {"body": '{"all": {{ payload|tojson }}}'},
    {"headers": {"X-A": "{{ path }}"}},
]
TRANSFORMS = [a_transform(**way) for way in WAYS]
TEXTS = st.text(st.characters(codec="utf-8"), max_size=5)
FIELDS = st.dictionaries(
    TEXTS,
    st.recursive(
        st.none() | st.booleans() | st.integers() | TEXTS,
        lambda inner: st.lists(inner) | st.dictionaries(TEXTS, inner),
    ),
)


@pytest.mark.parametrize("way", WAYS, ids=str)
@pytest.mark.parametrize("sample", sorted(SAMPLES.glob("*.[jf]*")), ids=lambda path: path.name)
def test_every_sample_can_be_rewritten_every_way(sample: Path, way: dict[str, Any]) -> None:
    headers = JSON if sample.suffix == ".json" else FORM
    claim = a_claim(sample.read_bytes(), headers=headers)
    found = rewritten(claim, **way)
    assert found.body
    assert RequestForm("crm", DestinationSettings(url="http://a.example/")).head(found)
    assert claim.body == sample.read_bytes()


@settings(max_examples=60, deadline=None)
@given(fields=FIELDS)
def test_json_through_a_form_loses_no_text(fields: dict[str, Any]) -> None:
    form = rewritten(a_claim(json.dumps(fields).encode()), format="form").body
    pairs = dict(parse_qsl(form.decode(), keep_blank_values=True))
    for name, value in fields.items():
        if isinstance(value, str) and f"{name}[0]" not in fields:
            assert pairs[name] == value or name in pairs


@settings(max_examples=300, deadline=None)
@given(
    body=st.binary() | FIELDS.map(lambda fields: json.dumps(fields).encode()),
    headers=st.binary() | st.sampled_from([JSON, FORM, b""]),
    target=st.binary(),
    transform=st.sampled_from(TRANSFORMS),
)
def test_no_lead_brings_about_anything_but_a_claim_or_a_reason(
    body: bytes, headers: bytes, target: bytes, transform: Transform
) -> None:
    try:
        found = transform.apply(a_claim(body, headers=headers, target=target))
    except Unsendable as error:
        assert len(str(error)) < 200
    else:
        assert isinstance(found.body, bytes)
        assert found.lead_id == a_claim().lead_id
