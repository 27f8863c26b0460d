"""How much may be kept for strangers: a leaking bucket per address, and one for all.

Invariant: one address reaches its own cap before it can fill everybody's, and the memory for
addresses is bounded however many there are.
"""

import ipaddress
from collections import OrderedDict

_HOUR = 3600.0
_ADDRESSES_KEPT = 10_000


class Quota:
    """Amounts (bytes, or a count) per hour that leak away evenly.

    Args:
        each: cap for one address.
        total: cap for all together.
    """

    def __init__(self, *, each: int, total: int) -> None:
        self._each = float(each)
        self._total = float(total)
        self._total_level = 0.0
        self._total_at = 0.0
        self._levels: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, address: str, amount: int, now: float) -> bool:
        """Book `amount` for `address` if both caps allow it.

        Args:
            now: seconds of a clock that does not jump.
        """
        if not self.has_room(address, amount, now):
            return False
        key = _network_of(address)
        self._total_level, self._total_at = self._level_of_all(now) + amount, now
        self._levels[key] = (self._level(key, now) + amount, now)
        self._levels.move_to_end(key)
        if len(self._levels) > _ADDRESSES_KEPT:
            self._levels.popitem(last=False)
        return True

    def has_room(self, address: str, amount: int, now: float) -> bool:
        """True if `take` would book `amount` for `address` now."""
        level = self._level(_network_of(address), now)
        return level + amount <= self._each and self._level_of_all(now) + amount <= self._total

    def _level_of_all(self, now: float) -> float:
        return max(0.0, self._total_level - (now - self._total_at) * self._total / _HOUR)

    def _level(self, key: str, now: float) -> float:
        level, at = self._levels.get(key, (0.0, now))
        return max(0.0, level - (now - at) * self._each / _HOUR)


def _network_of(address: str) -> str:
    """An IPv6 sender owns a whole /64, so that is what counts as one address."""
    if ":" not in address:
        return address
    try:
        packed = ipaddress.IPv6Address(address.partition("%")[0]).packed
    except ValueError:
        return address
    return packed[:8].hex()
