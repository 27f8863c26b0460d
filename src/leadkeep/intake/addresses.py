"""Who really sent a request: the socket's address, or what a trusted proxy says.

Invariant: a header is believed only as far as a chain of trusted proxies vouches for it, so no
stranger chooses the address that is recorded and that quotas count.
"""

import ipaddress
import re
from collections.abc import Sequence

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address

_FORWARDED_FOR = re.compile(rb"(?i)for\s*=\s*(\"[^\"]*\"|[^;,\s]*)")


def header_values(headers: bytes, name: bytes) -> list[bytes]:
    """Values of every header of that name in `Name: value` lines, in order, trimmed.

    Args:
        name: in lower case.
    """
    values = []
    for line in headers.split(b"\r\n"):
        found, _, value = line.partition(b":")
        if found.lower() == name:
            values.append(value.strip(b" \t"))
    return values


def plain_address(text: str) -> IPAddress | None:
    """An address from `1.2.3.4`, `1.2.3.4:5`, `[::1]:5`, `::ffff:1.2.3.4`; None if it is none."""
    text = text.strip().strip('"')
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


def socket_address(peername: object) -> str:
    """The address in a transport's `peername`, without port; empty if it has none."""
    if not isinstance(peername, tuple) or not peername:
        return ""
    address = plain_address(str(peername[0]))
    return str(peername[0]) if address is None else str(address)


class TrustedProxies:
    """The networks whose X-Forwarded-For or Forwarded is believed.

    Args:
        networks: addresses or networks, as in `intake.trusted_proxies`.
    """

    def __init__(self, networks: Sequence[str]) -> None:
        self._networks = tuple(ipaddress.ip_network(network, strict=False) for network in networks)

    def trusts(self, address: str) -> bool:
        """True if whoever connects from `address` may say who sent the request."""
        if not self._networks:
            return False
        parsed = plain_address(address)
        return parsed is not None and self._is_proxy(parsed)

    def sender(self, peer: str, headers: bytes) -> str:
        """The right-most address in the chain that is no trusted proxy.

        Args:
            peer: the socket's address, already known to be trusted.
        """
        sender = peer
        for hop in reversed(_chain(headers)):
            address = plain_address(hop)
            if address is None:
                break  # `unknown` or nonsense: what stands left of it vouches for nothing.
            sender = str(address)
            if not self._is_proxy(address):
                break
        return sender

    def _is_proxy(self, address: IPAddress) -> bool:
        return any(
            address.version == network.version and address in network for network in self._networks
        )


def _chain(headers: bytes) -> list[str]:
    """The hops that X-Forwarded-For names, or else Forwarded, from the sender to the last proxy."""
    hops = [
        hop
        for value in header_values(headers, b"x-forwarded-for")
        for hop in value.decode("latin-1").split(",")
    ]
    if hops:
        return hops
    return [
        hop.decode("latin-1")
        for value in header_values(headers, b"forwarded")
        for hop in _FORWARDED_FOR.findall(value)
    ]
