"""Every preset whose facts were read in the vendor's documentation says exactly what that says."""

import base64
import hashlib
import hmac
import json
from pathlib import Path
from typing import Any

import pytest

from leadkeep.models import Contact
from leadkeep.settings.presets import presets
from leadkeep.sources.contact import ContactReader
from leadkeep.sources.handshakes import Handshake
from leadkeep.sources.verification.evidence import Evidence
from leadkeep.sources.verification.verifier import Verifier
from tests.unit.sources.verification.requests import source

FORM = "application/x-www-form-urlencoded"
SIGNATURES: dict[str, dict[str, Any]] = {
    "meta": {
        "algorithm": "hmac-sha256",
        "header": "X-Hub-Signature-256",
        "prefix": "sha256=",
    },
    "github": {
        "algorithm": "hmac-sha256",
        "header": "X-Hub-Signature-256",
        "prefix": "sha256=",
        "id_header": "X-GitHub-Delivery",
    },
    "tiktok": {
        "algorithm": "hmac-sha256",
        "header": "TikTok-Signature",
        "form": "pairs",
        "key": "s",
        "signed": "{timestamp}.{body}",
        "max_age_seconds": 300,
    },
    "linkedin": {
        "algorithm": "hmac-sha256",
        "header": "X-LI-Signature",
        "signed": "hmacsha256={body}",
    },
    "typeform": {
        "algorithm": "hmac-sha256",
        "header": "Typeform-Signature",
        "prefix": "sha256=",
        "encoding": "base64",
    },
    # The past side only: a signature ahead of the clock counts, as it does in Stripe's package.
    "stripe": {
        "algorithm": "hmac-sha256",
        "header": "Stripe-Signature",
        "form": "pairs",
        "key": "v1",
        "signed": "{timestamp}.{body}",
        "max_age_seconds": 300,
    },
    "standard-webhooks": {
        "algorithm": "hmac-sha256",
        "header": "webhook-signature",
        "form": "versions",
        "key": "v1",
        "encoding": "base64",
        "key_form": "base64",
        "signed": "{id}.{timestamp}.{body}",
        "id_header": "webhook-id",
        "timestamp_header": "webhook-timestamp",
        "max_age_seconds": 300,
        "max_ahead_seconds": 300,
    },
}
TOKENS = {"google-ads": "google_key", "boberdoo": "Key", "leadspedia": "lp_campaign_key"}
REPLIES = {
    "boberdoo": (
        "text/xml",
        '<?xml version="1.0" encoding="UTF-8"?><response><status>Matched</status>'
        "<lead_id>{{lead_number}}</lead_id></response>",
    ),
    "leadconduit": (
        "application/json",
        '{"outcome":"success","reason":"","lead":{"id":"{{lead_number}}"}}',
    ),
}


@pytest.mark.parametrize("name", SIGNATURES)
def test_what_is_signed_and_how_it_is_written(name: str) -> None:
    assert presets()[name].source["verify"] == {"signature": SIGNATURES[name]}


@pytest.mark.parametrize("name", TOKENS)
def test_where_the_key_stands(name: str) -> None:
    token = {"place": "field", "name": TOKENS[name]}
    assert presets()[name].source["verify"] == {"token": token}


@pytest.mark.parametrize("name", presets())
def test_what_it_is_answered(tmp_path: Path, name: str) -> None:
    toml = f'preset = "{name}"\nsecrets = "whsec_AAAA"\nverify.public_url = "https://l.example"'
    reply = source(tmp_path, toml).reply
    # TikTok takes nothing but 200; Typeform disables a webhook at anything like 404 or 410.
    assert reply.status == 200
    if name in REPLIES:
        assert (reply.content_type, reply.body) == REPLIES[name]


PUBLISHED = {
    # docs.github.com, validating webhook deliveries
    "github": (
        "It's a Secret to Everybody",
        b"Hello, World!",
        "X-Hub-Signature-256: "
        "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17",
    ),
    # The specification's libraries, their first test
    "standard-webhooks": (
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        b'{"test": 2432232314}',
        "webhook-id: msg_p5jXN8AQM9LWM0D4loKWxJek\r\nwebhook-timestamp: 1614265330\r\n"
        "webhook-signature: v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    ),
    # api.slack.com, verifying requests from Slack
    "slack": (
        "8f742231b10e8888abcd99yyyzzz85a5",
        b"token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow"
        b"&channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner"
        b"&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com"
        b"%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN"
        b"&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c",
        "X-Slack-Request-Timestamp: 1531420618\r\nX-Slack-Signature: "
        "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503",
    ),
    # Twilio's packages and documentation, mycompany.com/myapp.php
    "twilio": (
        "12345",
        b"CallSid=CA1234567890ABCDE&Caller=%2B14158675309&Digits=1234&From=%2B14158675309"
        b"&To=%2B18005551212",
        f"Content-Type: {FORM}\r\nX-Twilio-Signature: RSOYDt4T1cUTdK1PDd93/VVr8B8=",
    ),
}
SIGNED_AT = {"standard-webhooks": 1_614_265_330, "slack": 1_531_420_618}


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_vendors_own_published_example_is_proved(tmp_path: Path, name: str) -> None:
    secret, body, headers = PUBLISHED[name]
    toml = f'preset = "{name}"\nsecrets = "{secret}"\nverify.public_url = "https://mycompany.com"'
    checked = Verifier("vendor", source(tmp_path, toml))

    def fault(sent: bytes) -> str:
        return checked.fault(
            Evidence(
                method="POST",
                target=b"/myapp.php?foo=1&bar=2",
                headers=headers.encode() + b"\r\n",
                body=sent,
                received_at_us=SIGNED_AT.get(name, 0) * 1_000_000,
            )
        )

    assert fault(body) == ""
    assert fault(body.replace(b"1", b"2").replace(b"W", b"w")) != ""


def test_stripe_counts_what_is_ahead_of_the_clock_and_each_of_many_signatures(
    tmp_path: Path,
) -> None:
    checked = Verifier("vendor", source(tmp_path, 'preset = "stripe"\nsecrets = "whsec_k"'))
    made = hmac.new(b"whsec_k", b"2000.{}", hashlib.sha256).hexdigest()

    def fault(now: int) -> str:
        line = f"Stripe-Signature: t=2000,v1={'0' * 64},v0=zz,v1={made}\r\n"
        return checked.fault(
            Evidence(
                method="POST",
                target=b"/",
                headers=line.encode(),
                body=b"{}",
                received_at_us=now * 1_000_000,
            )
        )

    assert [fault(now) == "" for now in (1, 2_000, 2_300, 2_301)] == [True, True, True, False]


def test_linkedin_is_answered_with_the_codes_hash(tmp_path: Path) -> None:
    settings = source(tmp_path, 'preset = "linkedin"\nsecrets = "client secret"')
    code = "890e4665-4dfe-4ab1-b689-ed553bceeed0"
    answer = Handshake("vendor", settings).answer(b"GET", f"/h?challengeCode={code}".encode(), b"")
    assert answer is not None
    made = hmac.new(b"client secret", code.encode(), hashlib.sha256).hexdigest()
    assert json.loads(answer.body) == {"challengeCode": code, "challengeResponse": made}
    assert (answer.status, answer.content_type) == (200, "application/json")


def test_meta_is_answered_with_the_challenge_as_text(tmp_path: Path) -> None:
    toml = 'preset = "meta"\nsecrets = "k"\nhandshake.token = "word"'
    asked = Handshake("vendor", source(tmp_path, toml))
    query = b"/h?hub.mode=subscribe&hub.challenge=1158201444&hub.verify_token="
    right, wrong = asked.answer(b"GET", query + b"word", b""), asked.answer(b"GET", query, b"")
    assert right is not None
    assert wrong is not None
    assert (right.status, right.body, right.content_type) == (
        200,
        b"1158201444",
        "text/plain; charset=utf-8",
    )
    assert wrong.status == 403


@pytest.mark.parametrize("where", ["query", "body"])
def test_boberdoos_key_may_stand_in_the_url_of_a_post(tmp_path: Path, where: str) -> None:
    checked = Verifier("vendor", source(tmp_path, 'preset = "boberdoo"\nsecrets = "abc"'))
    target, body = {
        "query": (b"/p?Key=abc&TYPE=19", b"First_Name=Ada"),
        "body": (b"/p", b"Key=abc&First_Name=Ada"),
    }[where]
    headers = f"Content-Type: {FORM}\r\n".encode()
    evidence = Evidence(method="POST", target=target, headers=headers, body=body, received_at_us=0)
    assert checked.fault(evidence) == ""


ADA = Contact(name="Ada Example", phone="+16145550142", email="ada@example.com")
GOOGLE = {
    "lead_id": "TeSter-123",
    "user_column_data": [
        {"column_id": "FULL_NAME", "column_name": "Full Name", "string_value": "Ada Example"},
        {"column_id": "EMAIL", "column_name": "User Email", "string_value": "ada@example.com"},
        {"column_id": "PHONE_NUMBER", "column_name": "Phone", "string_value": "+16145550142"},
    ],
    "google_key": "k",
    "is_test": True,
    "campaign_id": 9_007_199_254_740_993,
}
TYPEFORM = {
    "event_id": "01EVENT",
    "event_type": "form_response",
    "form_response": {
        "form_id": "F1",
        "token": "01TOKEN",
        "submitted_at": "2026-01-01T00:00:00Z",
        "answers": [
            {"type": "text", "text": "Ada Example", "field": {"id": "a", "ref": "full_name"}},
            {"type": "email", "email": "ada@example.com", "field": {"id": "b", "ref": "x"}},
            {
                "type": "phone_number",
                "phone_number": "+16145550142",
                "field": {"id": "c", "ref": "y"},
            },
        ],
    },
}
LINKEDIN = {
    "type": "LEAD_ACTION",
    "leadGenFormResponse": "urn:li:leadGenFormResponse:abc-1",
    "leadAction": "CREATED",
}
PAYLOADS: dict[str, tuple[bytes, str, str]] = {
    "google-ads": (json.dumps(GOOGLE).encode(), "TeSter-123", "test"),
    "typeform": (json.dumps(TYPEFORM).encode(), "01TOKEN", ""),
    "boberdoo": (
        b"Key=k&Mode=post&TYPE=19&SRC=s&First_Name=Ada&Last_Name=Example&Lead_ID=77"
        b"&Email=ada@example.com&Primary_Phone=6145550142",
        "77",
        "",
    ),
    "leadspedia": (
        b"lp_campaign_id=1&lp_campaign_key=k&lp_test=1&first_name=Ada&last_name=Example"
        b"&phone_home=6145550142&email_address=ada@example.com&vendor_lead_id=v9",
        "v9",
        "test",
    ),
    "phonexa": (
        b"testMode=1&firstName=Ada&lastName=Example&email=ada@example.com&homePhone=6145550142",
        "",
        "test",
    ),
    "leadconduit": (
        b'{"first_name":"Ada","last_name":"Example","phone_1":"6145550142",'
        b'"email":"ada@example.com"}',
        "",
        "",
    ),
}


@pytest.mark.parametrize("name", PAYLOADS)
def test_who_it_is_about_the_vendors_id_and_whether_it_is_a_test_are_read(name: str) -> None:
    body, vendors_id, test = PAYLOADS[name]
    content_type = "application/json" if body.startswith(b"{") else FORM
    contact, facts = ContactReader("US").read_all(content_type, b"/", body)
    assert (contact.name, contact.phone, contact.email) == (ADA.name, ADA.phone, ADA.email)
    assert contact.vendor_lead_id == vendors_id
    assert facts.is_test is bool(test)
    if name == "google-ads":
        assert facts.campaign == "9007199254740993"  # 64 bits, more than a float holds


def test_linkedins_pointer_is_the_vendors_id_and_no_contact() -> None:
    contact, _ = ContactReader("US").read_all(
        "application/json", b"/", json.dumps(LINKEDIN).encode()
    )
    assert contact == Contact(vendor_lead_id="urn:li:leadGenFormResponse:abc-1")


def test_meta_signs_letters_as_escapes_and_what_came_is_verified(tmp_path: Path) -> None:
    checked = Verifier(
        "vendor", source(tmp_path, 'preset = "meta"\nsecrets = "k"\nhandshake.token = "w"')
    )
    body = b'{"object":"page","entry":[{"name":"\\u00e4\\u00f6"}]}'
    made = hmac.new(b"k", body, hashlib.sha256).hexdigest()

    def fault(sent: bytes) -> str:
        headers = f"X-Hub-Signature-256: sha256={made}\r\n".encode()
        return checked.fault(
            Evidence(method="POST", target=b"/", headers=headers, body=sent, received_at_us=0)
        )

    assert fault(body) == ""
    assert fault(json.dumps(json.loads(body), ensure_ascii=False).encode()) != ""


def test_basic_beside_a_preset_is_what_leadconduit_offers(tmp_path: Path) -> None:
    checked = Verifier("vendor", source(tmp_path, 'preset = "leadconduit"\nverify.basic = "u:p"'))
    line = b"Authorization: Basic " + base64.b64encode(b"u:p") + b"\r\n"
    evidence = Evidence(method="POST", target=b"/", headers=line, body=b"{}", received_at_us=0)
    assert checked.fault(evidence) == ""
