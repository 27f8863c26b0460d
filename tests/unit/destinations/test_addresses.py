"""Which addresses are reached: by what packets to them end at, never by how they are written."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leadkeep.destinations.addresses import AddressRule

PUBLIC = ["93.184.216.34", "8.8.8.8", "2606:4700::1111", "64:ff9b::808:808", "2002:808:808::1"]
PRIVATE = [
    "10.0.0.1",
    "172.16.5.4",
    "192.168.1.1",
    "100.64.0.1",
    "198.18.0.1",
    "127.0.0.1",
    "127.255.0.9",
    "0.0.0.0",
    "240.0.0.1",
    "::1",
    "::",
    "fd12:3456::1",
    "::ffff:10.0.0.1",
    "::ffff:7f00:1",
    "::10.0.0.1",
    "64:ff9b::10.0.0.1",
    "64:ff9b:1::1",
    "2002:a00:1::1",
    "2002:7f00:1::",
    "fd12::1%eth0",
]
GUARDED = [
    "169.254.169.254",
    "169.254.0.1",
    "fe80::1",
    "fe80::1%eth0",
    "fec0::1",
    "fd00:ec2::254",
    "fd20:ce::254",
    "100.100.100.200",
    "168.63.129.16",
    "192.0.0.192",
    "224.0.0.1",
    "239.1.2.3",
    "ff02::1",
    "255.255.255.255",
    "::ffff:169.254.169.254",
    "64:ff9b::a9fe:a9fe",
    "2002:a9fe:a9fe::1",
]


@pytest.mark.parametrize("address", PUBLIC)
def test_a_public_address_is_reached(address: str) -> None:
    assert AddressRule("app.example", False).refusal(address) == ""


@pytest.mark.parametrize("address", [*PRIVATE, *GUARDED])
def test_a_name_leads_to_no_private_address_by_itself(address: str) -> None:
    assert AddressRule("app.example", False).refusal(address) != ""


@pytest.mark.parametrize("address", PRIVATE)
def test_private_networks_are_reached_when_they_are_allowed(address: str) -> None:
    assert AddressRule("app.example", True).refusal(address) == ""


@pytest.mark.parametrize("address", GUARDED)
def test_metadata_link_local_and_multicast_are_not_private_networks(address: str) -> None:
    assert AddressRule("app.example", True).refusal(address) != ""
    everything = ("0.0.0.0/0", "::/0", "169.0.0.0/8", "fc00::/7", "100.64.0.0/10")
    assert AddressRule("app.example", everything).refusal(address) != ""


@pytest.mark.parametrize(
    ("listed", "address"),
    [
        ("169.254.169.254/32", "169.254.169.254"),
        ("169.254.0.0/16", "169.254.169.254"),
        ("169.254.169.254/32", "::ffff:169.254.169.254"),
        ("fd00:ec2::254/128", "fd00:ec2::254"),
        ("fe80::/10", "fe80::1%eth0"),
        ("10.0.0.0/8", "10.1.2.3"),
        ("10.0.0.0/8", "::ffff:10.1.2.3"),
    ],
)
def test_what_is_listed_itself_is_reached_and_nothing_beside_it(listed: str, address: str) -> None:
    rule = AddressRule("app.example", (listed,))
    assert rule.refusal(address) == ""
    assert rule.refusal("192.168.0.1") == "private"
    assert rule.refusal("127.0.0.1") == "loopback"


@pytest.mark.parametrize("address", [one for one in PRIVATE if "%" not in one])
def test_an_address_is_allowed_by_being_written_in_the_url(address: str) -> None:
    rule = AddressRule(address, False)
    assert rule.refusal(address) == ""
    assert rule.refusal("10.200.0.9") == "private"


@pytest.mark.parametrize("address", GUARDED)
def test_a_metadata_address_is_not_allowed_by_being_written_in_the_url(address: str) -> None:
    assert AddressRule(address, False).refusal(address) != ""
    assert AddressRule(address, True).refusal(address) != ""


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST", "localhost.", "crm.localhost"])
def test_localhost_is_loopback_and_nothing_else(host: str) -> None:
    rule = AddressRule(host, False)
    assert rule.refusal("127.0.0.1") == rule.refusal("::1") == ""
    assert rule.refusal("10.0.0.1") == "private"


@pytest.mark.parametrize("host", ["localhost.example", "notlocalhost", "2130706433", "127.1"])
def test_what_only_looks_like_loopback_is_a_name_like_any_other(host: str) -> None:
    assert AddressRule(host, False).refusal("127.0.0.1") == "loopback"


@given(st.ip_addresses(v=4))
def test_an_ipv4_address_in_ipv6_clothes_is_judged_as_what_it_is(address: object) -> None:
    rule = AddressRule("app.example", False)
    number = int(address)  # type: ignore[call-overload]  # an address
    high, low = number >> 16, number & 0xFFFF
    plain = rule.refusal(str(address))
    for dressed in (f"::ffff:{address}", f"64:ff9b::{address}", f"2002:{high:x}:{low:x}::1"):
        assert rule.refusal(dressed) == plain, dressed
