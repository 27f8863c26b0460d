"""Each vendor's own package signs a request; the preset, with nothing but the secret, proves it."""

import base64
import hashlib
import hmac
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import pytest
import stripe
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hubspot.utils.signature import Signature as HubSpot
from slack_sdk.signature import SignatureVerifier as Slack
from standardwebhooks.webhooks import Webhook
from twilio.request_validator import RequestValidator as Twilio

from leadkeep.sources.verification.evidence import Evidence
from tests.unit.sources.verification.requests import BODY, NOW_SECONDS, request, verifier

SECRET = "c2hhcmVkIGtleSBvZiAzMiBieXRlcyBmb3IgYSB0ZXN0"
FORM = b"From=%2B16145550142&Body=call+me&To=%2B16145550100&MessageSid=SM1"
URL = "https://leads.example.com"
_key = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PUBLIC = base64.b64encode(_key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)).decode()


class Vendor(NamedTuple):
    """A vendor's way of signing, as its own package or documentation has it."""

    sign: Callable[[bytes, int], Mapping[str, str]]
    """Body and time of signing to headers."""
    body: bytes = BODY
    target: str = "/hooks/vendor"
    content_type: str = "application/json"
    secret: str = SECRET
    more: str = ""


def _hmac(body: bytes, digest: str = "sha256", key: str = SECRET) -> bytes:
    return hmac.new(key.encode(), body, digest).digest()


def _b64(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def _standard(body: bytes, at: int) -> Mapping[str, str]:
    moment = datetime.fromtimestamp(at, UTC)
    return {
        "webhook-id": "msg_1",
        "webhook-timestamp": str(at),
        "webhook-signature": Webhook(f"whsec_{SECRET}").sign("msg_1", moment, body.decode()),
    }


def _standard_ed25519(body: bytes, at: int) -> Mapping[str, str]:
    signed = _key.sign(b"msg_1.%d." % at + body)
    return {
        "webhook-id": "msg_1",
        "webhook-timestamp": str(at),
        "webhook-signature": f"v1,AAAA v1a,{_b64(signed)}",
    }


def _hubspot(body: bytes, at: int) -> Mapping[str, str]:
    # What HubSpot signs has the escapes of its list decoded, and others not.
    uri = f"{URL}/hooks/vendor?next=https://a.example/&sum=1%2B1"
    stamp = str(at * 1_000)
    made = HubSpot.get_signature(SECRET, body.decode(), "v3", uri, "POST", stamp)
    return {"X-HubSpot-Signature-v3": made, "X-HubSpot-Request-Timestamp": stamp}


def _twilio_form(_body: bytes, _at: int) -> Mapping[str, str]:
    fields = {
        "From": "+16145550142",
        "Body": "call me",
        "To": "+16145550100",
        "MessageSid": "SM1",
    }
    return {"X-Twilio-Signature": Twilio(SECRET).compute_signature(f"{URL}/hooks/vendor", fields)}


_HASHED = f"/hooks/vendor?bodySHA256={hashlib.sha256(BODY).hexdigest()}"


def _twilio_json(_body: bytes, _at: int) -> Mapping[str, str]:
    return {"X-Twilio-Signature": Twilio(SECRET).compute_signature(URL + _HASHED, {})}


VENDORS: Mapping[str, Vendor] = {
    "stripe": Vendor(
        lambda body, at: {
            "Stripe-Signature": stripe.WebhookSignature.generate_signature_header(
                body.decode(), SECRET, at
            )
        }
    ),
    "slack": Vendor(
        lambda body, at: {
            "X-Slack-Request-Timestamp": str(at),
            "X-Slack-Signature": str(
                Slack(SECRET).generate_signature(timestamp=str(at), body=body)
            ),
        }
    ),
    "standard-webhooks": Vendor(_standard, secret=f"whsec_{SECRET}"),
    "standard-webhooks-ed25519": Vendor(_standard_ed25519, secret=f"whpk_{PUBLIC}"),
    "hubspot": Vendor(
        _hubspot,
        target="/hooks/vendor?next=https%3A%2F%2Fa.example%2f&sum=1%2B1",
        more=f'verify.public_url = "{URL}"',
    ),
    "twilio": Vendor(
        _twilio_form,
        body=FORM,
        content_type="application/x-www-form-urlencoded",
        more=f'verify.public_url = "{URL}"',
    ),
    "twilio (JSON)": Vendor(_twilio_json, target=_HASHED, more=f'verify.public_url = "{URL}"'),
    "meta": Vendor(lambda body, _: {"X-Hub-Signature-256": "sha256=" + _hmac(body).hex()}),
    "github": Vendor(lambda body, _: {"X-Hub-Signature-256": "sha256=" + _hmac(body).hex()}),
    "linkedin": Vendor(lambda body, _: {"X-LI-Signature": _hmac(b"hmacsha256=" + body).hex()}),
    "typeform": Vendor(lambda body, _: {"Typeform-Signature": "sha256=" + _b64(_hmac(body))}),
    "shopify": Vendor(lambda body, _: {"X-Shopify-Hmac-SHA256": _b64(_hmac(body))}),
    "callrail": Vendor(lambda body, _: {"Signature": _b64(_hmac(body, "sha1"))}),
    "tiktok": Vendor(
        lambda body, at: {"TikTok-Signature": f"t={at},s={_hmac(b'%d.' % at + body).hex()}"}
    ),
    "calendly": Vendor(
        lambda body, at: {
            "Calendly-Webhook-Signature": f"t={at},v1={_hmac(b'%d.' % at + body).hex()}"
        }
    ),
}

COVER_THE_BODY = [name for name in VENDORS if name != "twilio"]
SAY_WHEN = [
    *("stripe", "slack", "standard-webhooks", "standard-webhooks-ed25519", "hubspot"),
    *("tiktok", "calendly"),
]


def _toml(name: str, secret: str | None = None) -> str:
    vendor = VENDORS[name]
    preset = name.partition(" ")[0]
    return f'preset = "{preset}"\nsecrets = "{secret or vendor.secret}"\n{vendor.more}'


def _signed(name: str, *, at: int = NOW_SECONDS, body: bytes | None = None) -> Evidence:
    vendor = VENDORS[name]
    return request(
        vendor.sign(vendor.body, at),
        body=vendor.body if body is None else body,
        target=vendor.target,
        content_type=vendor.content_type,
    )


@pytest.mark.parametrize("name", VENDORS)
def test_what_the_vendor_signed_is_proved(tmp_path: Path, name: str) -> None:
    assert verifier(tmp_path, _toml(name)).fault(_signed(name)) == ""


@pytest.mark.parametrize("name", VENDORS)
def test_another_secret_proves_nothing(tmp_path: Path, name: str) -> None:
    right = VENDORS[name].secret
    other = right[:10] + ("B" if right[10] == "A" else "A") + right[11:]
    fault = verifier(tmp_path, _toml(name, other)).fault(_signed(name))
    assert fault == "its signature does not fit what was sent and the secret"


@pytest.mark.parametrize("name", COVER_THE_BODY)
def test_one_changed_byte_of_the_body_proves_nothing(tmp_path: Path, name: str) -> None:
    checked = verifier(tmp_path, _toml(name))
    body = VENDORS[name].body
    for at in range(len(body)):
        changed = body[:at] + bytes([body[at] ^ 1]) + body[at + 1 :]
        assert checked.fault(_signed(name, body=changed)), f"byte {at}"


@pytest.mark.parametrize("name", VENDORS)
def test_a_request_without_a_signature_proves_nothing(tmp_path: Path, name: str) -> None:
    vendor = VENDORS[name]
    bare = request(body=vendor.body, target=vendor.target, content_type=vendor.content_type)
    fault = verifier(tmp_path, _toml(name)).fault(bare)
    assert fault.startswith("it has no "), fault


@pytest.mark.parametrize("name", SAY_WHEN)
def test_an_old_signature_is_a_replay(tmp_path: Path, name: str) -> None:
    fault = verifier(tmp_path, _toml(name)).fault(_signed(name, at=NOW_SECONDS - 301))
    assert "it was signed 301 s before it came" in fault


def test_while_a_secret_is_replaced_both_count(tmp_path: Path) -> None:
    toml = f'preset = "github"\nsecrets = ["the next one", "{SECRET}"]'
    assert verifier(tmp_path, toml).fault(_signed("github")) == ""
