"""A lead goes where its claim says."""

import asyncio
from dataclasses import replace

import pytest

from leadkeep.destinations.base import Reply
from leadkeep.destinations.switching import KEPT_ADDRESSES, SwitchingDestination, check_url
from leadkeep.errors import UsageError
from leadkeep.models import Claim
from leadkeep.settings.model import DestinationSettings

SETTINGS = DestinationSettings(url="https://blue.test/hook")


class Address:
    """A destination that notes what it is asked to do."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.taken = 0
        self.closed = False
        self.go_on = asyncio.Event()
        self.go_on.set()

    @property
    def name(self) -> str:
        return "brain"

    async def attempt(self, claim: Claim) -> Reply:
        assert not self.closed
        self.taken += 1
        await self.go_on.wait()
        assert not self.closed
        return Reply(confirmed=True)

    async def close(self) -> None:
        self.closed = True


class Town:
    """A switching destination and every address that it made."""

    def __init__(self) -> None:
        self.configured = Address("configured")
        self.made: list[Address] = []
        self.destination = SwitchingDestination(self.configured, self._make)

    def _make(self, url: str) -> Address:
        self.made.append(Address(url))
        return self.made[-1]

    async def send(self, url: str) -> Reply:
        return await self.destination.attempt(a_claim(url))


def a_claim(url: str) -> Claim:
    return Claim(1, 1, "brain", 1, None, "id", 1, "lqf", 0, "POST", b"/", b"", b"", url=url)


async def test_without_an_address_in_its_claim_a_lead_goes_to_the_configured_one() -> None:
    town = Town()
    assert (await town.send("")).confirmed
    assert (town.configured.taken, town.made) == (1, [])


async def test_an_address_is_made_once_and_used_again() -> None:
    town = Town()
    for url in ("green", "", "green", "blue", "green"):
        await town.send(url)
    assert [(one.url, one.taken) for one in town.made] == [("green", 3), ("blue", 1)]
    assert town.configured.taken == 1


async def test_addresses_that_nobody_uses_any_more_are_let_go_and_others_never() -> None:
    town = Town()
    busy = asyncio.create_task(town.send("busy"))
    while not town.made:
        await asyncio.sleep(0)
    town.made[0].go_on.clear()
    slow = asyncio.create_task(town.send("busy"))
    while town.made[0].taken < 2:
        await asyncio.sleep(0)

    for number in range(3 * KEPT_ADDRESSES):
        await town.send(f"v{number}")

    assert sum(not one.closed for one in town.made) <= KEPT_ADDRESSES
    assert not town.made[0].closed
    town.made[0].go_on.set()
    assert (await slow).confirmed
    await busy
    await town.destination.close()
    assert all(one.closed for one in [*town.made, town.configured])


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("green.test", "the new address needs http:// or https:// and a host"),
        ("https://green.test/a b", "the new address contains a character"),
        ("https://ada:pw@green.test/", "the new address has a user, a password or a #fragment"),
        ("https://green.test/#top", "the new address has a user, a password or a #fragment"),
    ],
)
def test_another_address_is_checked_like_the_configured_one(url: str, words: str) -> None:
    with pytest.raises(UsageError, match=words) as error:
        check_url("brain", SETTINGS, url, what="the new address")
    assert "pw" not in f"{error.value}{error.value.hint}"


def test_another_address_that_can_be_is_not_refused() -> None:
    check_url("brain", replace(SETTINGS, url=""), "http://green.test:8002/x?y=1", what="it")
