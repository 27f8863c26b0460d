"""Tokens, passwords, addresses and signatures of one's own, and what is said where they fail."""

import base64
import hashlib
import hmac
from pathlib import Path

import pytest

from leadkeep.errors import SettingsError
from tests.unit.sources.verification.requests import BODY, NOW_SECONDS, request, verifier

FORM = "application/x-www-form-urlencoded"


@pytest.mark.parametrize(
    ("place", "right", "wrong"),
    [
        ('place = "path"', request(target="/hooks/s%33cret/?a=1"), request(target="/hooks/other")),
        (
            'place = "query"\nname = "key"',
            request(target="/hooks?key=s3cret"),
            request(target="/hooks?key=s3cre"),
        ),
        (
            'place = "header"\nname = "X-Token"',
            request({"x-token": "s3cret"}),
            request({"X-Token": "S3cret"}),
        ),
        (
            'place = "bearer"',
            request({"Authorization": "bearer s3cret"}),
            request({"Authorization": "Basic s3cret"}),
        ),
        (
            'place = "field"\nname = "auth.key"',
            request(body=b'{"auth": {"key": "s3cret"}}'),
            request(body=b'{"auth": {"key": ["s3cret"]}}'),
        ),
        (
            'place = "field"\nname = "key"',
            request(body=b"a=1&key=s3cret", content_type=FORM),
            request(body=b"a=1&key=s3cret2", content_type=FORM),
        ),
        (
            'place = "field"\nname = "key"',
            request(method="GET", target="/hooks?key=s3cret", body=b""),
            request(method="GET", target="/hooks?kex=s3cret", body=b""),
        ),
    ],
)
def test_a_token_at_its_place_is_the_right_word_or_proves_nothing(
    tmp_path: Path, place: str, right: object, wrong: object
) -> None:
    checked = verifier(
        tmp_path, f'secrets = ["older", "s3cret"]\n[sources.vendor.verify.token]\n{place}'
    )
    assert checked.fault(right) == ""  # type: ignore[arg-type]
    assert "token" in checked.fault(wrong)  # type: ignore[arg-type]


def test_user_and_password_are_those_or_prove_nothing(tmp_path: Path) -> None:
    checked = verifier(tmp_path, 'verify.basic = "lqf:pä:ss"')

    def fault(credentials: bytes) -> str:
        word = base64.b64encode(credentials).decode()
        return checked.fault(request({"Authorization": f"Basic {word}"}))

    assert fault("lqf:pä:ss".encode()) == ""
    assert fault(b"lqf:pass") == "its user or password is another one"
    assert checked.fault(request({"Authorization": "Basic %%%"})).startswith(
        "its user and password"
    )
    assert checked.fault(request()) == "it has no user and password"


@pytest.mark.parametrize(
    ("peer", "proves"),
    [
        ("54.241.34.25", True),
        ("::ffff:54.241.34.25", True),
        ("10.1.255.255", True),
        ("10.2.0.0", False),
        ("fe80::1%eth0", False),
        ("", False),
        ("no address", False),
    ],
)
def test_an_address_is_the_vendors_or_proves_nothing(
    tmp_path: Path, peer: str, proves: bool
) -> None:
    checked = verifier(tmp_path, 'verify.addresses = ["54.241.34.25", "10.1.0.0/16"]')
    assert (checked.fault(request(peer=peer)) == "") is proves


def test_every_part_that_is_configured_must_hold(tmp_path: Path) -> None:
    checked = verifier(
        tmp_path,
        'secrets = "k"\nverify.addresses = ["192.0.2.1"]\n'
        '[sources.vendor.verify.token]\nplace = "bearer"',
    )
    token = {"Authorization": "Bearer k"}
    assert checked.fault(request(token, peer="192.0.2.1")) == ""
    assert "address" in checked.fault(request(token))
    assert "token" in checked.fault(request(peer="192.0.2.1"))


OWN = """
secrets = "0001feff"
[sources.vendor.verify.signature]
algorithm = "hmac-sha512"
header = "X-Sum"
prefix = "v9 "
key_form = "hex"
signed = "{id}|{method}|{body}"
id_header = "X-Id"
"""


def test_a_signature_of_ones_own_is_described_without_code(tmp_path: Path) -> None:
    key = bytes.fromhex("0001feff")
    made = hmac.new(key, b"7|POST|" + BODY, hashlib.sha512).hexdigest()
    checked = verifier(tmp_path, OWN)
    assert checked.fault(request({"X-Sum": f"v9 {made.upper()}", "X-Id": "7"})) == ""
    assert checked.fault(request({"X-Sum": f"v9 {made}", "X-Id": "8"}))
    assert "X-Id" in checked.fault(request({"X-Sum": f"v9 {made}"}))
    assert "is not written as a signature" in checked.fault(request({"X-Sum": made, "X-Id": "7"}))


@pytest.mark.parametrize("text", ["", "soon", "-1", "1e9", "9" * 30, "\u0661\u0667\u0666"])
def test_a_time_that_is_none_proves_nothing(tmp_path: Path, text: str) -> None:
    checked = verifier(tmp_path, 'preset = "slack"\nsecrets = "k"')
    signature = hmac.new(b"k", f"v0:{text}:".encode() + BODY, hashlib.sha256).hexdigest()
    headers = {"X-Slack-Signature": f"v0={signature}", "X-Slack-Request-Timestamp": text}
    assert checked.fault(request(headers)) in {
        "it does not say when it was signed",
        "when it was signed is not written as a time",
    }


def test_a_signature_ahead_of_our_clock_is_named(tmp_path: Path) -> None:
    at = NOW_SECONDS + 400
    signature = hmac.new(b"k", b"v0:%d:" % at + BODY, hashlib.sha256).hexdigest()
    headers = {"X-Slack-Signature": f"v0={signature}", "X-Slack-Request-Timestamp": str(at)}
    checked = verifier(tmp_path, 'preset = "slack"\nsecrets = "k"')
    assert "400 s after it came" in checked.fault(request(headers))


def test_a_source_that_asks_for_nothing_proves_nothing_and_says_so(tmp_path: Path) -> None:
    checked = verifier(tmp_path, 'preset = "jotform"')
    assert not checked
    assert checked.fault(request()) == ""


@pytest.mark.parametrize(
    ("toml", "said"),
    [
        ('preset = "meta"', "sources.vendor.secrets: the signature"),
        ('preset = "google-ads"', "sources.vendor.secrets: the token"),
        ('preset = "twilio"\nsecrets = "k"', "covers the URL"),
        ('preset = "standard-webhooks"\nsecrets = "not base64!"', "is not written in base64"),
        ('preset = "standard-webhooks-ed25519"\nsecrets = "whpk_AAAA"', "32 bytes, and this has 3"),
        ('secrets = "k"\nverify.token.place = "query"', "which query holds the token"),
        (
            'secrets = "k"\nverify.signature = { algorithm = "hmac-sha1", header = "S", '
            'signed = "{bodi}" }',
            "no piece is called {bodi}",
        ),
        (
            'secrets = "k"\nverify.signature = { algorithm = "hmac-sha1", header = "S", '
            'signed = "{timestamp}" }',
            "has to cover the body or the URL",
        ),
        ('secrets = "k"\nverify.signature = { algorithm = "hmac-sha1" }', "in which header"),
    ],
)
def test_what_cannot_be_checked_is_said_before_it_is_used(
    tmp_path: Path, toml: str, said: str
) -> None:
    with pytest.raises(SettingsError) as refused:
        verifier(tmp_path, toml)
    assert said in str(refused.value)
    assert "sources.vendor" in str(refused.value)
