"""What confirms a lead, as a pure judgement of a reply."""

import gzip
import json
import zlib
from collections.abc import Callable
from typing import Any

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from leadkeep.destinations.confirmation import Confirmation
from leadkeep.destinations.failures import Failure
from leadkeep.destinations.reading import INFLATED_MAX_BYTES
from leadkeep.errors import SettingsError
from leadkeep.settings.model import DestinationSettings
from leadkeep.settings.statuses import StatusRange

CANARY = "canary-personal"
JSON_HEAD = b"Content-Type: application/json\r\n"


def confirmation(**settings: object) -> Confirmation:
    return Confirmation("brain", DestinationSettings(**settings))  # type: ignore[arg-type]


def judged(
    body: bytes | object,
    *,
    status: int = 200,
    head: bytes = JSON_HEAD,
    cut: bool = False,
    **settings: object,
) -> Failure | None:
    sent = body if isinstance(body, bytes) else json.dumps(body).encode()
    return confirmation(**settings).why_not(status, head, sent, cut=cut)


def words(*args: object, **settings: object) -> str:
    """Why it is unconfirmed."""
    failure = judged(*args, **settings)  # type: ignore[arg-type]
    assert failure is not None and failure.error_class == "unconfirmed"
    assert CANARY not in failure.words
    return failure.words


# ---------------------------------------------------------------- statuses


@pytest.mark.parametrize("status", [200, 201, 204, 299])
def test_without_conditions_any_2xx_confirms_whatever_it_says(status: int) -> None:
    assert judged(b"\xff nonsense", status=status, cut=True) is None


@pytest.mark.parametrize("status", [199, 300, 302, 404, 503])
def test_without_conditions_nothing_else_confirms(status: int) -> None:
    failure = judged(b"{}", status=status)
    assert failure is not None and failure.error_class == f"http_{status}"


def test_statuses_that_confirm_can_be_chosen() -> None:
    chosen = (StatusRange(200, 201), StatusRange(409, 409), StatusRange(302, 303))
    accepted = [
        s for s in range(100, 600) if judged(b"", status=s, success_statuses=chosen) is None
    ]
    assert accepted == [200, 201, 302, 303, 409]


def test_a_2xx_that_is_not_among_them_is_unconfirmed_and_says_which_are() -> None:
    said = words(b"", status=202, success_statuses=(StatusRange(200, 200), StatusRange(409, 409)))
    assert said == "brain answered 202, which is not among success_statuses (200, 409)"


def test_a_condition_holds_for_every_status_that_confirms() -> None:
    settings: dict[str, Any] = {
        "success_statuses": (StatusRange(409, 409),),
        "success_when": "duplicate",
    }
    assert judged({"duplicate": True}, status=409, **settings) is None
    assert "answered 409, but" in words({"duplicate": False}, status=409, **settings)


# ---------------------------------------------------------------- success_when


@pytest.mark.parametrize(
    ("expression", "reply"),
    [
        ("success && lead_id", {"success": True, "lead_id": "77"}),
        ("success && lead_id", {"success": True, "lead_id": 0}),  # 0 is true in JMESPath
        ("status == 'ok'", {"status": "ok"}),
        ("result.leads[0].id", {"result": {"leads": [{"id": 5}]}}),
        ("!error", {"error": None}),
        ("code == `200` || already", {"code": 1, "already": True}),
        ("length(errors) == `0`", {"errors": []}),
        ("contains(message, 'stored')", {"message": "it is stored"}),
    ],
)
def test_a_reply_that_satisfies_the_expression_confirms(expression: str, reply: object) -> None:
    assert judged(reply, success_when=expression) is None


@pytest.mark.parametrize(
    ("expression", "reply", "why"),
    [
        ("success && lead_id", {"success": True, "name": CANARY}, "`lead_id` is missing"),
        ("success && lead_id", {"success": True, "lead_id": None}, "`lead_id` is missing"),
        ("success && lead_id", {"success": False, "lead_id": CANARY}, "`success` is false"),
        ("success && lead_id", {"success": True, "lead_id": ""}, "`lead_id` is empty"),
        ("status == 'ok'", {"status": CANARY}, '`status == "ok"` does not hold'),
        ("!error", {"error": CANARY}, "`!error` does not hold"),
        ("a.b[0].c", {"a": {"b": []}}, "`a.b[0].c` is missing"),
        ("ok || done", {"ok": False}, "a part of it does not hold"),
        ("length(errors) == `0`", {}, "a function in it cannot take what the reply has"),
        ("length(errors) == `0`", {"errors": [CANARY]}, "a part of it does not hold"),
        ("success", [CANARY], "`success` is missing"),
        ("success", CANARY, "`success` is missing"),
    ],
)
def test_a_200_that_does_not_satisfy_it_says_what_was_expected_and_what_was_missing(
    expression: str, reply: object, why: str
) -> None:
    said = words(reply, success_when=expression)
    assert said == (
        f"brain answered 200, but its reply does not satisfy success_when = `{expression}`: {why}"
    )


DEEP = b"[" * 100_000 + b"]" * 100_000


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"", "its reply is empty where JSON is expected"),
        (b" \n", "its reply is empty where JSON is expected"),
        (b"<html>canary-personal</html>", "its reply is not JSON"),
        (b'{"success": true', "its reply is not JSON"),
        (b'{"success": true} canary-personal', "its reply is not JSON"),
        (b'{"success": NaN}', "its reply is not JSON"),
        (b'{"success": ' + b"9" * 5_000 + b"}", "its reply is not JSON"),
        (b'{"success": false, "success": true}', "its JSON reply has the same key twice"),
        (b'{"success": true, "a": {"b": 1, "b": 2}}', "its JSON reply has the same key twice"),
        (DEEP, "its JSON reply is too deep"),
        (b'{"success": "\xe9"}', "its reply is not utf-8"),
    ],
)
def test_what_cannot_be_read_one_way_only_confirms_nothing(body: bytes, why: str) -> None:
    assert why in words(body, success_when="success")


def test_a_reply_that_was_cut_confirms_nothing() -> None:
    said = words({"success": True}, cut=True, success_when="success", success_text="true")
    assert said == (
        "brain answered 200, but its reply is longer than reply_max_bytes (16 KiB), so that "
        "success_when and success_text cannot be judged"
    )


# ---------------------------------------------------------------- how replies are written


@pytest.mark.parametrize(
    ("charset", "written"),
    [
        ("", '{"ok": "é"}'.encode()),
        ("", b"\xef\xbb\xbf" + '{"ok": "é"}'.encode()),
        ("; charset=UTF-8", '{"ok": "é"}'.encode()),
        ('; charset="utf-8"', '{"ok": "é"}'.encode()),
        ("; charset=ISO-8859-1", b'{"ok": "\xe9"}'),
        ("; Charset=windows-1252", b'{"ok": "\xe9"}'),
    ],
)
def test_a_reply_is_read_in_the_character_set_that_it_names(charset: str, written: bytes) -> None:
    head = f"content-type: text/html{charset}\r\n".encode()
    assert judged(written, head=head, success_when="ok == 'é'") is None


@pytest.mark.parametrize(
    "charset", [b"utf-16", b"idna", b"os", b"unicode_escape", b"canary-personal"]
)
def test_another_character_set_confirms_nothing(charset: bytes) -> None:
    head = b"Content-Type: application/json; charset=%b\r\n" % charset
    assert "character set that is not read here" in words(b"{}", head=head, success_when="ok")


def test_a_reply_that_is_not_in_its_character_set_confirms_nothing() -> None:
    head = b"Content-Type: application/json; charset=us-ascii\r\n"
    assert "is not us-ascii" in words('{"ok": "é"}'.encode(), head=head, success_when="ok")


COMPRESSED: dict[bytes, Callable[[bytes], bytes]] = {
    b"gzip": gzip.compress,
    b"deflate": zlib.compress,
    b"zstd": zstandard.ZstdCompressor().compress,
}


@pytest.mark.parametrize("how", COMPRESSED)
def test_a_compressed_reply_is_judged_by_what_it_says(how: bytes) -> None:
    head = JSON_HEAD + b"Content-Encoding: %b\r\n" % how
    sent = COMPRESSED[how](b'{"success": true}')
    assert judged(sent, head=head, success_when="success") is None
    assert "`lead_id` is missing" in words(sent, head=head, success_when="lead_id")


@pytest.mark.parametrize("how", COMPRESSED)
def test_a_compressed_reply_that_is_damaged_or_too_large_confirms_nothing(how: bytes) -> None:
    head = JSON_HEAD + b"Content-Encoding: %b\r\n" % how
    whole = COMPRESSED[how](b'{"success": true}')
    for sent in (whole[:-1], whole[:5], b"{}", b""):
        assert "Content-Encoding" in words(sent, head=head, success_when="success")
    bomb = COMPRESSED[how](b"[" + b" " * 50 * INFLATED_MAX_BYTES)
    assert "larger than 1024 KiB" in words(bomb, head=head, success_when="success")


def test_a_zstd_frame_that_does_not_say_its_size_is_bounded_too() -> None:
    head = JSON_HEAD + b"Content-Encoding: zstd\r\n"
    unsaid = zstandard.ZstdCompressor(write_content_size=False)
    assert judged(unsaid.compress(b'{"ok": 1}'), head=head, success_when="ok") is None
    bomb = unsaid.compress(b"[" + b" " * 50 * INFLATED_MAX_BYTES)
    assert words(bomb, head=head, success_when="ok")


def test_other_compression_confirms_nothing_and_says_what_to_do() -> None:
    head = JSON_HEAD + b"Content-Encoding: br\r\n"
    assert 'Accept-Encoding = "identity"' in words(b"{}", head=head, success_when="ok")
    head = JSON_HEAD + b"Content-Encoding: gzip, gzip, gzip\r\n"
    assert "more than twice" in words(b"{}", head=head, success_when="ok")


# ---------------------------------------------------------------- success_text


@pytest.mark.parametrize(
    ("pattern", "text"),
    [(r"^OK\b", "OK 77"), (r"(?i)lead stored", "Lead Stored"), (r"^\d+$", "77"), ("é", "é")],
)
def test_a_text_in_which_the_pattern_is_found_confirms(pattern: str, text: str) -> None:
    assert judged(text.encode(), head=b"", success_text=pattern) is None


def test_a_text_in_which_it_is_not_found_says_what_was_expected() -> None:
    said = words(CANARY.encode(), head=b"", success_text=r"^OK\b")
    assert said == r"brain answered 200, but its reply does not match success_text = `^OK\b`"


def test_expression_and_pattern_must_both_hold() -> None:
    both: dict[str, Any] = {"success_when": "ok", "success_text": "77"}
    assert judged({"ok": True, "id": 77}, **both) is None
    assert "success_text" in words({"ok": True, "id": 78}, **both)
    assert "success_when" in words({"ok": False, "id": 77}, **both)


@pytest.mark.parametrize("pattern", [r"(a*)*b", r"(a+)+$", r"(a|aa)+b", r"(.*a){12}b"])
@pytest.mark.timeout(60)
def test_no_reply_makes_a_pattern_slow(pattern: str) -> None:
    # With Python's own `re` any of these would not end while there are stars.
    assert words(b"a" * 1_000_000 + b"!", head=b"", success_text=pattern)


# ---------------------------------------------------------------- settings


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"success_when": "success &&"}, "ends too early"),
        ({"success_when": "a b"}, "from character 3 on"),
        ({"success_when": "`nope"}, "no JMESPath from character"),
        ({"success_when": "lenght(a) == `0`"}, "there is no function lenght()"),
        ({"success_when": "a && (b || contains(c))"}, "contains() takes 2 arguments, not 1"),
        ({"success_when": "abs(a, b)"}, "abs() takes 1 arguments, not 2"),
        ({"success_when": "!error.code"}, "write `!(a.b)`"),
        ({"success_when": ""}, "is empty"),
        ({"success_text": ""}, "is empty"),
        ({"success_text": "(OK"}, "missing )"),
        ({"success_text": r"(?=OK)"}, "is not a regular expression"),
    ],
)
def test_a_wrong_expression_is_a_clear_error_before_anything_runs(
    settings: dict[str, str], named: str
) -> None:
    with pytest.raises(SettingsError) as error:
        confirmation(**settings)
    assert f"destinations.brain.{next(iter(settings))}" in str(error.value)
    assert named in str(error.value)
    assert error.value.hint


# ---------------------------------------------------------------- anything

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)
anything = st.binary() | json_values.map(lambda value: json.dumps(value).encode())
heads = st.binary(max_size=60) | st.builds(
    lambda how, charset: (
        b"Content-Encoding: %b\r\nContent-Type: x; charset=%b\r\n" % (how, charset)
    ),
    st.sampled_from([b"gzip", b"deflate", b"zstd", b"br", b"", b"identity"]),
    st.sampled_from([b"utf-8", b"ascii", b"windows-1252", b"utf-7", b"\xff"]),
)


@given(
    anything, heads, st.sampled_from(["a", "a.b", "length(@) > `3`", "sort(@)[0]", "to_number(a)"])
)
def test_whatever_is_answered_the_judgement_is_a_reason_or_none(
    body: bytes, head: bytes, expression: str
) -> None:
    failure = judged(body, head=head, success_when=expression, success_text="a")
    assert failure is None or failure.error_class == "unconfirmed"
