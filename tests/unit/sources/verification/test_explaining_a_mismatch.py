"""A request that does not verify is explained by the change with which it would."""

import base64
import hashlib
import hmac
import json
from pathlib import Path

import pytest

from leadkeep.sources.verification.explaining import Captured, explain
from tests.unit.sources.verification.requests import BODY, NOW_SECONDS, source

SECRET = "c2VjcmV0IG9mIHRoZSB2ZW5kb3I="
TREE = {"name": "Zoë", "url": "https://a.example/b", "n": 1}


def _github(body: bytes, *, signed: bytes | None = None, key: bytes = SECRET.encode()) -> Captured:
    made = hmac.new(key, body if signed is None else signed, hashlib.sha256)
    line = f"X-Hub-Signature-256: sha256={made.hexdigest()}\r\n"
    return Captured("POST", b"/hooks", line.encode(), body, NOW_SECONDS * 1_000_000)


def _explained(folder: Path, captured: Captured, toml: str) -> str:
    guess = explain("vendor", source(folder, toml), captured)
    return f"{guess.what}: {guess.mend}" if guess else ""


PRESET = f'preset = "github"\nsecrets = "{SECRET}"'


@pytest.mark.parametrize(
    ("sent", "signed", "said"),
    [
        (BODY.rstrip(), BODY, "with a line end after it"),
        (BODY, BODY.rstrip(), "without the line end after it"),
        (b"a\nb", b"a\r\nb", "network line ends"),
        (b"a\r\nb", b"a\nb", "plain line ends"),
        (b"\xef\xbb\xbf{}", b"{}", "byte order mark"),
        (
            json.dumps(TREE).encode(),
            json.dumps(TREE, separators=(",", ":")).encode(),
            "written anew as JSON, without spaces and with escaped letters",
        ),
        (
            json.dumps(TREE).encode(),
            json.dumps(TREE, ensure_ascii=False).encode(),
            "written anew as JSON, with spaces and without escaped letters",
        ),
        (
            json.dumps(TREE, ensure_ascii=False).encode(),
            json.dumps(TREE).replace("/", "\\/").encode(),
            "escaped slashes, with spaces and with escaped",
        ),
    ],
)
def test_a_body_that_was_rewritten_on_the_way(
    tmp_path: Path, sent: bytes, signed: bytes, said: str
) -> None:
    assert said in _explained(tmp_path, _github(sent, signed=signed), PRESET)


@pytest.mark.parametrize(
    ("configured", "said"),
    [
        (f"'{SECRET}'", "quotes"),
        (f"{SECRET[:9]} {SECRET[9:]}", "spaces"),
        (f"whsec_{SECRET}", "`whsec_` before it taken away"),
    ],
)
def test_a_secret_that_was_copied_wrongly(tmp_path: Path, configured: str, said: str) -> None:
    toml = f'preset = "github"\nsecrets = "{configured}"'
    assert said in _explained(tmp_path, _github(BODY), toml)


def test_a_secret_that_is_read_the_wrong_way(tmp_path: Path) -> None:
    captured = _github(BODY, key=base64.b64decode(SECRET))
    assert 'key_form = "base64"' in _explained(tmp_path, captured, PRESET)


def test_a_request_that_was_captured_long_ago(tmp_path: Path) -> None:
    at = NOW_SECONDS - 86_400
    made = hmac.new(SECRET.encode(), b"%d." % at + BODY, hashlib.sha256).hexdigest()
    line = f"Stripe-Signature: t={at},v1={made}\r\n".encode()
    captured = Captured("POST", b"/hooks", line, BODY, NOW_SECONDS * 1_000_000)
    toml = f'preset = "stripe"\nsecrets = "{SECRET}"'
    assert "too old" in _explained(tmp_path, captured, toml)


@pytest.mark.parametrize(
    ("signed_url", "target", "said"),
    [
        ("http://l.example/hooks/a", b"/hooks/a", 'public_url = "http://l.example"'),
        ("https://l.example:443/hooks/a", b"/hooks/a", 'public_url = "https://l.example:443"'),
        ("https://l.example/hooks/a/", b"/hooks/a", "slash at its end"),
        ("https://l.example/hooks/a", b"/hooks/a?utm=1", "without its query"),
    ],
)
def test_a_url_that_is_not_the_one_the_vendor_posts_to(
    tmp_path: Path, signed_url: str, target: bytes, said: str
) -> None:
    made = hmac.new(SECRET.encode(), signed_url.encode(), hashlib.sha1).digest()
    line = b"X-Twilio-Signature: " + base64.b64encode(made) + b"\r\n"
    captured = Captured("POST", target, line, b"", NOW_SECONDS * 1_000_000)
    toml = f'preset = "twilio"\nsecrets = "{SECRET}"\nverify.public_url = "https://l.example"'
    assert said in _explained(tmp_path, captured, toml)


def test_a_signature_that_is_made_or_written_in_another_way(tmp_path: Path) -> None:
    made = hmac.new(SECRET.encode(), BODY, hashlib.sha1).digest()
    line = b"X-Hub-Signature-256: sha256=" + base64.b64encode(made) + b"\r\n"
    captured = Captured("POST", b"/", line, BODY, NOW_SECONDS * 1_000_000)
    assert "hmac-sha1 in base64" in _explained(tmp_path, captured, PRESET)


def test_what_nothing_known_explains_is_not_explained(tmp_path: Path) -> None:
    assert _explained(tmp_path, _github(BODY, key=b"another"), PRESET) == ""
