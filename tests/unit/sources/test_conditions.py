"""What a condition says of a request, and what is wrong with one before it is ever asked."""

from typing import Any

import pytest

from leadkeep.errors import SettingsError
from leadkeep.sources.conditions import Condition, Unclear
from leadkeep.sources.request_view import DEEPEST, NAMES, View

JSON = b"Content-Type: application/json\r\n"
FORM = b"Content-Type: application/x-www-form-urlencoded\r\n"


def a_view(**overrides: Any) -> View:
    values: dict[str, Any] = {
        "source": "auto",
        "method": "POST",
        "target": b"/leads/%41uto?campaign=7&empty=",
        "headers": JSON + b"X-Vendor: One\r\nX-Tag: a\r\nx-tag: b\r\n",
        "body": b'{"state": "OH", "count": 0, "contact": {"phone": "614"}, "tags": ["a", "b"]}',
    }
    return View(**(values | overrides))


def holds(text: str, **overrides: Any) -> bool:
    return Condition("key", text).holds(a_view(**overrides))


@pytest.mark.parametrize(
    "text",
    [
        "payload.state == 'OH'",
        "payload.contact.phone",
        "payload.count == `0`",
        "payload.count",
        "contains(payload.tags, 'b')",
        "headers.\"x-vendor\" == 'One'",
        "headers.\"x-tag\" == 'a, b'",
        "starts_with(path, '/leads/Auto')",
        "query.campaign == '7'",
        "source == 'auto' && method == 'POST'",
        "!(payload.nothing)",
        "@.payload.state",
        "payload.tags[?@ == 'a']",
    ],
)
def test_a_condition_that_holds(text: str) -> None:
    assert holds(text)


@pytest.mark.parametrize(
    "text",
    [
        "payload.state == 'KY'",
        "payload.nothing.at.all",
        "payload.contact > `3`",
        "query.empty",
        "payload.tags[?@ == 'z']",
        "method == 'post'",
    ],
)
def test_a_condition_that_does_not(text: str) -> None:
    assert not holds(text)


def test_a_form_is_read_like_an_object() -> None:
    assert holds("payload.state == 'O H'", headers=FORM, body=b"state=O+H&zip=43215")
    assert holds("payload.state == 'OH'", headers=FORM, body=b'{"state":"OH"}=')


def test_a_payload_of_another_kind_is_nothing() -> None:
    assert not holds("payload.state", body=b"<lead><state>OH</state></lead>")
    assert not holds("payload.state", body=b"")


@pytest.mark.parametrize(
    ("text", "overrides", "why"),
    [
        ("payload.a == '1'", {"body": b'{"a": "1", "b": '}, "broken JSON"),
        ("payload.a == '1'", {"body": b"\xef\xbb\xbf" + b'{"a": "1", '}, "broken JSON"),
        ("payload.a == '1'", {"headers": FORM, "body": b'{"a": "1", "b"'}, "broken JSON"),
        ("payload.a", {"headers": FORM, "body": b'%7B"a": "1", "b"'}, "broken JSON"),
        ("payload.a", {"body": b'{"a": "' + b"x" * 300_000 + b'"}'}, "larger than 256 KiB"),
        ("payload.a", {"body": b"[" * 200 + b"]" * 200}, f"deeper than {DEEPEST}"),
        ("payload.a", {"body": b"[" * 90_000 + b"]" * 90_000}, "deep"),
        ("payload.a", {"headers": FORM, "body": b"a=1&" * 1_001}, "1000 fields"),
        ("values(@)", {"body": b'{"a": '}, "broken JSON"),
        ("contains(payload.missing, 'a')", {}, "contains() got null where it takes array or str"),
        ("payload.state < `3`", {}, "TypeError"),
        ("sum(payload.tags)", {}, "sum()"),
    ],
)
def test_a_condition_that_cannot_be_judged_says_why_and_nothing_of_the_lead(
    text: str, overrides: dict[str, Any], why: str
) -> None:
    with pytest.raises(Unclear) as caught:
        holds(text, **overrides)
    assert why in str(caught.value)
    assert "614" not in str(caught.value)


def test_a_condition_that_does_not_ask_for_the_payload_does_not_read_it() -> None:
    condition = Condition("key", "starts_with(path, '/leads')")
    assert condition.names == {"path"}
    assert condition.holds(a_view(body=b'{"a": '))


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("payload.a = 'x'", "from character 11 on"),
        ("payload.a == 'x", "from character 14 on"),
        ("contains(payload.a", "ends too early"),
        ('payload.a == "x"', "text is written 'x', in single quotes"),
        ("paylod.a", "a request has no `paylod`"),
        ("!headers.x", "write `!(a.b)`"),
        ("startswith(path, '/a')", "no function startswith()"),
        ("contains(path)", "takes 2 arguments, not 1"),
        ("[payload.a, b]", "a request has no `b`"),
        ("(" * 5_000, "parts in one another"),
    ],
)
def test_a_wrong_condition_is_named_before_it_is_ever_asked(text: str, what: str) -> None:
    with pytest.raises(SettingsError) as caught:
        Condition("sources.auto.routes, route 2, when", text)
    assert str(caught.value).startswith("sources.auto.routes, route 2, when = `")
    assert what in str(caught.value)
    assert all(name in caught.value.hint for name in NAMES)


@pytest.mark.parametrize("text", ["payload.a[?b == 'x'].c", "sort_by(payload.a, &b)[0].c == path"])
def test_names_inside_of_elements_are_not_those_of_the_request(text: str) -> None:
    Condition("key", text)
