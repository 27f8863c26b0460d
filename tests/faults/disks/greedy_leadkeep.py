"""`leadkeep`, but its door leaves no room: the fault that the full-disk test must catch."""

import sys

from leadkeep.cli import main
from leadkeep.disks import room
from leadkeep.supervisor.supervise import Supervisor

room.Reserve.left_by_door = property(lambda self: 0)  # type: ignore[assignment]  # a fault
# The supervisor's children are to be as greedy as it is.
Supervisor.__init__.__kwdefaults__ = {"program": (sys.executable, "-P", __file__)}

if __name__ == "__main__":
    sys.argv[0] = "leadkeep"
    main()
