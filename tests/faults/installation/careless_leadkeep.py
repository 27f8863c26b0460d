"""`leadkeep`, but its door answers before the commit: the fault that the kill test must catch."""

import sys
import time
from collections.abc import Sequence

from leadkeep.cli import main
from leadkeep.intake.committer import Committer
from leadkeep.journal.disk import DiskJournal
from leadkeep.models import Position
from leadkeep.supervisor.supervise import Supervisor

_place = Committer._place
_commit = DiskJournal.commit


def _place_and_settle(self, batch):  # type: ignore[no-untyped-def]  # a fault, not a design
    _place(self, batch)
    items, batch.items = batch.items, []
    self._settle(items, True)


def _commit_late(self: DiskJournal, records: Sequence[bytes]) -> Position:
    # Between the answer and the disk there must be time to die in.
    time.sleep(0.02)
    return _commit(self, records)


Committer._place = _place_and_settle  # type: ignore[method-assign]  # as above
DiskJournal.commit = _commit_late  # type: ignore[method-assign]
# The supervisor's children are to be as careless as it is.
Supervisor.__init__.__kwdefaults__ = {"program": (sys.executable, "-P", __file__)}

if __name__ == "__main__":
    sys.argv[0] = "leadkeep"
    main()
