"""Where a host's name leads is looked at for each connection, and connected to as looked at."""

import asyncio
import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from aiohttp.abc import AbstractResolver, ResolveResult

from leadkeep.clock import SystemClock
from leadkeep.destinations.base import Reply
from leadkeep.destinations.http import HttpDestination
from leadkeep.errors import SettingsError
from leadkeep.settings.model import DestinationSettings
from tests.integration.delivery.leads import a_claim
from tests.integration.delivery.raw_server import OK, raw_server, replies


class Names(AbstractResolver):
    """Leads every name to these addresses."""

    def __init__(self, *addresses: str) -> None:
        self._addresses = addresses
        self.asked = 0

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        self.asked += 1
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                proto=0,
                flags=0,
            )
            for address in self._addresses
        ]

    async def close(self) -> None:
        pass


async def delivered(url: str, names: AbstractResolver | None = None, **options: object) -> Reply:
    settings = DestinationSettings(url=url, timeout_seconds=5, **options)  # type: ignore[arg-type]
    destination = HttpDestination("brain", settings, clock=SystemClock(), lookup=names)
    try:
        return await destination.attempt(a_claim())
    finally:
        await destination.close()


@pytest.mark.parametrize(
    "addresses",
    [
        ("127.0.0.1",),
        ("127.0.0.1", "10.0.0.1"),
        ("::ffff:127.0.0.1",),
        ("::1",),
        ("169.254.169.254",),
        ("fe80::1%lo",),
    ],
)
async def test_a_name_that_leads_to_ourselves_is_not_connected_to(
    addresses: tuple[str, ...],
) -> None:
    async with raw_server(replies(OK)) as server:
        reply = await delivered(f"http://app.example:{server.port}/", Names(*addresses))
        assert server.connections == 0
    assert (reply.confirmed, reply.error_class) == (False, "address")
    assert "destinations.brain.private_networks" in reply.error_message
    assert not any(address in reply.error_message for address in addresses)


@pytest.mark.parametrize("allowed", [True, ("127.0.0.0/8",), ("127.0.0.1/32",)])
async def test_it_is_when_the_settings_allow_it(allowed: object) -> None:
    async with raw_server(replies(OK)) as server:
        url = f"http://app.example:{server.port}/"
        reply = await delivered(url, Names("127.0.0.1"), private_networks=allowed)
        assert reply.confirmed
        assert server.requests[0].startswith(b"POST / HTTP/1.1\r\nHost: app.example:")


async def test_addresses_that_are_not_allowed_are_passed_over_for_those_that_are() -> None:
    async with raw_server(replies(OK)) as server:
        knocks: list[object] = []

        async def knocked(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            knocks.append(writer)
            writer.close()

        refused = await asyncio.start_server(knocked, "127.0.0.2", server.port)
        async with refused:
            names = Names("127.0.0.2", "10.0.0.1", "127.0.0.1")
            url = f"http://app.example:{server.port}/"
            assert (await delivered(url, names, private_networks=("127.0.0.1/32",))).confirmed
        assert knocks == []


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]"])
async def test_an_application_beside_leadkeep_needs_no_setting(host: str) -> None:
    async with raw_server(replies(OK)) as server:
        assert (await delivered(f"http://{host}:{server.port}/")).confirmed


@pytest.mark.parametrize("host", ["2130706433", "127.1", "0x7f.1", "0177.0.0.1", "017700000001"])
async def test_an_address_in_disguise_is_no_address_by_writing(host: str) -> None:
    async with raw_server(replies(OK)) as server:
        reply = await delivered(f"http://{host}:{server.port}/")
        assert (reply.confirmed, server.connections) == (False, 0)


@pytest.mark.parametrize("host", ["169.254.169.254", "[fd00:ec2::254]", "[::ffff:169.254.169.254]"])
async def test_a_metadata_address_must_be_named_in_the_settings(host: str) -> None:
    settings = DestinationSettings(url=f"http://{host}/latest/meta-data")
    with pytest.raises(SettingsError, match=r"destinations\.brain\.url"):
        HttpDestination("brain", settings, clock=SystemClock())


async def test_check_says_before_the_first_lead_that_a_name_leads_to_ourselves() -> None:
    settings = DestinationSettings(url="http://app.example/")
    for lookup, refused in ((Names("10.0.0.1"), True), (Names("8.8.8.8"), False)):
        destination = HttpDestination("brain", settings, clock=SystemClock(), lookup=lookup)
        if refused:
            with pytest.raises(SettingsError, match=r"destinations\.brain\.url: app\.example"):
                await destination.examine()
        else:
            await destination.examine()


async def test_a_name_that_is_not_found_now_is_no_mistake() -> None:
    settings = DestinationSettings(url="http://no-such-host.invalid/")
    await HttpDestination("brain", settings, clock=SystemClock()).examine()


async def test_a_name_is_looked_up_once_for_a_connection() -> None:
    async with raw_server(replies(OK)) as server:
        names = Names("127.0.0.1")
        await delivered(f"http://app.example:{server.port}/", names, private_networks=True)
        assert names.asked == 1


async def test_a_proxy_in_the_environment_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    async with raw_server(replies(OK)) as server, raw_server(replies(OK)) as proxy:
        for name in ("http_proxy", "https_proxy", "all_proxy"):
            monkeypatch.setenv(name, proxy.url)
            monkeypatch.setenv(name.upper(), proxy.url)
        monkeypatch.delenv("no_proxy", raising=False)
        monkeypatch.delenv("NO_PROXY", raising=False)
        assert (await delivered(server.url)).confirmed
        assert proxy.connections == 0


@pytest.mark.root
def test_a_name_that_leads_elsewhere_a_moment_later_gains_nothing() -> None:
    """With a real name server in a namespace of its own, whose first answer is a public address."""
    if os.geteuid() != 0:
        pytest.skip("needs root for a network namespace")
    root = Path(__file__).resolve().parents[3]
    script = Path(__file__).with_name("rebinding.py")
    output = subprocess.run(
        ["unshare", "--mount", "--net", sys.executable, script],
        env={**os.environ, "PYTHONPATH": f"{root}:{root / 'src'}"},
        capture_output=True,
        timeout=60,
        check=True,
    ).stdout
    told = json.loads(output)
    # Confirmed by the public address, although the name has led to loopback since.
    assert told["first"] == {"confirmed": True, "error_class": "", "reached": ["93.184.216.34"]}
    # Looked up anew, it leads to loopback, and nothing is sent.
    assert told["second"] == {"confirmed": False, "error_class": "address", "reached": []}
    # The same with the setting: this is what would have happened.
    assert told["allowed"] == {"confirmed": True, "error_class": "", "reached": ["127.0.0.1"]}
