"""For every way of signing: what was signed is proved, and with one byte changed it is not.

What is signed is written here a second time, by hand and not from the presets' templates.
"""

import base64
import hashlib
import hmac
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple
from urllib.parse import parse_qsl, unquote_to_bytes

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from leadkeep.settings.presets import presets
from leadkeep.sources.verification.evidence import Evidence
from leadkeep.sources.verification.verifier import Verifier
from tests.unit.sources.verification.requests import NOW_SECONDS, source

URL = b"https://leads.example.com"
FORM = b"application/x-www-form-urlencoded"
_RAW = bytes(range(24))
_PRIVATE = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
_PUBLIC = _PRIVATE.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
_SECRET = base64.b64encode(_RAW).decode()


class Request(NamedTuple):
    """All of a request that somebody may sign."""

    body: bytes
    target: bytes = b"/hooks"
    method: bytes = b"POST"
    seconds: bytes = b"%d" % NOW_SECONDS
    message_id: bytes = b"msg_1"
    more: bytes = b""

    @property
    def milliseconds(self) -> bytes:
        return self.seconds + b"000"


class Way(NamedTuple):
    """One way of signing."""

    message: Callable[[Request], bytes]
    headers: Callable[[Request, bytes], bytes]
    """Header lines, from the request and its signature."""
    toml: str
    make: Callable[[bytes], bytes]
    covers: tuple[str, ...] = ("body",)


def _hmac(digest: str, key: bytes = _SECRET.encode()) -> Callable[[bytes], bytes]:
    return lambda message: hmac.new(key, message, digest).digest()


_SHA256, _SHA1, _RAW_SHA256 = _hmac("sha256"), _hmac("sha1"), _hmac("sha256", _RAW)
_b64 = base64.b64encode


def _hex(signature: bytes) -> bytes:
    return signature.hex().encode()


def _of_preset(name: str, more: str = "", secret: str = _SECRET) -> str:
    return f'preset = "{name}"\nsecrets = "{secret}"\n{more}'


def _own(*, secret: str = _SECRET, **signature: str) -> str:
    rows = "".join(f'verify.signature.{key} = "{value}"\n' for key, value in signature.items())
    return f'secrets = "{secret}"\n{rows}'


def _hubspot_uri(target: bytes) -> bytes:
    for escape in (
        b"3A",
        b"2F",
        b"3F",
        b"40",
        b"21",
        b"24",
        b"27",
        b"28",
        b"29",
        b"2A",
        b"2C",
        b"3B",
    ):
        for written in (escape, escape.lower(), escape[:1] + escape[1:].lower()):
            target = target.replace(b"%" + written, unquote_to_bytes(b"%" + escape))
    return URL + target


def _twilio_fields(body: bytes) -> bytes:
    pairs = parse_qsl(body.decode("latin-1"), keep_blank_values=True, encoding="latin-1")
    return "".join(f"{name}{value}" for name, value in sorted(set(pairs))).encode("latin-1")


def _standard(request: Request, signature: bytes, version: bytes) -> bytes:
    return b"webhook-id: %s\r\nwebhook-timestamp: %s\r\nwebhook-signature: v1,AAAA %s,%s\r\n" % (
        request.message_id,
        request.seconds,
        version,
        _b64(signature),
    )


_DOTTED = lambda r: r.seconds + b"." + r.body  # noqa: E731 - a table of them
_NAMED = lambda r: r.message_id + b"." + r.seconds + b"." + r.body  # noqa: E731
_BODY = lambda r: r.body  # noqa: E731


def _pairs(header: bytes, key: bytes) -> Callable[[Request, bytes], bytes]:
    return lambda r, s: b"%s: t=%s,%s=%s\r\n" % (header, r.seconds, key, _hex(s))


def _plain(
    header: bytes, prefix: bytes = b"", write: Callable[[bytes], bytes] = _hex
) -> Callable[[Request, bytes], bytes]:
    return lambda _, s: header + b": " + prefix + write(s) + b"\r\n"


WAYS: Mapping[str, Way] = {
    "meta": Way(_BODY, _plain(b"X-Hub-Signature-256", b"sha256="), "", _SHA256),
    "github": Way(_BODY, _plain(b"X-Hub-Signature-256", b"sha256="), "", _SHA256),
    "linkedin": Way(lambda r: b"hmacsha256=" + r.body, _plain(b"X-LI-Signature"), "", _SHA256),
    "typeform": Way(_BODY, _plain(b"Typeform-Signature", b"sha256=", _b64), "", _SHA256),
    "shopify": Way(_BODY, _plain(b"X-Shopify-Hmac-SHA256", b"", _b64), "", _SHA256),
    "callrail": Way(_BODY, _plain(b"Signature", b"", _b64), "", _SHA1),
    "tiktok": Way(_DOTTED, _pairs(b"TikTok-Signature", b"s"), "", _SHA256, ("body", "seconds")),
    "stripe": Way(_DOTTED, _pairs(b"Stripe-Signature", b"v1"), "", _SHA256, ("body", "seconds")),
    "calendly": Way(
        _DOTTED, _pairs(b"Calendly-Webhook-Signature", b"v1"), "", _SHA256, ("body", "seconds")
    ),
    "slack": Way(
        lambda r: b"v0:" + r.seconds + b":" + r.body,
        lambda r, s: (
            b"X-Slack-Signature: v0=%s\r\nX-Slack-Request-Timestamp: %s\r\n" % (_hex(s), r.seconds)
        ),
        "",
        _SHA256,
        ("body", "seconds"),
    ),
    "hubspot": Way(
        lambda r: r.method + _hubspot_uri(r.target) + r.body + r.milliseconds,
        lambda r, s: (
            b"X-HubSpot-Signature-v3: %s\r\nX-HubSpot-Request-Timestamp: %s\r\n"
            % (_b64(s), r.milliseconds)
        ),
        "",
        _SHA256,
        ("body", "target", "method", "seconds"),
    ),
    "twilio": Way(
        lambda r: URL + r.target + _twilio_fields(r.body),
        lambda _, s: b"Content-Type: " + FORM + b"\r\nX-Twilio-Signature: " + _b64(s) + b"\r\n",
        "",
        _SHA1,
        ("body", "target"),
    ),
    "standard-webhooks": Way(
        _NAMED,
        lambda r, s: _standard(r, s, b"v1"),
        "",
        _RAW_SHA256,
        ("body", "seconds", "message_id"),
    ),
    "standard-webhooks-ed25519": Way(
        _NAMED,
        lambda r, s: _standard(r, s, b"v1a"),
        "",
        _PRIVATE.sign,
        ("body", "seconds", "message_id"),
    ),
    "own SHA-512": Way(
        lambda r: r.method + b"|" + r.body,
        _plain(b"X-Sum", b"v9 "),
        _own(algorithm="hmac-sha512", header="X-Sum", prefix="v9 ", signed="{method}|{body}"),
        _hmac("sha512"),
        ("body", "method"),
    ),
    "own SHA-1 over the URL as sent": Way(
        lambda r: URL + r.target + r.body,
        _plain(b"X-Sum"),
        _own(algorithm="hmac-sha1", header="X-Sum", signed="{url}{body}"),
        _SHA1,
        ("body", "target"),
    ),
    "own ed25519 in hex": Way(
        _BODY,
        _plain(b"X-Sum"),
        _own(algorithm="ed25519", header="X-Sum", key_form="hex", secret=_PUBLIC.hex()),
        _PRIVATE.sign,
    ),
    "own key in hex": Way(
        _BODY,
        _plain(b"X-Sum"),
        _own(algorithm="hmac-sha256", header="X-Sum", key_form="hex", secret=_RAW.hex()),
        _RAW_SHA256,
    ),
}
_SECRETS = {
    "standard-webhooks": f"whsec_{_SECRET}",
    "standard-webhooks-ed25519": f"whpk_{_b64(_PUBLIC).decode()}",
}


def _verifier(name: str) -> Verifier:
    toml = WAYS[name].toml or _of_preset(name, secret=_SECRETS.get(name, _SECRET))
    toml += f'\nverify.public_url = "{URL.decode()}"'
    with tempfile.TemporaryDirectory() as folder:
        return Verifier("vendor", source(Path(folder), toml))


VERIFIERS = {name: _verifier(name) for name in WAYS}


def _fault(name: str, request: Request, signature: bytes) -> str:
    return VERIFIERS[name].fault(
        Evidence(
            method=request.method.decode(),
            target=request.target,
            headers=request.more + WAYS[name].headers(request, signature),
            body=request.body,
            received_at_us=NOW_SECONDS * 1_000_000,
        )
    )


_words = st.binary(max_size=30).map(lambda raw: raw.replace(b"\r", b"").replace(b"\n", b""))
_requests = st.builds(
    Request,
    body=st.binary(min_size=1, max_size=200),
    target=_words.map(lambda raw: b"/hooks?" + raw),
    method=st.sampled_from([b"POST", b"PUT", b"GET"]),
    seconds=st.just(b"%d" % NOW_SECONDS),
    message_id=st.from_regex(rb"[\w.:-]{1,30}", fullmatch=True),
    more=_words.map(lambda raw: b"X-More: " + raw + b"\r\n"),
)


def test_every_preset_that_signs_is_here() -> None:
    signing = {
        name for name, preset in presets().items() if "signature" in preset.source.get("verify", {})
    }
    assert signing <= WAYS.keys()


@pytest.mark.parametrize("name", WAYS)
@settings(max_examples=30, deadline=None)
@given(request=_requests)
@example(request=Request(body=b"\xef\xbb\xbf \t{}\r\n\x00 \n"))
def test_what_was_signed_is_proved(name: str, request: Request) -> None:
    assume(name != "twilio" or b"bodySHA256" not in request.target)
    assert _fault(name, request, WAYS[name].make(WAYS[name].message(request))) == ""


@pytest.mark.parametrize(
    ("name", "part"), [(name, part) for name, way in WAYS.items() for part in way.covers]
)
@settings(max_examples=30, deadline=None)
@given(request=_requests, at=st.integers(0, 10_000), flip=st.integers(1, 255))
def test_one_flipped_byte_of_what_is_signed_is_not(
    name: str, part: str, request: Request, at: int, flip: int
) -> None:
    way = WAYS[name]
    signature = way.make(way.message(request))
    was: bytes = getattr(request, part)
    at %= len(was)
    changed_byte = was[at] ^ flip if part != "method" else was[at] ^ 1
    changed = request._replace(**{part: was[:at] + bytes([changed_byte]) + was[at + 1 :]})
    assume(changed_byte < 128 or part in {"body", "target"})
    # Some vendors sign what bytes mean: other bytes of one meaning are the same to them.
    assume(way.message(changed) != way.message(request))
    assert _fault(name, changed, signature)


@pytest.mark.parametrize("name", WAYS)
@settings(max_examples=30, deadline=None)
@given(request=_requests, at=st.integers(0, 10_000), flip=st.integers(1, 255))
def test_one_flipped_byte_of_the_signature_proves_nothing(
    name: str, request: Request, at: int, flip: int
) -> None:
    made = bytearray(WAYS[name].make(WAYS[name].message(request)))
    made[at % len(made)] ^= flip
    assert _fault(name, request, bytes(made))


_twilio = VERIFIERS["twilio"]


def _twilio_fault(*, signed: bytes, target: bytes, body: bytes, content_type: bytes) -> str:
    signature = _b64(_SHA1(URL + signed))
    return _twilio.fault(
        Evidence(
            method="POST",
            target=target,
            headers=b"Content-Type: %s\r\nX-Twilio-Signature: %s\r\n" % (content_type, signature),
            body=body,
            received_at_us=0,
        )
    )


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b'{"From": "me"}', b"application/json"),
        (b"From=me", b"text/plain"),
        (b"&".join(b"f%d=1" % n for n in range(1_001)), FORM),
    ],
)
def test_a_signature_over_a_url_alone_proves_nothing_of_a_body(
    body: bytes, content_type: bytes
) -> None:
    fault = _twilio_fault(signed=b"/a", target=b"/a", body=body, content_type=content_type)
    assert fault == "its body is no form whose fields are signed"


def test_a_body_that_was_hashed_is_no_form_instead() -> None:
    target = b"/a?bodySHA256=" + hashlib.sha256(b"{}").hexdigest().encode()
    said = {
        body: _twilio_fault(signed=target, target=target, body=body, content_type=FORM)
        for body in (b"{}", b"=", b"")
    }
    assert said[b"="].startswith("its body is not the one")
    assert said[b""].startswith("its body is not the one")


def test_fields_that_cannot_be_decoded_do_not_look_alike() -> None:
    signed = b"/a" + b"From\xff"
    right = _twilio_fault(signed=signed, target=b"/a", body=b"From=%FF", content_type=FORM)
    other = _twilio_fault(signed=signed, target=b"/a", body=b"From=%FE", content_type=FORM)
    assert (right, bool(other)) == ("", True)


def test_a_signature_written_in_another_way_is_none() -> None:
    body = b"{}"
    written = _b64(_SHA256(body)).decode()
    last = written[-2]
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    twin = written[:-2] + alphabet[alphabet.index(last) ^ 1] + "="
    assert base64.b64decode(twin) == base64.b64decode(written)

    def fault(word: str) -> str:
        return VERIFIERS["shopify"].fault(
            Evidence(
                method="POST",
                target=b"/",
                headers=f"X-Shopify-Hmac-SHA256: {word}\r\n".encode(),
                body=body,
                received_at_us=0,
            )
        )

    assert fault(written) == fault(written.rstrip("=")) == ""
    assert "not written as a signature" in fault(twin)


def test_a_secret_is_read_as_the_vendors_package_reads_it(tmp_path: Path) -> None:
    secret = "aGVsbG8gd29ybGR="  # Base64 with a bit over
    checked = Verifier("vendor", source(tmp_path, _of_preset("standard-webhooks", secret=secret)))
    request = Request(body=b"{}")
    message = b"msg_1.%d.{}" % NOW_SECONDS
    made = hmac.new(base64.b64decode(secret), message, hashlib.sha256).digest()
    evidence = Evidence(
        method="POST",
        target=b"/",
        headers=_standard(request, made, b"v1"),
        body=b"{}",
        received_at_us=NOW_SECONDS * 10**6,
    )
    assert checked.fault(evidence) == ""


@pytest.mark.parametrize(
    "value",
    ['"\\ud800"', "1e400", "9" * 5_000, "NaN", "null", "[]", "true", '"2026-13-01"', '""'],
)
@pytest.mark.parametrize("unit", ["s", "ms", "iso"])
def test_a_time_in_the_body_that_is_none_proves_nothing(
    tmp_path: Path, value: str, unit: str
) -> None:
    toml = _own(algorithm="hmac-sha256", header="X-Sum", timestamp_field="at", timestamp_unit=unit)
    checked = Verifier("vendor", source(tmp_path, f"{toml}verify.signature.max_age_seconds = 60"))
    body = b'{"at": ' + value.encode() + b"}"
    headers = b"X-Sum: " + _hex(_SHA256(body)) + b"\r\n"
    evidence = Evidence(
        method="POST", target=b"/", headers=headers, body=body, received_at_us=NOW_SECONDS * 10**6
    )
    assert "when it was signed" in checked.fault(evidence)


def test_a_time_without_a_zone_is_read_as_universal(tmp_path: Path) -> None:
    toml = _own(algorithm="hmac-sha256", header="X-Sum", timestamp_field="at", timestamp_unit="iso")
    checked = Verifier("vendor", source(tmp_path, f"{toml}verify.signature.max_age_seconds = 60"))
    body = b'{"at": "2025-10-09T08:53:20"}'
    headers = b"X-Sum: " + _hex(_SHA256(body)) + b"\r\n"
    evidence = Evidence(
        method="POST", target=b"/", headers=headers, body=body, received_at_us=NOW_SECONDS * 10**6
    )
    assert checked.fault(evidence) == ""
