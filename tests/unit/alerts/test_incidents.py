"""When people are told that something is wrong, still wrong, and over."""

from collections.abc import Iterator

import msgspec

from leadkeep.alerts.incidents import COMES_AND_GOES, LATELY_MS, Policy, next_steps
from leadkeep.models import Incident, IncidentStep, Problem
from tests.unit.alerts.problems import MINUTE, NOW, problem

HOUR = 3_600_000
POLICY = Policy(remind_ms=4 * HOUR)


class Memory:
    """What a store would remember, in a test's own time."""

    def __init__(self, policy: Policy = POLICY) -> None:
        self.now_ms = NOW
        self.policy = policy
        self.incidents: dict[int, Incident] = {}

    def look(self, *problems: Problem, after_ms: int = 15_000, unseen: tuple[str, ...] = ()) -> str:
        """Look once; the words of what was told."""
        self.now_ms += after_ms
        recent = [
            one
            for one in self.incidents.values()
            if one.resolved_at_ms is None or one.resolved_at_ms >= self.now_ms - LATELY_MS
        ]
        steps = next_steps(problems, recent, self.now_ms, self.policy, unseen=unseen)
        return " ".join(self._take(steps))

    def change(self, **changes: object) -> None:
        """A person changes the one incident that is open."""
        (number,) = (n for n, one in self.incidents.items() if one.is_open)
        self.incidents[number] = msgspec.structs.replace(self.incidents[number], **changes)

    def _take(self, steps: list[IncidentStep]) -> Iterator[str]:
        for step in steps:
            number = step.incident.incident_id or len(self.incidents) + 1
            self.incidents[number] = msgspec.structs.replace(
                step.incident, incident_id=number, version=step.incident.version + 1
            )
            if step.notice:
                yield step.notice.word


def test_a_problem_fires_once_and_is_resolved_once_it_has_stayed_away() -> None:
    memory = Memory()
    assert memory.look(problem()) == "FIRING"
    assert memory.look(problem(what="crm refuses 9 leads")) == ""
    assert memory.look() == ""
    assert memory.look(after_ms=POLICY.calm_ms) == "RESOLVED"
    assert memory.look() == ""
    (incident,) = memory.incidents.values()
    assert incident.problem.what == "crm refuses 9 leads"
    assert not incident.is_open


def test_a_problem_that_is_gone_for_a_moment_only_is_one_incident() -> None:
    memory = Memory()
    memory.look(problem())
    memory.look()
    assert memory.look(problem()) == ""
    assert memory.look(after_ms=POLICY.calm_ms - 1) == ""
    assert len(memory.incidents) == 1


def test_each_subject_is_an_incident_of_its_own() -> None:
    memory = Memory()
    assert memory.look(problem(), problem(subject="erp")) == "FIRING FIRING"
    assert memory.look(problem(), after_ms=POLICY.calm_ms) == "RESOLVED"


def test_people_are_reminded_until_somebody_acknowledges() -> None:
    memory = Memory()
    memory.look(problem())
    assert memory.look(problem(), after_ms=4 * HOUR - 1) == ""
    assert memory.look(problem(), after_ms=1) == "STILL"
    memory.change(acknowledged_at_ms=memory.now_ms)
    assert memory.look(problem(), after_ms=40 * HOUR) == ""
    assert memory.look(after_ms=POLICY.calm_ms) == "RESOLVED"


def test_what_is_not_urgent_is_told_again_once_a_day() -> None:
    memory = Memory()
    memory.look(problem(urgent=False))
    assert memory.look(problem(urgent=False), after_ms=23 * HOUR) == ""
    assert memory.look(problem(urgent=False), after_ms=HOUR) == "STILL"


def test_what_becomes_urgent_fires_again() -> None:
    memory = Memory()
    memory.look(problem(urgent=False))
    assert memory.look(problem(urgent=True)) == "FIRING"


def test_nothing_is_told_while_it_is_silenced_and_all_of_it_afterwards() -> None:
    memory = Memory()
    memory.look(problem())
    memory.change(silenced_until_ms=memory.now_ms + 5 * HOUR)
    assert memory.look(problem(), after_ms=4 * HOUR) == ""
    assert memory.look(problem(), after_ms=HOUR) == "STILL"


def test_what_was_never_told_is_not_said_to_be_over() -> None:
    memory = Memory(Policy(remind_ms=HOUR, tells=False))
    assert memory.look(problem()) == ""
    memory.policy = POLICY
    assert memory.look(after_ms=POLICY.calm_ms) == ""
    assert not any(one.is_open for one in memory.incidents.values())


def test_what_nobody_was_told_of_yet_fires_as_soon_as_somebody_is_there_to_be_told() -> None:
    memory = Memory(Policy(remind_ms=HOUR, tells=False))
    memory.look(problem())
    memory.policy = POLICY
    assert memory.look(problem()) == "FIRING"


def test_what_could_not_be_looked_at_is_not_over() -> None:
    memory = Memory()
    memory.look(problem())
    assert memory.look(after_ms=10 * HOUR, unseen=("refused",)) == ""
    assert memory.look(after_ms=POLICY.calm_ms, unseen=("journal",)) == "RESOLVED"


def test_what_comes_and_goes_is_said_to_and_must_stay_away_for_longer() -> None:
    memory = Memory()
    for _ in range(COMES_AND_GOES):
        assert memory.look(problem()) == "FIRING"
        assert memory.look(after_ms=POLICY.calm_ms) == "RESOLVED"
    (step,) = next_steps([problem()], list(memory.incidents.values()), memory.now_ms, memory.policy)
    assert step.notice is not None
    assert step.notice.recurrences == COMES_AND_GOES
    memory.look(problem())
    assert memory.look(after_ms=POLICY.calm_ms) == ""
    assert memory.look(after_ms=POLICY.long_calm_ms) == "RESOLVED"


def test_damage_is_over_only_when_a_person_says_so() -> None:
    memory = Memory()
    memory.look(problem(kind="damage"))
    assert memory.look(after_ms=100 * HOUR) == ""
    memory.change(acknowledged_at_ms=memory.now_ms)
    assert memory.look() == "RESOLVED"


def test_a_clock_that_goes_back_neither_mutes_nor_keeps_open() -> None:
    memory = Memory()
    memory.look(problem())
    assert memory.look(problem(), after_ms=-10 * HOUR) == "STILL"
    assert memory.look(after_ms=-10 * HOUR) == "RESOLVED"


def test_since_when_is_as_it_was_seen_first() -> None:
    memory = Memory()
    memory.look(problem(since_ms=NOW))
    memory.look(problem(since_ms=NOW + MINUTE))
    (incident,) = memory.incidents.values()
    assert incident.problem.since_ms == NOW
