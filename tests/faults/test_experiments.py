"""Every experiment of the long run, in short: a few rounds, and each control until it loses."""

from pathlib import Path

import pytest

from tests.faults.experiments.catalogue import EXPERIMENTS
from tests.faults.rig.experiment import Control, Experiment, Findings

SEED = 20261124
CONTROL_ROUNDS = 12
"""Most controls lose in their first round; some need a fault at the right moment."""

CONTROLS = [
    pytest.param(experiment, control, id=f"{experiment.name}: {control.breaks}")
    for experiment in EXPERIMENTS
    for control in experiment.controls
]


def _skip_where_impossible(experiment: Experiment) -> None:
    if reason := experiment.why_not_here():
        pytest.skip(reason)


@pytest.mark.root
@pytest.mark.timeout(300)
@pytest.mark.parametrize("experiment", EXPERIMENTS, ids=lambda experiment: experiment.name)
def test_no_lead_that_was_answered_is_lost(tmp_path: Path, experiment: Experiment) -> None:
    _skip_where_impossible(experiment)
    found = sum(
        (
            (experiment.short or experiment.run)(_folder(tmp_path, seed), SEED + seed)
            for seed in range(experiment.short_rounds)
        ),
        Findings(),
    )
    assert found.answered > 0
    assert found.faults > 0
    assert found.losses == 0, found


@pytest.mark.root
@pytest.mark.timeout(300)
@pytest.mark.parametrize(("experiment", "control"), CONTROLS)
def test_a_broken_promise_is_noticed(
    tmp_path: Path, experiment: Experiment, control: Control
) -> None:
    _skip_where_impossible(experiment)
    found = (control.run(_folder(tmp_path, seed), SEED + seed) for seed in range(CONTROL_ROUNDS))
    assert any(one.losses for one in found), "the experiment would not notice a loss"


def _folder(tmp_path: Path, seed: int) -> Path:
    folder = tmp_path / str(seed)
    folder.mkdir()
    return folder
