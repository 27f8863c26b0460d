"""Signatures, checked by the standard's own library and its published example."""

import base64
import os
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook, WebhookVerificationError

from leadkeep.destinations.signing import Signer
from leadkeep.errors import SettingsError

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def headers_of(lines: bytes) -> dict[str, str]:
    pairs = (line.partition(": ") for line in lines.decode().split("\r\n") if line)
    return {name: value for name, _, value in pairs}


def test_the_published_example_is_signed_as_published() -> None:
    signer = Signer("brain", [SECRET], standard=True)
    lines = signer.lines("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, b'{"test": 2432232314}')
    assert headers_of(lines) == {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }


@given(st.text(st.characters(codec="utf-8")), st.binary(min_size=24, max_size=64))
def test_the_standard_s_library_verifies_every_body(body: str, key: bytes) -> None:
    secret = "whsec_" + base64.b64encode(key).decode()
    now = int(time.time())
    lines = Signer("brain", [secret], standard=True).lines("lead-1", now, body.encode())
    library = Webhook(secret)
    try:
        library.verify(body, headers_of(lines))
    except WebhookVerificationError:
        raise
    except ValueError:
        pass  # verified; what fails is its reading of the body as JSON
    with pytest.raises(WebhookVerificationError):
        library.verify(body + "x", headers_of(lines))


def test_a_receiver_with_either_secret_verifies_while_they_are_changed() -> None:
    old, new = (f"whsec_{base64.b64encode(os.urandom(32)).decode()}" for _ in range(2))
    lines = Signer("brain", [new, old], standard=True).lines("lead-1", int(time.time()), b"{}")
    for secret in (old, new):
        Webhook(secret).verify("{}", headers_of(lines))
    stranger = f"whsec_{base64.b64encode(os.urandom(32)).decode()}"
    with pytest.raises(WebhookVerificationError):
        Webhook(stranger).verify("{}", headers_of(lines))


def test_our_own_header_has_the_same_signature() -> None:
    ours = headers_of(Signer("brain", [SECRET], standard=False).lines("lead-1", 1_700_000_000, b""))
    theirs = headers_of(
        Signer("brain", [SECRET], standard=True).lines("lead-1", 1_700_000_000, b"")
    )
    assert ours == {"Leadkeep-Signature": theirs["webhook-signature"]}


@pytest.mark.parametrize(
    "secret", ["", "whsec_", "not base64!", "whsec_c2hvcnQ=", base64.b64encode(b"x" * 65).decode()]
)
def test_a_key_that_is_none_is_refused_without_being_repeated(secret: str) -> None:
    with pytest.raises(SettingsError, match=r"destinations\.brain\.sign\.secrets") as refused:
        Signer("brain", [secret], standard=True)
    assert len(secret) < 8 or secret not in str(refused.value) + refused.value.hint
