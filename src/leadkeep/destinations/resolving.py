"""Looks up a destination's host and gives only addresses that its settings allow.

What is given is what is connected to: the connector takes the addresses from here, so that a name
which leads elsewhere a moment later (DNS rebinding) changes nothing.
"""

import socket

from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import DefaultResolver

from leadkeep.destinations.addresses import AddressRefused, AddressRule


class CheckedResolver(AbstractResolver):
    """A resolver under a rule. Create and use it within one running event loop.

    Args:
        rule: which addresses may be given.
        lookup: finds them; None: the system does.
    """

    def __init__(self, rule: AddressRule, lookup: AbstractResolver | None = None) -> None:
        self._rule = rule
        self._lookup = lookup or DefaultResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """The host's allowed addresses.

        Raises:
            AddressRefused: it has addresses, and none of them is allowed.
            OSError: it has none.
        """
        found = await self._lookup.resolve(host, port, family)
        refusals = [self._rule.refusal(one["host"]) for one in found]
        allowed = [one for one, refusal in zip(found, refusals, strict=True) if not refusal]
        if found and not allowed:
            raise AddressRefused(refusals)
        return allowed

    async def close(self) -> None:
        await self._lookup.close()
