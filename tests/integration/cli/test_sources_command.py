"""`leadkeep sources`: presets are listed and shown; requests are verified, faults explained."""

import hashlib
import hmac
from pathlib import Path

import msgspec
import pytest

from leadkeep.cli.exits import Exit
from leadkeep.settings.presets import GROUNDS, presets
from tests.integration.cli.installation import Installation
from tests.store.builders import a_lead

SECRET = "s3cret-of-the-vendor"
BODY = b'{"name": "Ann"}\n'
TOML = """
[sources.gh]
paths = ["/hooks/*"]
preset = "github"
secrets = { env = "GH_SECRET" }
verify.signature.prefix = "SHA256="

[sources.open]
paths = ["/open"]
"""


@pytest.fixture
def configured(installation: Installation, monkeypatch: pytest.MonkeyPatch) -> Installation:
    monkeypatch.setenv("GH_SECRET", SECRET)
    (installation.folder / "leadkeep.toml").write_text(TOML)
    return installation


def _headers(signed: bytes) -> bytes:
    made = hmac.new(SECRET.encode(), signed, hashlib.sha256).hexdigest()
    return f"Host: l.example\r\nX-Hub-Signature-256: sha256={made}\r\n".encode()


def _captured(
    folder: Path, signed: bytes, body: bytes = BODY, *, line_end: bytes = b"\r\n"
) -> Path:
    file = folder / "captured.http"
    head = b"POST /hooks/a HTTP/1.1\r\n" + _headers(signed) + b"\r\n"
    file.write_bytes(head.replace(b"\r\n", line_end) + BODY)
    return file


def test_every_preset_is_listed_with_what_it_rests_on(installation: Installation) -> None:
    listed = installation.json("sources", "presets")
    assert [one["name"] for one in listed] == list(presets())
    assert {one["grounds"] for one in listed} == set(GROUNDS)
    shown = installation.ok("sources", "presets")
    assert all(name in shown for name in presets())


def test_a_source_shows_what_it_got_from_where_and_no_secret(configured: Installation) -> None:
    shown = configured.ok("sources", "show", "gh")
    assert 'verify.signature.header = "X-Hub-Signature-256"' in shown
    assert 'verify.signature.prefix = "SHA256="' in shown
    assert 'secrets = ["***"]' in shown
    assert SECRET not in shown


def test_a_preset_is_shown_as_what_anybody_could_write(
    installation: Installation, tmp_path: Path
) -> None:
    for name in presets():
        shown = installation.ok("sources", "show", name)
        toml = shown.partition("\n\n")[0]
        file = tmp_path / "written.toml"
        file.write_text(toml.replace("[sources.", "[sources.my-") + '\npaths = ["/x"]\n')
        installation.ok("--config", file, "config", "show")


def test_what_does_not_exist_is_not_shown(installation: Installation) -> None:
    result = installation.run("sources", "show", "gutter")
    assert result.exit_code == Exit.NOT_FOUND
    assert "sources presets" in result.stderr


@pytest.mark.parametrize("line_end", [b"\r\n", b"\n"])
def test_a_captured_request_is_proved(
    configured: Installation, tmp_path: Path, line_end: bytes
) -> None:
    file = _captured(tmp_path, BODY, line_end=line_end)
    assert configured.ok("sources", "test", "gh", "--request", file).startswith("Proved")


def test_a_body_that_was_rewritten_is_explained_without_quoting_it(
    configured: Installation, tmp_path: Path
) -> None:
    file = _captured(tmp_path, b'{"name":"Ann"}')
    result = configured.run("sources", "test", "gh", "--request", file)
    assert result.exit_code == Exit.UNHEALTHY
    assert "Not proved: its signature does not fit" in result.stdout
    assert "written anew as JSON, without spaces" in result.stdout
    assert "Ann" not in result.output
    assert SECRET not in result.output
    told = configured.run("sources", "test", "gh", "--request", file, "--json")
    assert msgspec.json.decode(told.stdout)["proved"] is False


def test_a_stored_lead_is_verified(configured: Installation) -> None:
    lead = a_lead(source="gh", headers=_headers(BODY), body=BODY)
    number = configured.absorb(lead)[0].lead_number
    assert configured.json("sources", "test", "gh", "--lead", number)["proved"] is True


def test_a_source_that_asks_for_nothing_says_so(configured: Installation, tmp_path: Path) -> None:
    file = _captured(tmp_path, BODY)
    told = configured.json("sources", "test", "open", "--request", file)
    assert (told["asks_for_proof"], told["proved"]) == (False, False)


@pytest.mark.parametrize(
    ("arguments", "exit_code"),
    [
        (["gh"], Exit.USAGE),
        (["gh", "--request", "-", "--lead", "1"], Exit.USAGE),
        (["gh", "--request", "-"], Exit.USAGE),
        (["nobody", "--request", "-"], Exit.NOT_FOUND),
    ],
)
def test_what_cannot_be_tested_says_why(
    configured: Installation, arguments: list[str], exit_code: Exit
) -> None:
    result = configured.run("sources", "test", *arguments, stdin=b"no request\n")
    assert result.exit_code == exit_code
    assert "hint:" in result.stderr
