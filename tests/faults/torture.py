"""The long run: hundreds of rounds of every experiment, and a report with the raw counts.

`bin/torture [EXPERIMENT …]`. It can be stopped at any time and goes on where it was: after each
round its findings are written to the state folder. A round that lost a lead is named with its seed,
and its folder is kept.
"""

import argparse
import shutil
import signal
import sys
import tempfile
import time
import traceback
from pathlib import Path

from tests.faults.experiments.catalogue import EXPERIMENTS
from tests.faults.rig.experiment import Control, Experiment, Findings, Round
from tests.faults.rig.report import Progress, write_report

ROOT = Path(__file__).parents[2]
STATE = ROOT / ".torture"
DEFAULT_SEED = 20_261_124


def main() -> int:
    """Run what was asked for; exit code 1 if a lead was lost, or a control lost none."""
    asked = _arguments()
    # As Ctrl-C does: the round's processes, disks and namespaces go with it.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    asked.state.mkdir(parents=True, exist_ok=True)
    if asked.fresh:
        for old in asked.state.glob("*.json"):
            old.unlink()
    stop_at = time.monotonic() + asked.minutes * 60
    chosen = [one for one in EXPERIMENTS if not asked.experiments or one.name in asked.experiments]
    for experiment in chosen:
        if reason := experiment.why_not_here():
            print(f"{experiment.name}: not on this machine: {reason}", file=sys.stderr)
            continue
        _run(experiment, asked, stop_at)
    everything = [
        (experiment, progress)
        for experiment in EXPERIMENTS
        if (progress := Progress.read(asked.state / f"{experiment.name}.json")) is not None
    ]
    if not asked.no_report:
        write_report(everything, ROOT / "docs" / "guarantees" / "torture.md")
    return 0 if all(progress.is_good for _, progress in everything) else 1


def _arguments() -> argparse.Namespace:
    names = [experiment.name for experiment in EXPERIMENTS]
    parser = argparse.ArgumentParser(prog="bin/torture", description=__doc__)
    parser.add_argument("experiments", nargs="*", metavar="EXPERIMENT", help=", ".join(names))
    parser.add_argument("--rounds", type=int, help="instead of each experiment's own number")
    parser.add_argument("--seed", type=int, default=DEFAULT_SEED, help="of the first round")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="stop after so long")
    parser.add_argument("--state", type=Path, default=STATE, help="folder that keeps the findings")
    parser.add_argument("--fresh", action="store_true", help="forget earlier findings")
    parser.add_argument("--no-report", action="store_true", help="leave docs/guarantees alone")
    asked = parser.parse_args()
    if unknown := set(asked.experiments) - set(names):
        parser.error(f"unknown: {', '.join(sorted(unknown))}; there are {', '.join(names)}")
    return asked


def _run(experiment: Experiment, asked: argparse.Namespace, stop_at: float) -> None:
    path = asked.state / f"{experiment.name}.json"
    progress = Progress.read(path)
    if progress is None or progress.seed != asked.seed:
        progress = Progress.of_this_machine(asked.seed)
    kept = asked.state / experiment.name
    for control in experiment.controls:
        found = progress.controls.setdefault(control.breaks, Findings())
        while found.rounds < experiment.long_control_rounds and time.monotonic() < stop_at:
            found = _round(control, experiment, asked.seed + found.rounds, progress, None) + found
            progress.controls[control.breaks] = found
            progress.write(path)
    rounds = asked.rounds or experiment.long_rounds
    while progress.findings.rounds < rounds and time.monotonic() < stop_at:
        seed = asked.seed + progress.findings.rounds
        progress.findings = _round(experiment, experiment, seed, progress, kept) + progress.findings
        progress.write(path)


def _round(
    what: Experiment | Control,
    experiment: Experiment,
    seed: int,
    progress: Progress,
    kept: Path | None,
) -> Findings:
    """One round; a round that could not be judged counts as a loss, and is named."""
    run: Round = what.run
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="torture-", ignore_cleanup_errors=True) as made:
        folder = Path(made)
        try:
            found = run(folder, seed)
        except Exception:
            traceback.print_exc()
            found = Findings(rounds=1, unjudged=1)
        seconds = time.monotonic() - began
        which = "" if what is experiment else " (control)"
        print(
            f"{experiment.name}{which}: seed {seed}, {seconds:.0f} s: {found.faults} "
            f"{experiment.fault}, {found.answered} answered, {found.losses} losses",
            flush=True,
        )
        if kept is not None and found.losses:
            progress.bad_seeds.append(seed)
            kept.mkdir(exist_ok=True)
            shutil.move(folder, kept / str(seed))
    return found


if __name__ == "__main__":
    sys.exit(main())
