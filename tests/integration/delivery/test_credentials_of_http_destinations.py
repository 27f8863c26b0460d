"""Credentials and signatures as they arrive, renewed from files, and shown nowhere."""

import base64
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from standardwebhooks import Webhook
from structlog.testing import capture_logs

from leadkeep.clock import SystemClock
from leadkeep.destinations.http import HttpDestination
from leadkeep.errors import SettingsError
from leadkeep.settings.describe import shown
from leadkeep.settings.load import load
from leadkeep.settings.model import AuthSettings, DestinationSettings, Settings, SignSettings
from leadkeep.settings.secret import Secret
from tests.fakes.clock import FakeClock
from tests.integration.delivery.conftest import MakeDestination
from tests.integration.delivery.leads import BODY, LEAD_ID, a_claim
from tests.integration.delivery.raw_server import OK, RawServer, raw_server, replies

CANARY = "canary-secret"
SECRETS = tuple(f"whsec_{base64.b64encode(os.urandom(32)).decode()}" for _ in range(2))


@pytest.fixture
async def server() -> AsyncIterator[RawServer]:
    async with raw_server(replies(OK)) as running:
        yield running


def headers_of(request: bytes) -> dict[str, str]:
    lines = request.partition(b"\r\n\r\n")[0].decode().split("\r\n")[1:]
    return {name: value for name, _, value in (line.partition(": ") for line in lines)}


@pytest.mark.parametrize(
    ("auth", "sent"),
    [
        (AuthSettings(basic="ada:p:ß"), "Basic YWRhOnA6w58="),
        (AuthSettings(bearer="token"), "Bearer token"),
    ],
)
async def test_credentials_take_the_place_of_the_vendor_s(
    destination_at: MakeDestination, server: RawServer, auth: AuthSettings, sent: str
) -> None:
    claim = a_claim(headers=b"AUTHORIZATION: theirs\r\nX-End: stays\r\n")
    assert (await destination_at(server.url, auth=auth).attempt(claim)).confirmed
    (request,) = server.requests
    assert headers_of(request)["Authorization"] == sent
    assert b"theirs" not in request
    assert b"X-End: stays" in request


@pytest.mark.parametrize(
    "auth", [AuthSettings(basic="no colon"), AuthSettings(bearer="a\r\nX-Forged: 1")]
)
async def test_credentials_that_cannot_be_sent_are_refused_at_once(
    destination_at: MakeDestination, auth: AuthSettings
) -> None:
    with pytest.raises(SettingsError, match=r"destinations\.brain\.auth") as refused:
        destination_at("http://app.example/", auth=auth)
    assert "no colon" not in str(refused.value)
    assert "Forged" not in str(refused.value)


async def test_a_delivery_is_signed_as_the_standard_says(
    destination_at: MakeDestination, server: RawServer
) -> None:
    sign = SignSettings(secrets=SECRETS, headers="standard")
    claim = a_claim(headers=b"Webhook-Signature: theirs\r\nwebhook-id: theirs\r\n")
    assert (await destination_at(server.url, sign=sign).attempt(claim)).confirmed
    (request,) = server.requests
    assert b"theirs" not in request
    headers = headers_of(request)
    assert headers["webhook-id"] == headers["Idempotency-Key"] == LEAD_ID
    assert headers["webhook-timestamp"] == headers["Leadkeep-Timestamp"]
    for secret in SECRETS:
        assert Webhook(secret).verify(BODY, headers)


async def test_a_delivery_is_signed_in_our_own_headers_beside_the_vendor_s(
    destination_at: MakeDestination, server: RawServer
) -> None:
    claim = a_claim(headers=b"webhook-signature: vendor\r\n")
    sign = SignSettings(secrets=SECRETS[:1])
    assert (await destination_at(server.url, sign=sign).attempt(claim)).confirmed
    headers = headers_of(server.requests[0])
    assert headers["webhook-signature"] == "vendor"
    renamed = {
        "webhook-id": headers["Leadkeep-Lead-Id"],
        "webhook-timestamp": headers["Leadkeep-Timestamp"],
        "webhook-signature": headers["Leadkeep-Signature"],
    }
    assert Webhook(SECRETS[0]).verify(BODY, renamed)


async def test_each_attempt_is_signed_for_its_own_moment(server: RawServer) -> None:
    clock = FakeClock()
    settings = DestinationSettings(url=server.url, sign=SignSettings(secrets=SECRETS[:1]))
    destination = HttpDestination("brain", settings, clock=clock)
    await destination.attempt(a_claim())
    clock.advance(seconds=600)
    await destination.attempt(a_claim(attempt=2))
    await destination.close()
    first, second = map(headers_of, server.requests)
    assert int(second["Leadkeep-Timestamp"]) - int(first["Leadkeep-Timestamp"]) == 600
    assert first["Leadkeep-Signature"] != second["Leadkeep-Signature"]


async def test_a_configured_header_of_the_signature_is_refused(
    destination_at: MakeDestination,
) -> None:
    sign = SignSettings(secrets=SECRETS, headers="standard")
    with pytest.raises(SettingsError, match=r"headers\.Webhook-Id"):
        destination_at("http://app.example/", sign=sign, headers={"Webhook-Id": "x"})


async def test_secrets_in_files_are_used_as_they_are_now(server: RawServer, tmp_path: Path) -> None:
    files = {name: tmp_path / name for name in ("token", "key", "signing")}
    files["token"].write_text("old\n")
    files["key"].write_text("old\n")
    files["signing"].write_text(SECRETS[0])
    settings = DestinationSettings(
        url=server.url,
        headers={"X-Key": Secret.read(files["key"])},
        auth=AuthSettings(bearer=Secret.read(files["token"])),
        sign=SignSettings(secrets=(Secret.read(files["signing"]),), headers="standard"),
    )
    clock = FakeClock(now_us=SystemClock().now_us())
    destination = HttpDestination("brain", settings, clock=clock)

    async def sent() -> dict[str, str]:
        clock.advance(seconds=2)
        assert (await destination.attempt(a_claim())).confirmed
        return headers_of(server.requests[-1])

    before = await sent()
    assert (before["Authorization"], before["X-Key"]) == ("Bearer old", "old")
    for name, text in (("token", "new"), ("key", "new"), ("signing", SECRETS[1])):
        files[name].unlink()
        files[name].write_text(text)
    after = await sent()
    assert (after["Authorization"], after["X-Key"]) == ("Bearer new", "new")
    assert Webhook(SECRETS[0]).verify(BODY, before)
    assert Webhook(SECRETS[1]).verify(BODY, after)
    # One that cannot be used changes nothing, and is not repeated in the log.
    files["signing"].write_text(CANARY)
    with capture_logs() as logs:
        assert Webhook(SECRETS[1]).verify(BODY, await sent())
        files["signing"].unlink()
        assert Webhook(SECRETS[1]).verify(BODY, await sent())
    assert ["stays in use" in line["event"] for line in logs] == [True, True]
    assert CANARY not in str(logs)
    await destination.close()


LOADED = """
[destinations.crm]
url = "https://app.example/hook"
headers = { X-Key = { file = "key" } }
[destinations.crm.sign]
secrets = ["canary-secret-2", { env = "SIGNING" }, { file = "key" }]
"""


def loaded(tmp_path: Path, toml: str = LOADED) -> Settings:
    (tmp_path / "leadkeep.toml").write_text(toml)
    (tmp_path / "key").write_text(f"{CANARY}\n")
    environ = {"SIGNING": f"{CANARY}-3", "LEADKEEP_DESTINATIONS__CRM__AUTH__BEARER": f"{CANARY}-4"}
    return load(config=None, environ=environ, flags={}, cwd=tmp_path)


def test_secrets_are_read_from_everywhere_and_shown_nowhere(tmp_path: Path) -> None:
    settings = loaded(tmp_path)
    crm = settings.destinations["crm"]
    assert crm.headers == {"X-Key": CANARY}
    assert crm.sign.secrets == (f"{CANARY}-2", f"{CANARY}-3", CANARY)
    assert crm.auth.bearer == f"{CANARY}-4"
    lines = {line.key: line.value for line in shown(settings)}
    assert lines["destinations.crm.sign.secrets"] == '["***", "***", "***"]'
    assert lines["destinations.crm.auth.bearer"] == '"***"'
    assert lines["destinations.crm.auth.basic"] == ""
    for told in (str(lines), repr(settings), repr(crm), repr([*crm.sign.secrets][2:])):
        assert CANARY not in told


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ("auth.basic = 'canary-secret'", "destinations.crm.auth.basic"),
        ("auth.bearer = \"canary-secret\\n\"\nauth.basic = 'a:b'", "destinations.crm.auth"),
        ("auth.bearer = 'x'\nheaders = { authorization = 'canary-secret' }", "headers"),
        ("sign.secrets = ['canary-secret', 'canary-secret']", "destinations.crm.sign.secrets"),
        ("sign.secrets = { env = 'NOT_THERE' }", "destinations.crm.sign.secrets"),
        ("options = 'canary-secret'", "destinations.crm.options"),
        ("tls.certificate = 'key'", "destinations.crm.tls.key"),
    ],
)
def test_a_wrong_secret_is_named_and_not_repeated(tmp_path: Path, wrong: str, named: str) -> None:
    (tmp_path / "key").write_text("")
    with pytest.raises(SettingsError) as refused:
        (tmp_path / "leadkeep.toml").write_text(
            f"[destinations.crm]\nurl = 'https://app.example/'\n{wrong}\n"
        )
        load(config=None, environ={}, flags={}, cwd=tmp_path)
    assert named in str(refused.value)
    assert CANARY not in str(refused.value)
