"""The tallies of segments that have left the inbox: they stand in the same database."""

import msgspec

from leadkeep.errors import JournalUnavailable
from leadkeep.journal.inbox.wire import Wire
from leadkeep.recovery.tallies import Tallies
from leadkeep.recovery.tally import Tally

_SECONDS = 30.0


class InboxTallyBook:
    """Reads them. Used by one thread at a time."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    def all(self) -> Tallies:
        """Every tally.

        Raises:
            JournalUnavailable: the database cannot be asked now, or has something else there.
        """
        try:
            rows = self._wire.rows("inbox_tallies", seconds=_SECONDS)
        finally:
            self._wire.let_go()
        try:
            tallies = [msgspec.json.decode(text, type=Tally) for (text,) in rows]
        except msgspec.DecodeError as error:
            raise JournalUnavailable(
                "a tally in the inbox is not written as one",
                hint="Somebody has changed the table inbox_tallies: restore it from a backup.",
            ) from error
        return Tallies({tally.segment: tally for tally in tallies}, ())
