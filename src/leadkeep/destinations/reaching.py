"""The one way to a destination's host: addresses that its settings allow, and TLS as they say.

Whatever speaks to a destination (a delivery, a question after its health) gets its `Wire` here.
"""

from aiohttp.abc import AbstractResolver
from yarl import URL

from leadkeep.destinations.addresses import AddressRule, address_in
from leadkeep.destinations.exchange import Wire
from leadkeep.destinations.resolving import CheckedResolver
from leadkeep.destinations.tls import client_tls
from leadkeep.errors import SettingsError
from leadkeep.settings.model import DestinationSettings


def address_rule(name: str, origin: URL, settings: DestinationSettings) -> AddressRule:
    """Which addresses of an origin's host may be connected to.

    Args:
        name: the destination's name, for errors.
        origin: scheme, host and port.
        settings: the destination's.

    Raises:
        SettingsError: the host is an address that is never allowed by being written.
    """
    host = origin.raw_host or ""
    rule = AddressRule(host, settings.private_networks)
    if address_in(host) is not None and (refusal := rule.refusal(host)):
        raise SettingsError(
            f"destinations.{name}.url: {host} is not allowed ({refusal})",
            hint=f"If that is meant, put it into destinations.{name}.private_networks.",
        )
    return rule


def wire_to(
    origin: URL,
    name: str,
    settings: DestinationSettings,
    *,
    reply_max_bytes: int,
    lookup: AbstractResolver | None = None,
) -> Wire:
    """Connections to an origin. Call it within the event loop that will use them.

    Args:
        origin: scheme, host and port; not necessarily those of the destination's url.
        name: the destination's name, for errors.
        settings: the destination's.
        reply_max_bytes: this much of a reply's body is read.
        lookup: finds addresses; None: the system does.

    Raises:
        SettingsError: the address is not allowed, or a TLS file cannot be used.
    """
    return Wire(
        origin,
        reply_max_bytes=reply_max_bytes,
        resolver=CheckedResolver(address_rule(name, origin, settings), lookup),
        tls=client_tls(name, settings.tls) if origin.scheme == "https" else None,
        server_name=settings.tls.server_name or None,
    )
