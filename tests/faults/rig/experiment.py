"""What an experiment is: rounds that try to lose leads, and a control round that does lose some.

An experiment runs the same in a test (a round or two) and in the long run (`bin/torture`:
hundreds); only the number of rounds differs. Every round has a seed of its own and can be repeated
alone.
"""

from collections.abc import Callable
from pathlib import Path

import msgspec


class Findings(msgspec.Struct):
    """What rounds came to, in leads; faults are what was done to them."""

    rounds: int = 0
    faults: int = 0
    """Kills, power cuts, injected errors, …: what the experiment counts."""
    posted: int = 0
    answered: int = 0
    """Answered 2xx, as the vendors' own record has it."""
    lost: int = 0
    """Answered, and not in the store."""
    twice: int = 0
    """More than once in the store."""
    changed: int = 0
    """In the store with other bytes."""
    undelivered: int = 0
    """Answered, and not delivered in the end, although the destination takes everything again."""
    unexplained: int = 0
    """What the ledger cannot account for."""
    failed: int = 0
    """Requests that were not answered as they must be in this experiment (2xx, or in time), and
    deliveries that are proved and were forgotten."""
    unasked: int = 0
    """Before a person had a word in it: what was delivered again after a recovery, is completed
    without having been delivered, or was delivered from a store that is known to be damaged."""
    unjudged: int = 0
    """Rounds that ended in an error, of Leadkeep's or of the rig's: nobody knows what they lost."""
    redelivered: int = 0
    """Deliveries more than one for each lead: allowed, and counted."""

    @property
    def losses(self) -> int:
        """All that must be none."""
        return (
            self.lost
            + self.twice
            + self.changed
            + self.undelivered
            + self.unexplained
            + self.failed
            + self.unasked
            + self.unjudged
        )

    def __add__(self, other: "Findings") -> "Findings":
        """Both together."""
        return Findings(
            **{name: getattr(self, name) + getattr(other, name) for name in self.__struct_fields__}
        )


Round = Callable[[Path, int], Findings]
"""One round in an empty folder, with a seed."""


class Control(msgspec.Struct, frozen=True):
    """The same round with one promise broken on purpose."""

    breaks: str
    """Which promise, in words."""
    run: Round
    """Some of its rounds must have losses, or the experiment proves nothing."""


class Experiment(msgspec.Struct, frozen=True):
    """One way of trying to lose leads."""

    name: str
    claim: str
    """What holds, in one sentence."""
    fault: str
    """What `Findings.faults` counts, in the plural."""
    run: Round
    controls: tuple[Control, ...]
    why_not_here: Callable[[], str] = lambda: ""
    """Why it cannot run on this machine; empty: it can."""
    short: Round | None = None
    """The same with less of everything, for the tests; not given: as in the long run."""
    short_rounds: int = 1
    """Rounds of the test that runs with all others."""
    long_rounds: int = 100
    """Rounds of the long run."""
    long_control_rounds: int = 5
