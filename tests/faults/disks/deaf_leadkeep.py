"""`leadkeep`, but its door waits for a journal for ever: what a frozen disk must show."""

import sys

from leadkeep.cli import main
from leadkeep.intake.committer import Committer
from leadkeep.supervisor.supervise import Supervisor

Committer._look = lambda self: None  # type: ignore[method-assign]  # a fault, not a design
# The supervisor's children are to be as deaf as it is.
Supervisor.__init__.__kwdefaults__ = {"program": (sys.executable, "-P", __file__)}

if __name__ == "__main__":
    sys.argv[0] = "leadkeep"
    main()
