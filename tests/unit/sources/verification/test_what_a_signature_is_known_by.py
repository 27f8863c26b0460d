"""A proved request is known again by what was signed, in whatever form somebody sends it."""

import base64
import hashlib
import hmac
from pathlib import Path
from typing import Any

import pytest

from leadkeep.models import NO_FACTS, OTHER_BITS, Likeness, RecordFlag
from leadkeep.sources.routes import Route
from leadkeep.sources.vendor import Vendor
from leadkeep.states import Disposition
from tests.store.builders import a_record
from tests.unit.sources.verification.requests import NOW_SECONDS, source

URL = b"https://l.example"
FORM = b"Content-Type: application/x-www-form-urlencoded\r\n"


def _hex(signed: bytes) -> bytes:
    return hmac.new(b"k", signed, hashlib.sha256).hexdigest().encode()


def _twilio(signed: bytes) -> bytes:
    return base64.b64encode(hmac.new(b"k", URL + signed, hashlib.sha1).digest())


def likeness(folder: Path, preset: str, *, to: str = "crm", **of: Any) -> Likeness:
    toml = f'preset = "{preset}"\nsecrets = "k"\nhandshake.token = "t"\n'
    toml += f'verify.public_url = "{URL.decode()}"'
    vendor = Vendor("vendor", source(folder, toml))
    record = a_record(**{"source": "vendor", "received_at_us": NOW_SECONDS * 1_000_000} | of)
    route, proof = vendor.route(record, Route(Disposition.ROUTED, (to,), ""), NO_FACTS)
    assert route.hold_reason == ""
    found = vendor.likeness(record, route, proof)
    assert found is not None
    return found


def _known_as(found: Likeness) -> tuple[int, bytes]:
    return found.fingerprint >> OTHER_BITS, found.signature


GITHUB = {"headers": b"X-Hub-Signature-256: sha256=" + _hex(b"{}"), "body": b"{}"}
TWILIO = {
    "headers": FORM + b"X-Twilio-Signature: " + _twilio(b"/aBody1To2"),
    "body": b"Body=1&To=2",
    "target": b"/a",
}


@pytest.mark.parametrize(
    ("preset", "first", "again"),
    [
        ("github", GITHUB, {"target": b"/other"}),
        ("github", GITHUB, {"method": "PUT"}),
        ("github", GITHUB, {"to": "other"}),
        (
            "github",
            GITHUB,
            {"headers": b"X-Hub-Signature-256: SHA256=" + _hex(b"{}").upper() + b"\r\nX-A: b"},
        ),
        ("twilio", TWILIO, {"body": b"To=2&Body=1"}),
        ("twilio", TWILIO, {"body": b"To=%32&Body=1&&"}),
    ],
)
def test_whatever_is_changed_that_is_not_signed(
    tmp_path: Path, preset: str, first: dict[str, Any], again: dict[str, Any]
) -> None:
    known = _known_as(likeness(tmp_path, preset, **first))
    assert _known_as(likeness(tmp_path, preset, **(first | again))) == known
    assert known[1]


def test_what_is_signed_anew_has_the_same_contents_and_another_signature(tmp_path: Path) -> None:
    def stripe(at: int) -> Likeness:
        line = b"Stripe-Signature: t=%d,v1=%s\r\n" % (at, _hex(b"%d.{}" % at))
        return likeness(tmp_path, "stripe", headers=line, body=b"{}")

    first, again = _known_as(stripe(NOW_SECONDS)), _known_as(stripe(NOW_SECONDS - 9))
    assert first[0] == again[0]
    assert first[1] != again[1]


def test_another_body_is_another_lead(tmp_path: Path) -> None:
    def slack(body: bytes) -> Likeness:
        headers = b"X-Slack-Request-Timestamp: %d\r\nX-Slack-Signature: v0=%s" % (
            NOW_SECONDS,
            _hex(b"v0:%d:" % NOW_SECONDS + body),
        )
        return likeness(tmp_path, "slack", headers=headers, body=body)

    assert _known_as(slack(b"{}"))[0] != _known_as(slack(b"[]"))[0]


def test_what_a_program_pushes_is_known_by_nothing(tmp_path: Path) -> None:
    vendor = Vendor("vendor", source(tmp_path, 'preset = "github"\nsecrets = "k"'))
    record = a_record(source="vendor", flags=RecordFlag.PUSHED)
    route, proof = vendor.route(record, Route(Disposition.ROUTED, ("crm",), ""), NO_FACTS)
    assert (route.hold_reason, proof) == ("", None)
    assert vendor.likeness(record, route, proof) is None
