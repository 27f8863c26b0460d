"""Whatever is posted, a verifier says why it proves nothing; it never raises or believes it."""

import hashlib
import hmac
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leadkeep.settings.presets import presets
from leadkeep.sources.verification.evidence import Evidence
from leadkeep.sources.verification.verifier import Verifier
from tests.unit.sources.verification.requests import NOW_SECONDS, source

_SECRET = "whsec_c2hhcmVkIGtleSBvZiAzMiBieXRlcyBmb3IgYSB0ZXN0"
_PUBLIC = "whpk_A6EHv/POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVbbg="


def _verifiers() -> dict[str, Verifier]:
    made = {}
    for name in presets():
        secret = _PUBLIC if "ed25519" in name else _SECRET
        toml = f'preset = "{name}"\nsecrets = "{secret}"\nverify.public_url = "https://l.example"'
        with tempfile.TemporaryDirectory() as folder:
            checked = Verifier("vendor", source(Path(folder), toml))
        if checked:
            made[name] = checked
    return made


VERIFIERS = _verifiers()
_HEADER_NAMES = (
    *("X-Hub-Signature-256", "Stripe-Signature", "webhook-signature", "webhook-id"),
    *("webhook-timestamp", "Authorization", "Content-Type", "X-Twilio-Signature", "Signature"),
    *("X-Slack-Signature", "X-Slack-Request-Timestamp", "X-HubSpot-Signature-v3"),
    *("X-HubSpot-Request-Timestamp", "TikTok-Signature", "X-LI-Signature", "X-Leadkeep-Token"),
)
_words = st.one_of(
    st.binary(max_size=60),
    st.sampled_from(
        [
            *(b"t=1760000000,v1=00", b"v1,AAAA v1a,AAAA", b"sha256=00", b"v0=00", b"t=,s="),
            *(b"application/json", b"application/x-www-form-urlencoded", b"multipart/form-data"),
            *(b"1760000000", b"1760000000000", b"Basic OjpA", b"Bearer ", b"=" * 50),
        ]
    ),
)
_headers = st.lists(st.tuples(st.sampled_from(_HEADER_NAMES), _words), max_size=8)
_targets = st.one_of(
    st.binary(max_size=80), st.sampled_from([b"/a?bodySHA256=zz", b"/%ff?%ff=%", b"*", b"/?;&=="])
)
_bodies = st.one_of(
    st.binary(max_size=300),
    st.sampled_from(
        [b"", b'{"google_key": NaN}', b"[" * 3_000, b"Key=%ZZ&Key", b'{"Key":"\\ud800"}']
    ),
)


@pytest.mark.parametrize("name", VERIFIERS)
@settings(max_examples=60, deadline=None)
@given(headers=_headers, target=_targets, body=_bodies, peer=st.text(max_size=20))
def test_no_request_that_nobody_signed_is_believed(
    name: str, headers: list[tuple[str, bytes]], target: bytes, body: bytes, peer: str
) -> None:
    lines = b"".join(key.encode() + b": " + value + b"\r\n" for key, value in headers)
    evidence = Evidence(
        method="POST",
        target=target,
        headers=lines,
        body=body,
        received_at_us=NOW_SECONDS * 1_000_000,
        peer=peer,
    )
    fault = VERIFIERS[name].fault(evidence)
    assert fault
    assert fault.isprintable()


@settings(max_examples=300, deadline=None)
@given(body=st.binary(max_size=200), at=st.integers(0, 63), flip=st.integers(1, 255))
def test_what_is_signed_is_believed_and_one_flipped_byte_of_the_signature_is_not(
    body: bytes, at: int, flip: int
) -> None:
    made = bytearray(hmac.new(_SECRET.encode(), body, hashlib.sha256).digest())

    def fault() -> str:
        return VERIFIERS["github"].fault(
            Evidence(
                method="POST",
                target=b"/",
                headers=b"X-Hub-Signature-256: sha256=" + made.hex().encode() + b"\r\n",
                body=body,
                received_at_us=0,
            )
        )

    assert fault() == ""
    made[at % 32] ^= flip
    assert fault() == "its signature does not fit what was sent and the secret"
