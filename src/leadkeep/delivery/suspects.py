"""Leads that are themselves the trouble: they fail, others are confirmed, and they fail again.

Such a lead says nothing about its destination, however often it fails.
"""

KEPT = 1_000
"""So many leads are remembered; the one that has not failed for longest is forgotten first."""


class Suspects:
    """The leads of one destination that failed lately."""

    def __init__(self) -> None:
        self._confirmed_when: dict[int, int] = {}
        """delivery → how many leads had been confirmed when it first failed."""

    def fails(self, delivery_id: int, *, confirmed: int) -> bool:
        """A lead has failed; says whether it is itself the trouble.

        Args:
            confirmed: how many leads of the destination were ever confirmed to this worker.
        """
        before = self._confirmed_when.pop(delivery_id, confirmed)
        self._confirmed_when[delivery_id] = before
        if len(self._confirmed_when) > KEPT:
            del self._confirmed_when[next(iter(self._confirmed_when))]
        return confirmed > before
