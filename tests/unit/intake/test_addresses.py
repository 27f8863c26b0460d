"""Who sent it: believed only as far as trusted proxies vouch for it."""

import pytest

from leadkeep.intake.addresses import TrustedProxies, header_values, socket_address

PROXIES = TrustedProxies(("10.0.0.0/8", "2001:db8::/32", "127.0.0.1"))


@pytest.mark.parametrize(
    ("headers", "sender"),
    [
        (b"", "10.0.0.1"),
        (b"X-Forwarded-For: 203.0.113.7\r\n", "203.0.113.7"),
        (b"x-forwarded-for:203.0.113.7 , 10.1.1.1\r\n", "203.0.113.7"),
        (b"X-Forwarded-For: 198.51.100.1, 203.0.113.7, 10.1.1.1\r\n", "203.0.113.7"),
        (b"X-Forwarded-For: 198.51.100.1\r\nX-Forwarded-For: 203.0.113.7\r\n", "203.0.113.7"),
        (b"X-Forwarded-For: 10.2.2.2, 10.1.1.1\r\n", "10.2.2.2"),
        (b"X-Forwarded-For: 203.0.113.7, unknown, 10.1.1.1\r\n", "10.1.1.1"),
        (b"X-Forwarded-For: 203.0.113.7:4711\r\n", "203.0.113.7"),
        (b"X-Forwarded-For: [2001:db9::1]:80, 2001:db8::5\r\n", "2001:db9::1"),
        (b"X-Forwarded-For: ::ffff:203.0.113.7\r\n", "203.0.113.7"),
        (b"Forwarded: for=198.51.100.1;proto=https, for=203.0.113.7\r\n", "203.0.113.7"),
        (b'Forwarded: For="[2001:db9::1]:4711";by=10.0.0.1\r\n', "2001:db9::1"),
        (b"X-Forwarded-For: 203.0.113.7\r\nForwarded: for=198.51.100.1\r\n", "203.0.113.7"),
        (b"X-Forwarded-For: \xff\xfe, ,\r\n", "10.0.0.1"),
    ],
)
def test_the_right_most_address_that_is_no_proxy_is_the_sender(headers: bytes, sender: str) -> None:
    assert PROXIES.sender("10.0.0.1", headers) == sender


def test_only_listed_networks_are_trusted() -> None:
    assert PROXIES.trusts("10.9.9.9")
    assert PROXIES.trusts("2001:db8::1")
    assert not PROXIES.trusts("203.0.113.7")
    assert not PROXIES.trusts("")
    assert not TrustedProxies(()).trusts("127.0.0.1")


@pytest.mark.parametrize(
    ("peername", "address"),
    [
        (("192.0.2.1", 5), "192.0.2.1"),
        (("::ffff:192.0.2.1", 5, 0, 0), "192.0.2.1"),
        (("2001:db8::1", 5, 0, 0), "2001:db8::1"),
        ("", ""),
        (None, ""),
    ],
)
def test_a_socket_address_is_plain(peername: object, address: str) -> None:
    assert socket_address(peername) == address


def test_header_values_keep_order_and_number() -> None:
    assert header_values(b"A: 1\r\na:2 \r\nAb: 3\r\nA:\r\n", b"a") == [b"1", b"2", b""]
