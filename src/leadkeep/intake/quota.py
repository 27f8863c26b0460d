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
        key = _network_of(address)
        level = self._level(key, now)
        if level + amount > self._each:
            return False
        total = max(0.0, self._total_level - (now - self._total_at) * self._total / _HOUR)
        if total + amount > self._total:
            return False
        self._total_level, self._total_at = total + amount, now
        self._levels[key] = (level + amount, now)
        self._levels.move_to_end(key)
        if len(self._levels) > _ADDRESSES_KEPT:
            self._levels.popitem(last=False)
        return True

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
