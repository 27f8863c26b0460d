"""Paths, replies, quotas, addresses, health and TLS."""

import datetime
import json
import re
import ssl
import time
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from leadkeep.errors import SettingsError
from leadkeep.models import RecordFlag, RecordKind
from leadkeep.settings.model import ReplySettings, SourceSettings
from tests.integration.intake.conftest import OpenDoor
from tests.integration.intake.rig import Client, RunningDoor, request, wait_until

BODY = b'{"contact":{"first_name":"Ada","last_name":"Lovelace"}}'
JSON = ["Content-Type: application/json"]
NUMBER = re.compile(r"\d{13}")
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


def post(door: RunningDoor, target: str) -> tuple[int, dict[str, str]]:
    answer = door.ask(request(target=target, body=BODY, headers=JSON))
    return answer.status, answer.json


def test_api_webhook_is_answered_as_before(door: RunningDoor) -> None:
    assert door.ask(request("GET", "/api-webhook")).body == b'{"status":"ready"}'
    status, said = post(door, "/api-webhook")
    number = said["lead_id"]
    assert status == 200
    assert NUMBER.fullmatch(number)
    assert said == {"success": True, "message": "Lead received", "lead_id": number}
    assert [lead.lead_number for lead in door.leads()] == [int(number)]


def test_webhook_php_is_answered_as_before(door: RunningDoor) -> None:
    status, said = post(door, "/webhook.php")
    assert status == 201
    assert list(said) == ["success", "message", "lead_id", "name", "timestamp"]
    assert NUMBER.fullmatch(said["lead_id"])
    assert said["name"] == "Ada Lovelace"
    assert TIME.fullmatch(said["timestamp"])
    assert door.leads()[0].answer_status == 201


@pytest.mark.parametrize("kind", ["auto", "home"])
def test_typed_webhooks_are_answered_as_before(door: RunningDoor, kind: str) -> None:
    status, said = post(door, f"/webhook/{kind}")
    assert status == 200
    assert list(said) == ["success", "message", "lead_id", "external_lead_id", "type"]
    assert NUMBER.fullmatch(said["lead_id"])
    assert said["external_lead_id"] == said["lead_id"]
    assert said["type"] == kind


def test_the_failsafe_is_answered_as_before(door: RunningDoor) -> None:
    status, said = post(door, "/webhook-failsafe.php?from=vendor")
    assert status == 200
    assert list(said) == ["success", "message", "timestamp"]
    assert TIME.fullmatch(said["timestamp"])


@pytest.mark.parametrize(
    "body", [b"", b"\xff\xfe", b"[" * 50_000, b'{"name": "' + b"x" * 100_000, b"nul\x00"]
)
def test_a_payload_that_cannot_be_read_is_answered_with_an_empty_name(
    door: RunningDoor, body: bytes
) -> None:
    answer = door.ask(request(target="/webhook.php", body=body, headers=JSON))
    assert answer.status == 201
    assert answer.json["name"] == ""
    assert [lead.body for lead in door.leads()] == [body]


def test_a_source_answers_in_its_own_words(open_door: OpenDoor) -> None:
    reply = ReplySettings(
        status=202,
        content_type="text/xml",
        headers={"X-Accepted-By": "leadkeep"},
        body="<r n='{{ name }}'>{{lead_number}} 100%</r>",
    )
    door = open_door(sources={"crm": SourceSettings(paths=("/webhook.php",), reply=reply)})
    hostile = json.dumps({"name": "A<b>'\"&"}).encode()
    answer = door.ask(request(target="/webhook.php", body=hostile, headers=JSON))

    [lead] = door.leads()
    assert answer.status == lead.answer_status == 202
    assert answer.headers["content-type"] == "text/xml"
    assert answer.headers["x-accepted-by"] == "leadkeep"
    assert answer.body.decode().endswith(f"'>{lead.lead_number} 100%</r>")
    assert b"<b>" not in answer.body
    assert lead.source == "crm"


def test_a_reply_with_an_unknown_placeholder_does_not_open(open_door: OpenDoor) -> None:
    reply = ReplySettings(body="{{lead}}")
    with pytest.raises(SettingsError, match=r"sources\.a\.reply\.body.*\{\{lead\}\}"):
        open_door(sources={"a": SourceSettings(paths=("*",), reply=reply)})


def test_a_path_that_nobody_claims_is_stored_and_marked(open_door: OpenDoor) -> None:
    door = open_door(sources={"a": SourceSettings(paths=("/a",))})
    assert post(door, "/typo")[0] == 200
    assert post(door, "/A/")[0] == 200
    unknown, known = door.leads()
    assert (unknown.source, unknown.flags) == ("", RecordFlag.NO_ROUTE)
    assert (known.source, known.flags) == ("a", RecordFlag.NONE)


def test_one_scanner_cannot_starve_a_mistyped_vendor(open_door: OpenDoor) -> None:
    door = open_door(
        sources={"a": SourceSettings(paths=("/a",))},
        unrouted_max_bytes_per_address=5_000,
        unrouted_max_bytes=12_000,
        trusted_proxies=("127.0.0.0/8",),
    )

    def send(address: str, target: str = "/unknown") -> int:
        forwarded = [f"X-Forwarded-For: {address}"]
        return door.ask(request(target=target, body=b"x" * 2_000, headers=forwarded)).status

    scanner = [send("192.0.2.1") for _ in range(10)]
    assert scanner == [200, 200, *[503] * 8]
    assert [send("192.0.2.2"), send("192.0.2.3")] == [200, 200]
    assert [send("192.0.2.4"), send("192.0.2.5")] == [200, 503]  # All of it together is used up.
    assert send("192.0.2.1", "/a") == 200  # What is routed is never counted.
    assert len(door.leads()) == 6


def test_the_sender_behind_a_trusted_proxy_is_recorded(open_door: OpenDoor) -> None:
    door = open_door(trusted_proxies=("127.0.0.1",))
    door.ask(request(body=b"x", headers=["X-Forwarded-For: 198.51.100.9, 203.0.113.7, 127.0.0.1"]))
    assert [lead.peer for lead in door.leads()] == ["203.0.113.7"]


def test_a_stranger_cannot_choose_its_address(door: RunningDoor) -> None:
    door.ask(request(body=b"x", headers=["X-Forwarded-For: 203.0.113.7"]))
    assert [lead.peer for lead in door.leads()] == ["127.0.0.1"]


def test_livez_and_readyz_are_neither_leads_nor_probes(door: RunningDoor) -> None:
    with door.connect() as client:
        for target in ("/livez", "/readyz", "/readyz?verbose=1"):
            assert client.ask(request("GET", target)).status == 200
            assert client.ask(request("HEAD", target), head_only=True).status == 200
    assert door.leads() == []
    assert [record.detail for record in door.records()] == ["readiness"]


def test_a_post_to_livez_is_a_lead_like_any_other(door: RunningDoor) -> None:
    assert door.ask(request(target="/livez", body=b"x")).status == 200
    assert door.ask(request("GET", "/livez", body=b"x")).status == 200
    assert [lead.target for lead in door.leads()] == [b"/livez", b"/livez"]


def test_readiness_writes_at_most_once_a_second(door: RunningDoor) -> None:
    begin = time.monotonic()
    with door.connect() as client:
        client.send(request("GET", "/readyz") * 200)
        assert [client.answer().status for _ in range(200)] == [200] * 200
    took = time.monotonic() - begin
    assert 1 <= len(door.records(RecordKind.PROBE)) <= 1 + took


# ---------------------------------------------------------------- TLS


def make_certificate(folder: Path, name: str) -> None:
    """A new self-signed pair in `certificate.pem` and `key.pem`."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    (folder / "key.pem").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    (folder / "certificate.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))


def trusting() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def common_name(client: Client) -> str:
    assert isinstance(client.sock, ssl.SSLSocket)
    shown = client.sock.getpeercert(binary_form=True)
    assert shown is not None
    subject = x509.load_der_x509_certificate(shown).subject
    return str(subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value)


@pytest.fixture
def tls_door(open_door: OpenDoor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunningDoor:
    monkeypatch.setattr("leadkeep.intake.server._TLS_LOOK_SECONDS", 0.05)
    make_certificate(tmp_path, "first")
    door: RunningDoor = open_door(
        tls_certificate=tmp_path / "certificate.pem",
        tls_key=tmp_path / "key.pem",
        header_timeout_seconds=0.4,
        idle_timeout_seconds=60,
    )
    return door


def test_a_lead_over_tls_is_marked(tls_door: RunningDoor) -> None:
    with tls_door.connect(trusting()) as client:
        assert client.ask(request(body=b"secret")).status == 200
        assert client.ask(request(body=b"again" * 100_000)).status == 200
    assert [lead.flags for lead in tls_door.leads()] == [RecordFlag.TLS] * 2


def test_tls_older_than_1_2_is_refused(tls_door: RunningDoor) -> None:
    with tls_door.connect(trusting()) as client:
        assert isinstance(client.sock, ssl.SSLSocket)
        assert client.sock.version() in ("TLSv1.2", "TLSv1.3")
    context = trusting()
    with pytest.warns(DeprecationWarning):
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    context.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.raises((ssl.SSLError, ConnectionError)):
        tls_door.connect(context)


def test_a_new_certificate_is_used_without_a_restart(tls_door: RunningDoor) -> None:
    def shown() -> str:
        with tls_door.connect(trusting()) as client:
            return common_name(client)

    with tls_door.connect(trusting()) as before:
        assert common_name(before) == "first"
        make_certificate(tls_door.folder, "second")
        wait_until(lambda: shown() == "second", "the new certificate")
        assert before.ask(request(body=b"still open")).status == 200


@pytest.mark.parametrize("broken", ["key.pem", "certificate.pem"])
def test_a_broken_new_pair_changes_nothing(
    tls_door: RunningDoor, tmp_path: Path, broken: str
) -> None:
    # A valid file that does not belong to the other: half of it could be loaded.
    (tmp_path / "other").mkdir()
    make_certificate(tmp_path / "other", "second")
    (tmp_path / "other" / broken).replace(tls_door.folder / broken)
    seen = tls_door.door._tls
    assert seen is not None
    stamp = seen._seen
    wait_until(lambda: seen._seen != stamp, "the change to be seen")
    time.sleep(0.05)
    with tls_door.connect(trusting()) as client:
        assert common_name(client) == "first"
        assert client.ask(request(body=b"x")).status == 200


def test_a_connection_that_never_finishes_its_handshake_is_ended(tls_door: RunningDoor) -> None:
    with tls_door.connect() as client:
        client.send(b"\x16\x03\x01")
        assert client.is_closed()


def test_plain_http_on_a_tls_door_is_refused(tls_door: RunningDoor) -> None:
    with tls_door.connect() as client:
        client.send(request(body=b"x"))
        try:
            received = client.sock.recv(65536)
        except ConnectionError:
            received = b""
    assert b"HTTP/1.1 2" not in received
    assert tls_door.leads() == []
