"""What a long run has found so far, kept in a file, and told in a page."""

import platform
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import apsw
import msgspec

from tests.faults.rig.experiment import Experiment, Findings


class Machine(msgspec.Struct, frozen=True):
    """On what it ran."""

    kernel: str
    python: str
    sqlite: str
    leadkeep: str
    day: str


class Progress(msgspec.Struct):
    """The findings of one experiment, round after round."""

    seed: int
    machine: Machine
    findings: Findings
    controls: dict[str, Findings]
    bad_seeds: list[int]

    @classmethod
    def of_this_machine(cls, seed: int) -> "Progress":
        """Nothing yet."""
        machine = Machine(
            kernel=f"{platform.system()} {platform.release()}",
            python=platform.python_version(),
            sqlite=apsw.sqlite_lib_version(),
            leadkeep=version("leadkeep"),
            day=datetime.now(UTC).date().isoformat(),
        )
        return cls(seed, machine, Findings(), {}, [])

    @classmethod
    def read(cls, path: Path) -> "Progress | None":
        """What a file has; None if there is none."""
        try:
            return msgspec.json.decode(path.read_bytes(), type=cls)
        except FileNotFoundError:
            return None

    def write(self, path: Path) -> None:
        """Keep it."""
        temporary = path.with_suffix(".tmp")
        temporary.write_bytes(msgspec.json.format(msgspec.json.encode(self)) + b"\n")
        temporary.replace(path)

    @property
    def is_good(self) -> bool:
        """No round lost a lead, and every control lost some."""
        # A control that could not be judged has not shown that a loss would be noticed.
        noticed = (one.losses > one.unjudged for one in self.controls.values())
        return self.findings.losses == 0 and all(noticed)


def write_report(everything: Sequence[tuple[Experiment, Progress]], path: Path) -> None:
    """Write the page that tells of every experiment."""
    path.parent.mkdir(exist_ok=True)
    path.write_text("\n".join(_report(everything)) + "\n", "utf-8")


def _report(everything: Sequence[tuple[Experiment, Progress]]) -> list[str]:
    lines = [
        "# What was tried, and what came of it",
        "",
        "Written by `bin/torture`, which anyone with root on a Debian machine can run; raw counts.",
        "*Lost*: answered 2xx and not in the store. *Undelivered*: answered, and not delivered in",
        "the end. *Unexplained*: what `leadkeep ledger` cannot account for. *Failed*: requests",
        "not answered 2xx, or not in time, where they must be; deliveries forgotten though proved.",
        "*Unasked*: what was delivered again, or called delivered, after a recovery and before a",
        "person let it. *Unjudged*: rounds that ended in an error. *Again*: deliveries more than",
        "one for each lead, which at-least-once allows.",
    ]
    for experiment, progress in everything:
        machine = progress.machine
        lines += [
            "",
            f"## {experiment.name}",
            "",
            experiment.claim,
            "",
            f"Seed {progress.seed}; {machine.kernel}, Python {machine.python}, SQLite "
            f"{machine.sqlite}, Leadkeep {machine.leadkeep}; begun on {machine.day}.",
            "",
            f"| run | rounds | {experiment.fault} | posted | answered | lost | twice | changed "
            "| undelivered | unexplained | failed | unasked | unjudged | again |",
            "|" + "---|" * 14,
            _row("Leadkeep", progress.findings),
            *(_row(f"control: {name}", found) for name, found in progress.controls.items()),
        ]
        if progress.bad_seeds:
            seeds = ", ".join(map(str, progress.bad_seeds))
            lines += ["", f"Rounds that lost something, by seed: {seeds}."]
    return lines


def _row(name: str, found: Findings) -> str:
    figures = (
        found.rounds,
        found.faults,
        found.posted,
        found.answered,
        found.lost,
        found.twice,
        found.changed,
        found.undelivered,
        found.unexplained,
        found.failed,
        found.unasked,
        found.unjudged,
        found.redelivered,
    )
    return "| " + " | ".join([name, *(f"{figure:,}" for figure in figures)]) + " |"
