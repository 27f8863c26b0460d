"""Which addresses a destination may be reached at. Pure.

Invariant: an address is judged by where packets to it end. IPv6 addresses that stand for an IPv4
address (mapped, NAT64, 6to4, Teredo) are judged by that one as well, and zone ids do not count.
"""

import ipaddress
from collections.abc import Iterable

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_GUARDED: tuple[tuple[Network, str], ...] = tuple(
    (ipaddress.ip_network(network), what)
    for network, what in (
        ("169.254.0.0/16", "link-local, where clouds keep their metadata"),
        ("fe80::/10", "link-local"),
        ("fec0::/10", "site-local"),
        ("100.100.100.200/32", "a cloud's metadata"),
        ("168.63.129.16/32", "a cloud's metadata"),
        ("192.0.0.192/32", "a cloud's metadata"),
        ("fd00:ec2::/32", "a cloud's metadata"),
        ("fd20:ce::254/128", "a cloud's metadata"),
        ("224.0.0.0/4", "multicast"),
        ("ff00::/8", "multicast"),
        ("255.255.255.255/32", "broadcast"),
    )
)
"""Never reached unless the settings list an address or network inside of them."""

_NAT64_LOCAL = ipaddress.ip_network("64:ff9b:1::/48")
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_IPV4_COMPATIBLE = ipaddress.ip_network("::/96")
_LOOPBACK = (ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("::1/128"))
_EVERYWHERE = (ipaddress.ip_network("0.0.0.0/0"), ipaddress.ip_network("::/0"))


class AddressRefused(Exception):
    """A host's name leads only to addresses that the settings do not allow; `str()` says to which.

    Args:
        kinds: what kinds of addresses it leads to, in words.
    """

    def __init__(self, kinds: Iterable[str]) -> None:
        super().__init__(" and ".join(dict.fromkeys(kinds)))


class AddressRule:
    """What one destination's settings allow.

    Args:
        host: the host in its url. An address, or `localhost`, is allowed by being written there.
        private_networks: as in the settings: all, none, or these.
    """

    _named: tuple[Network, ...]
    """Networks that the settings list one by one."""
    _listed: tuple[Network, ...]
    """Private networks that are allowed in one way or another."""

    def __init__(self, host: str, private_networks: bool | tuple[str, ...]) -> None:
        written = address_in(host)
        if isinstance(private_networks, tuple):
            self._named = tuple(ipaddress.ip_network(network) for network in private_networks)
            self._listed = self._named
        else:
            self._named = ()
            self._listed = _EVERYWHERE if private_networks else ()
        if written is not None:
            self._listed += tuple(ipaddress.ip_network(one) for one in _meanings(written))
        if _is_localhost(host):
            self._listed += _LOOPBACK

    def refusal(self, address: str) -> str:
        """Why an address may not be connected to, as the kind it is of; empty if it may be.

        Args:
            address: as text, with or without a zone id.
        """
        found = address_in(address)
        if found is None:
            return "no address"
        return next(filter(None, map(self._refusal, _meanings(found))), "")

    def _refusal(self, address: Address) -> str:
        for network, what in _GUARDED:
            if address in network:
                named = any(address in mine and _is_inside(mine, network) for mine in self._named)
                return "" if named else what
        if address.is_global and address not in _NAT64_LOCAL:
            return ""
        if any(address in network for network in self._listed):
            return ""
        return "loopback" if address.is_loopback else "private"


def address_in(host: str) -> Address | None:
    """The address that a host is written as, less its zone id; None if it is a name."""
    try:
        return ipaddress.ip_address(host.strip("[]").partition("%")[0])
    except ValueError:
        return None


def _meanings(address: Address) -> tuple[Address, ...]:
    """The addresses that packets may go to: what it stands for, or itself."""
    if isinstance(address, ipaddress.IPv4Address):
        return (address,)
    if address.ipv4_mapped is not None:
        return (address.ipv4_mapped,)
    number = int(address)
    if address in _NAT64 or (address in _IPV4_COMPATIBLE and number > 0xFFFF):
        return (ipaddress.IPv4Address(number & 0xFFFFFFFF),)
    if address.sixtofour is not None:
        return (address.sixtofour,)
    if address.teredo is not None:
        return (address, *address.teredo)
    return (address,)


def _is_inside(network: Network, guarded: Network) -> bool:
    return network.version == guarded.version and network.subnet_of(guarded)  # type: ignore[arg-type]  # versions are equal


def _is_localhost(host: str) -> bool:
    name = host.rstrip(".").lower()
    return name == "localhost" or name.endswith(".localhost")
