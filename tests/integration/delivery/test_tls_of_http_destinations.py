"""TLS towards destinations: whom they trust, whom they show, and what happens when files change."""

import dataclasses
import ssl
import warnings
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import trustme
from structlog.testing import capture_logs

from leadkeep.destinations.base import Reply
from leadkeep.destinations.http import HttpDestination
from leadkeep.destinations.tls import client_tls
from leadkeep.errors import SettingsError
from leadkeep.settings.model import DestinationSettings, TlsSettings
from tests.fakes.clock import FakeClock
from tests.integration.delivery.leads import a_claim
from tests.integration.delivery.raw_server import OK, RawServer, Visit, raw_server, replies


@pytest.fixture
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def ca_file(authority: trustme.CA, tmp_path: Path) -> Path:
    path = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(path)
    return path


def server_context(
    authority: trustme.CA, name: str = "127.0.0.1", *, clients_of: trustme.CA | None = None
) -> ssl.SSLContext:
    """A server's TLS; it demands client certificates if it is told whose."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert(name).configure_cert(context)
    if clients_of is not None:
        clients_of.configure_trust(context)
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def a_client_certificate(authority: trustme.CA, folder: Path, who: str) -> tuple[Path, Path]:
    certificate, key = folder / "client.pem", folder / "client-key.pem"
    issued = authority.issue_cert("client.example", common_name=who)
    issued.cert_chain_pems[0].write_to_path(certificate)
    issued.private_key_pem.write_to_path(key)
    return certificate, key


class Deliverer:
    """One destination on a clock that a test moves."""

    def __init__(self, server: RawServer, **tls: object) -> None:
        self.clock = FakeClock()
        settings = DestinationSettings(
            url=f"https://127.0.0.1:{server.port}/hook",
            timeout_seconds=5,
            tls=TlsSettings(**tls),  # type: ignore[arg-type]  # by name
        )
        self.destination = HttpDestination("brain", settings, clock=self.clock)

    async def deliver(self) -> Reply:
        return await self.destination.attempt(a_claim())

    async def __aenter__(self) -> "Deliverer":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.destination.close()


async def test_a_certificate_of_the_configured_authority_is_trusted_and_no_other(
    authority: trustme.CA, ca_file: Path
) -> None:
    async with raw_server(replies(OK), tls=server_context(authority)) as server:
        async with Deliverer(server, ca_file=ca_file) as trusting:
            assert (await trusting.deliver()).confirmed
        async with Deliverer(server) as doubting:
            reply = await doubting.deliver()
    assert (reply.confirmed, reply.error_class) == (False, "tls")
    assert "certificate was refused" in reply.error_message
    async with raw_server(replies(OK), tls=server_context(trustme.CA())) as impostor:
        async with Deliverer(impostor, ca_file=ca_file) as deceived:
            assert (await deceived.deliver()).error_class == "tls"
        assert impostor.requests == []


async def test_a_certificate_must_have_the_host_s_name_or_the_configured_one(
    authority: trustme.CA, ca_file: Path
) -> None:
    async with raw_server(replies(OK), tls=server_context(authority, "app.example")) as server:
        async with Deliverer(server, ca_file=ca_file) as by_host:
            assert (await by_host.deliver()).error_class == "tls"
        async with Deliverer(server, ca_file=ca_file, server_name="app.example") as by_name:
            assert (await by_name.deliver()).confirmed
        async with Deliverer(server, ca_file=ca_file, server_name="other.example") as by_other:
            assert (await by_other.deliver()).error_class == "tls"
    assert len(server.requests) == 1


async def test_a_certificate_that_signs_itself_is_trusted_when_it_is_the_ca_file(
    tmp_path: Path,
) -> None:
    alone = trustme.CA()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    issued = alone.issue_cert("127.0.0.1")
    issued.configure_cert(context)
    alone.cert_pem.write_to_path(tmp_path / "its-own.pem")
    async with (
        raw_server(replies(OK), tls=context) as server,
        Deliverer(server, ca_file=tmp_path / "its-own.pem") as deliverer,
    ):
        assert (await deliverer.deliver()).confirmed


async def test_a_client_certificate_is_shown_to_a_server_that_demands_one(
    authority: trustme.CA, ca_file: Path, tmp_path: Path
) -> None:
    context = server_context(authority, clients_of=authority)
    certificate, key = a_client_certificate(authority, tmp_path, "leadkeep")
    async with raw_server(replies(OK), tls=context) as server:
        async with Deliverer(server, ca_file=ca_file) as nameless:
            reply = await nameless.deliver()
        # In TLS 1.3 the server's refusal comes after the handshake, as the end of the connection.
        assert (reply.confirmed, reply.error_class) == (False, "reset")
        assert server.requests == []
        async with Deliverer(server, ca_file=ca_file, certificate=certificate, key=key) as known:
            assert (await known.deliver()).confirmed


@pytest.fixture
async def naming_server(authority: trustme.CA) -> AsyncIterator[tuple[RawServer, list[str]]]:
    """A server that demands client certificates, and the names in them, one for each request."""
    names: list[str] = []

    async def answer(visit: Visit) -> None:
        while await visit.request():
            names.append(visit.client_name())
            await visit.send(OK)

    context = server_context(authority, clients_of=authority)
    async with raw_server(answer, tls=context) as server:
        yield server, names


async def test_a_client_certificate_that_is_replaced_is_used_from_then_on(
    authority: trustme.CA,
    ca_file: Path,
    tmp_path: Path,
    naming_server: tuple[RawServer, list[str]],
) -> None:
    server, names = naming_server
    certificate, key = a_client_certificate(authority, tmp_path, "first")
    async with Deliverer(server, ca_file=ca_file, certificate=certificate, key=key) as deliverer:
        assert (await deliverer.deliver()).confirmed
        a_client_certificate(authority, tmp_path, "second")
        assert (await deliverer.deliver()).confirmed
        deliverer.clock.advance(seconds=2)
        assert (await deliverer.deliver()).confirmed
        assert names == ["first", "first", "second"]
        key.write_text("not a key")
        deliverer.clock.advance(seconds=2)
        with capture_logs() as logs:
            assert (await deliverer.deliver()).confirmed
        assert "stays in use" in logs[0]["event"]
        assert names == ["first", "first", "second", "second"]


async def test_files_that_come_late_are_used_once_they_are_there(
    authority: trustme.CA, tmp_path: Path
) -> None:
    ca_file = tmp_path / "late.pem"
    async with (
        raw_server(replies(OK), tls=server_context(authority)) as server,
        Deliverer(server, ca_file=ca_file) as deliverer,
    ):
        reply = await deliverer.deliver()
        assert reply.error_class == "tls"
        assert str(ca_file) in reply.error_message
        with pytest.raises(SettingsError, match=r"destinations\.brain\.tls\.ca_file"):
            await deliverer.destination.examine()
        authority.cert_pem.write_to_path(ca_file)
        assert (await deliverer.deliver()).confirmed
        await deliverer.destination.examine()


async def test_a_key_with_a_passphrase_is_refused_and_not_asked_for(
    authority: trustme.CA, ca_file: Path, tmp_path: Path
) -> None:
    from cryptography.hazmat.primitives import serialization as form

    certificate, key = a_client_certificate(authority, tmp_path, "leadkeep")
    private = form.load_pem_private_key(key.read_bytes(), None)
    closed = form.BestAvailableEncryption(b"passphrase")
    key.write_bytes(private.private_bytes(form.Encoding.PEM, form.PrivateFormat.PKCS8, closed))
    async with (
        raw_server(replies(OK), tls=server_context(authority)) as server,
        Deliverer(server, ca_file=ca_file, certificate=certificate, key=key) as deliverer,
    ):
        with pytest.raises(SettingsError, match=r"destinations\.brain\.tls\.key"):
            await deliverer.destination.examine()


async def test_a_server_that_speaks_no_tls_1_2_is_refused(
    authority: trustme.CA, ca_file: Path
) -> None:
    context = server_context(authority)
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    async with raw_server(replies(OK), tls=context) as server:
        async with Deliverer(server, ca_file=ca_file) as deliverer:
            assert (await deliverer.deliver()).error_class in ("tls", "connect")
        assert server.requests == []
    assert client_tls("brain", TlsSettings()).minimum_version is ssl.TLSVersion.TLSv1_2


def test_no_setting_switches_verification_off() -> None:
    names = {field.name for field in dataclasses.fields(TlsSettings)}
    assert names == {"ca_file", "certificate", "key", "server_name"}
