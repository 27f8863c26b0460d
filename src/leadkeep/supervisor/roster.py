"""Who serves, who comes, who leaves: decides, and touches nothing.

The roster is told what happened and when; it answers with what to do. Times are seconds of one
clock that only grows. Children are known by numbers; a role has one child that serves, perhaps one
that comes to replace it, and those that leave.

Invariants: a child that serves is asked to leave only when everything that replaces it is ready, or
on stopping. On stopping, a role is asked only when the roles before it are gone.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from leadkeep.supervisor.actions import (
    Abandon,
    Action,
    Adopt,
    FieldValue,
    Finish,
    Kill,
    Say,
    Start,
    Terminate,
)

BACKOFF_FIRST_SECONDS = 0.1
BACKOFF_LONGEST_SECONDS = 30.0
RAN_WELL_SECONDS = 60.0
READY_SECONDS = 60.0
HURRY_SECONDS = 2.0


@dataclass
class Child:
    """One process."""

    number: int
    role: str
    generation: int
    drain_seconds: float
    started_at: float
    ready_at: float | None = None
    kill_at: float | None = None
    """Set once it was asked to leave; None again once it was killed."""
    slow: bool = False
    """It was said that it takes long to become ready."""


@dataclass
class Post:
    """A role and its children."""

    role: str
    serving: Child | None = None
    coming: Child | None = None
    leaving: dict[int, Child] = field(default_factory=dict)
    start_at: float | None = None
    """When to start again after a death."""
    failures: int = 0
    restarts: int = 0
    last_exit: str = ""

    @property
    def is_empty(self) -> bool:
        """True if no process of this role runs."""
        return not (self.serving or self.coming or self.leaving)


def backoff_seconds(failures: int) -> float:
    """How long to wait before the next start.

    Args:
        failures: deaths in a row, this one counted.
    """
    # The exponent is bounded because 2.0 ** 1024 is an error.
    wait: float = BACKOFF_FIRST_SECONDS * 2.0 ** min(failures - 1, 30)
    return min(wait, BACKOFF_LONGEST_SECONDS)


class Roster:
    """The state of all roles.

    Args:
        roles: in the order in which they are stopped.
        drains: role → seconds it may take to leave.
        ready_seconds: a replacement must be ready in this time.
    """

    def __init__(
        self,
        roles: Sequence[str],
        drains: Mapping[str, float],
        *,
        ready_seconds: float = READY_SECONDS,
    ) -> None:
        self.posts = {role: Post(role) for role in roles}
        self.generation = 0
        self.stopping = False
        self._coming_generation: int | None = None
        self._drains = {0: dict(drains)}
        self._ready_seconds = ready_seconds
        self._last_number = 0
        self._finished = False

    @property
    def replacing(self) -> bool:
        """True while replacements are on their way."""
        return self._coming_generation is not None

    @property
    def next_generation(self) -> int:
        """The number that the settings given to `replace` will get."""
        return max(self._drains) + 1

    def begin(self, now: float) -> list[Action]:
        """Start everyone for the first time."""
        return [self._start_serving(post, now) for post in self.posts.values()]

    def replace(self, drains: Mapping[str, float], now: float) -> list[Action]:
        """Start replacements with new settings; the old ones serve until all of them are ready.

        Must not be called while stopping or replacing.

        Args:
            drains: as in the constructor, for the new settings.
        """
        assert not self.stopping and not self.replacing
        coming = self.next_generation
        self._drains[coming] = dict(drains)
        self._coming_generation = coming
        actions: list[Action] = []
        for post in self.posts.values():
            post.coming = self._child(post, coming, now)
            actions.append(Start(post.coming.number, post.role, coming))
        return actions

    def became_ready(self, number: int, now: float) -> list[Action]:
        """A child says that it serves."""
        for post in self.posts.values():
            for child in (post.serving, post.coming):
                if child and child.number == number and child.ready_at is None:
                    child.ready_at = now
                    took = round(now - child.started_at, 2)
                    said = Say("info", f"{post.role} is ready", {"seconds": took})
                    return [said, *self._swap(now)]
        return []

    def _swap(self, now: float) -> list[Action]:
        """When every replacement is ready, let the old ones go."""
        coming = self._coming_generation
        arrived = (post.coming and post.coming.ready_at is not None for post in self.posts.values())
        if coming is None or not all(arrived):
            return []
        actions: list[Action] = []
        for post in self.posts.values():
            if post.serving:
                actions += self._ask_to_leave(post, post.serving, now)
            post.serving, post.coming = post.coming, None
            post.start_at, post.failures = None, 0
        self.generation, self._coming_generation = coming, None
        return [*actions, Adopt(coming), Say("info", "the new configuration is in force")]

    def exited(self, number: int, how: str, now: float) -> list[Action]:
        """A child is gone.

        Args:
            how: in words (`exit code 1`, `killed by SIGKILL`).
        """
        for post in self.posts.values():
            actions: list[Action] = []
            if number in post.leaving:
                del post.leaving[number]
                actions = [Say("info", f"{post.role} has left", {"how": how})]
            elif post.coming and post.coming.number == number:
                post.coming = None
                actions = self._give_up_replacing(f"the new {post.role} ended: {how}", now)
            elif post.serving and post.serving.number == number:
                actions = self._died(post, post.serving, how, now)
            else:
                continue
            return [*actions, *self._stop_next(now)]
        return []

    def _died(self, post: Post, child: Child, how: str, now: float) -> list[Action]:
        ran = now - child.started_at
        post.serving, post.last_exit = None, how
        post.failures = 1 if ran >= RAN_WELL_SECONDS else post.failures + 1
        wait = backoff_seconds(post.failures)
        post.start_at = now + wait
        facts: dict[str, FieldValue] = {
            "how": how,
            "ran_seconds": round(ran, 1),
            "again_in_seconds": wait,
        }
        return [Say("error", f"{post.role} died; it is started again", facts)]

    def _give_up_replacing(self, reason: str, now: float) -> list[Action]:
        abandoned, self._coming_generation = self._coming_generation, None
        assert abandoned is not None
        text = "the new configuration is not in force; the old one stays"
        actions: list[Action] = [Say("error", text, {"reason": reason})]
        for post in self.posts.values():
            if post.coming:
                actions += self._ask_to_leave(post, post.coming, now)
                post.coming = None
        return [*actions, Abandon(abandoned)]

    def stop(self, now: float) -> list[Action]:
        """Begin to stop; asked a second time: hurry."""
        if self.stopping:
            return self._hurry(now)
        self.stopping, self._coming_generation = True, None
        actions: list[Action] = [Say("info", "stopping: what is under way is finished first")]
        for post in self.posts.values():
            post.start_at = None
            if post.coming:
                actions += self._ask_to_leave(post, post.coming, now)
                post.coming = None
        return [*actions, *self._stop_next(now)]

    def _hurry(self, now: float) -> list[Action]:
        actions: list[Action] = [Say("warning", "asked to stop again: hurrying")]
        for post in self.posts.values():
            if post.serving:
                actions += self._ask_to_leave(post, post.serving, now)
                post.serving = None
            for child in post.leaving.values():
                if child.kill_at is not None:
                    child.kill_at = min(child.kill_at, now + HURRY_SECONDS)
        return actions

    def _stop_next(self, now: float) -> list[Action]:
        """On stopping: the first role that is not gone is asked to leave."""
        if not self.stopping or self._finished:
            return []
        for post in self.posts.values():
            if post.serving:
                child, post.serving = post.serving, None
                return self._ask_to_leave(post, child, now)
            if not post.is_empty:
                return []
        self._finished = True
        return [Say("info", "stopped"), Finish()]

    def due(self, now: float) -> list[Action]:
        """What time itself asks for."""
        actions: list[Action] = []
        for post in self.posts.values():
            if post.start_at is not None and post.start_at <= now:
                post.start_at = None
                post.restarts += 1
                actions.append(self._start_serving(post, now))
            actions += self._overdue(post, now)
        return actions

    def _overdue(self, post: Post, now: float) -> list[Action]:
        actions: list[Action] = []
        for child in post.leaving.values():
            if child.kill_at is not None and child.kill_at <= now:
                child.kill_at = None
                text = f"{post.role} did not leave in time and is killed"
                actions += [
                    Say("error", text, {"seconds": child.drain_seconds}),
                    Kill(child.number),
                ]
        late = now - self._ready_seconds
        serving, coming = post.serving, post.coming
        if serving and serving.ready_at is None and not serving.slow and serving.started_at <= late:
            # It may be migrating a large store: killing it would only begin that anew.
            serving.slow = True
            text = f"{post.role} is not ready yet; waiting for it"
            actions.append(Say("warning", text, {"seconds": self._ready_seconds}))
        if coming and coming.ready_at is None and coming.started_at <= late:
            waited = f"the new {post.role} was not ready after {self._ready_seconds:g} s"
            actions += self._give_up_replacing(waited, now)
        return actions

    def next_due(self) -> float | None:
        """When `due` should be asked again at the latest; None: nothing waits."""
        return min(self._moments(), default=None)

    def _moments(self) -> Iterator[float]:
        for post in self.posts.values():
            if post.start_at is not None:
                yield post.start_at
            yield from (c.kill_at for c in post.leaving.values() if c.kill_at is not None)
            for child in (post.serving, post.coming):
                if child and child.ready_at is None and not child.slow:
                    yield child.started_at + self._ready_seconds

    def _child(self, post: Post, generation: int, now: float) -> Child:
        self._last_number += 1
        drain = self._drains[generation][post.role]
        return Child(self._last_number, post.role, generation, drain, now)

    def _start_serving(self, post: Post, now: float) -> Start:
        post.serving = self._child(post, self.generation, now)
        return Start(post.serving.number, post.role, self.generation)

    def _ask_to_leave(self, post: Post, child: Child, now: float) -> list[Action]:
        child.kill_at = now + child.drain_seconds
        post.leaving[child.number] = child
        return [Terminate(child.number)]
