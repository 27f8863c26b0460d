"""The supervisor: holds the sockets, starts intake and worker, and starts again what dies.

What to do is decided in `roster`; this module does it: processes, signals, pipes. One thread, one
loop. Invariant: the door's sockets stay open here from the first start to the end, so that no
restart of a child refuses a connection.
"""

import os
import selectors
import signal
import sys
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial

from leadkeep.errors import LeadkeepError, SettingsError
from leadkeep.settings.model import Settings
from leadkeep.supervisor import systemd
from leadkeep.supervisor.actions import (
    Abandon,
    Action,
    Adopt,
    Finish,
    Kill,
    Say,
    Start,
    Terminate,
)
from leadkeep.supervisor.check import ConfigurationCheck
from leadkeep.supervisor.children import Children
from leadkeep.supervisor.generation import INTAKE, ROLES, Generation, copy_of, load_again
from leadkeep.supervisor.opening import Opening
from leadkeep.supervisor.presence import REPLACING, SERVING, STOPPING, Presence
from leadkeep.supervisor.roster import Roster
from leadkeep.supervisor.signals import Signals
from leadkeep.supervisor.voice import Voice

_STOP_SIGNALS = frozenset({signal.SIGTERM, signal.SIGINT})
_OTHER_LEAVES_SECONDS = 120.0
_TELL_AGAIN_SECONDS = 5.0
_LOCK_BUSY_SECONDS = 2.0
"""`leadkeep status` holds the lock for a moment to see whether anybody else does."""


class Supervisor:
    """Runs one installation.

    Args:
        settings: validated.
        config_args: the options that led to these settings, for the children and for SIGHUP.
        program: how `leadkeep` is started; -P: whatever lies in the current folder is not imported.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        config_args: Sequence[str],
        program: Sequence[str] = (sys.executable, "-P", "-m", "leadkeep"),
    ) -> None:
        self._settings = settings
        self._config_args = tuple(config_args)
        self._program = tuple(program)
        self._environ = dict(os.environ)
        self._voice = Voice(level=settings.log_level, form=settings.log_format)
        self._selector = selectors.DefaultSelector()
        self._generations: dict[int, Generation] = {}
        self._check: ConfigurationCheck | None = None
        self._asked_again = False
        self._said_waiting = False
        self._finished = False
        self._told: Mapping[str, object] = {}
        self._telling_failed = False
        self._tell_again_at = float("inf")
        self._started = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")

    def run(self) -> int:
        """Serve until stopped; returns the exit code.

        Raises:
            AlreadyRunning: another supervisor runs on this data folder.
            SettingsError: an address or the data folder cannot be used.
        """
        with Signals() as self._signals:
            began = time.monotonic()
            self._presence = Presence(self._settings.run_folder, partial(self._wait, began))
            try:
                return self._run()
            finally:
                self._presence.leave()

    def _wait(self, began: float, text: str, leaving: bool) -> bool:
        """Wait a moment for another supervisor; False: no longer."""
        waited = time.monotonic() - began
        if leaving and not self._said_waiting:
            self._said_waiting = True
            self._voice.say("warning", text)
        patience = _OTHER_LEAVES_SECONDS if leaving else _LOCK_BUSY_SECONDS
        return waited < patience and self._signals.pause(0.1)

    def _run(self) -> int:
        opening = Opening(self._voice, self._signals.pause)
        listening = opening.first(self._settings, self._environ)
        if listening is None:
            return 0  # Asked to stop while waiting for the address.
        for old in self._settings.run_folder.glob("config-*.toml"):
            old.unlink(missing_ok=True)
        try:
            copy = copy_of(self._settings, 0)
        except OSError as error:
            # A full disk is no reason to keep the door shut: children read the file itself.
            self._voice.say("warning", "no room for a copy of the settings", reason=error.strerror)
            copy = None
        first = Generation(self._settings, listening, copy)
        self._generations[0] = first
        self._opening = opening
        self._children = Children(
            self._program, self._config_args, self._environ, self._selector, self._on_ready
        )
        self._roster = Roster(ROLES, first.drains())
        try:
            self._loop()
        finally:
            for generation in self._generations.values():
                generation.discard(None)
            self._children.close()
            self._selector.close()
        return 0

    def _loop(self) -> None:
        self._selector.register(self._signals, selectors.EVENT_READ, self._on_signals)
        self._act(self._roster.begin(time.monotonic()))
        self._on_signals()  # What came while the sockets were opened.
        while not self._finished:
            self._tell()
            for key, _ in self._selector.select(self._pause_seconds()):
                happened: Callable[[], None] = key.data
                happened()
            self._notice_ends()
            self._act(self._roster.due(time.monotonic()))

    def _pause_seconds(self) -> float | None:
        again = self._tell_again_at if self._telling_failed else None
        moments = [self._roster.next_due(), self._check.deadline if self._check else None, again]
        due = min((moment for moment in moments if moment is not None), default=None)
        return None if due is None else max(0.0, due - time.monotonic())

    # ------------------------------------------------------------ what happens

    def _on_signals(self) -> None:
        for number in self._signals.received():
            if number in _STOP_SIGNALS:
                systemd.notify(self._environ, "STOPPING=1")
                self._end_check()
                self._act(self._roster.stop(time.monotonic()))
            elif number == signal.SIGHUP and not self._roster.stopping:
                self._asked_again = True
                self._begin_replacing()

    def _on_ready(self, number: int) -> None:
        self._act(self._roster.became_ready(number, time.monotonic()))

    def _notice_ends(self) -> None:
        for number, how in self._children.gone():
            self._act(self._roster.exited(number, how, time.monotonic()))
        if self._check and self._check.is_over():
            self._conclude_check()

    # ------------------------------------------------------------ what is done

    def _act(self, actions: Sequence[Action]) -> None:
        waiting = deque(actions)
        while waiting:
            waiting.extend(self._do(waiting.popleft()))

    def _do(self, action: Action) -> Sequence[Action]:
        match action:
            case Start():
                return self._start(action)
            case Terminate(number):
                self._children.send(number, signal.SIGTERM)
            case Kill(number):
                self._children.send(number, signal.SIGKILL)
            case Say(level, event, fields):
                self._voice.say(level, event, **fields)
            case Adopt(number):
                self._keep_only(number)
            case Abandon(number):
                self._generations.pop(number).discard(self._generations[self._roster.generation])
                self._begin_replacing()
            case Finish():
                self._finished = True
        return ()

    def _start(self, start: Start) -> Sequence[Action]:
        try:
            pid = self._children.start(
                start.number, start.role, self._generations[start.generation]
            )
        except OSError as error:
            reason = f"could not be started: {error.strerror}"
            return self._roster.exited(start.number, reason, time.monotonic())
        self._voice.say("debug", f"{start.role} started", pid=pid)
        return ()

    def _keep_only(self, number: int) -> None:
        kept = self._generations[number]
        for old in [each for each in self._generations if each != number]:
            self._generations.pop(old).discard(kept)
        self._voice = Voice(level=kept.settings.log_level, form=kept.settings.log_format)
        self._begin_replacing()

    # ------------------------------------------------------------ new settings

    def _begin_replacing(self) -> None:
        """Look at the configuration anew, if that was asked for and nothing is under way."""
        busy = self._check or self._roster.replacing or self._roster.stopping
        if not self._asked_again or busy:
            return
        self._asked_again = False
        try:
            settings = load_again(self._config_args, self._environ)
            current = self._generations[self._roster.generation].settings
            if settings.data != current.data:
                raise SettingsError(
                    f"data = {settings.data}: cannot change while running (it is {current.data})"
                )
            copy = copy_of(settings, self._roster.next_generation)
        except (SettingsError, OSError) as error:
            self._refuse(str(error))
            return
        draft = Generation(settings, self._generations[self._roster.generation].listening, copy)
        command = [*self._program, "check", *self._config_args]
        self._check = ConfigurationCheck(draft, command, draft.environment(self._environ))

    def _conclude_check(self) -> None:
        assert self._check is not None
        check, self._check = self._check, None
        reason = check.reason()
        if reason:
            self._refuse(reason, check.draft)
        else:
            self._replace(check.draft)
        self._begin_replacing()

    def _replace(self, draft: Generation) -> None:
        try:
            listening = self._opening.another(draft.settings, draft.listening)
        except LeadkeepError as error:
            self._refuse(str(error), draft)
            return
        coming = Generation(draft.settings, listening, draft.copy)
        self._generations[self._roster.next_generation] = coming
        self._voice.say("info", "the new configuration is valid; replacing intake and worker")
        self._act(self._roster.replace(coming.drains(), time.monotonic()))

    def _refuse(self, reason: str, draft: Generation | None = None) -> None:
        if draft and draft.copy:
            draft.copy.unlink(missing_ok=True)
        text = "the new configuration is not in force; the old one stays"
        self._voice.say("error", text, reason=reason)

    def _end_check(self) -> None:
        if self._check:
            self._check.cancel()
            self._check = None

    # ------------------------------------------------------------ what is told

    def _tell(self) -> None:
        """Keep `supervisor.json` true, and systemd informed."""
        state = self._state()
        if state == self._told and time.monotonic() < self._tell_again_at:
            return
        serving = self._roster.posts[INTAKE].serving
        if serving and serving.ready_at is not None:
            systemd.notify(self._environ, "READY=1")
        self._told = state
        try:
            self._presence.tell(state)
        except OSError as error:
            if not self._telling_failed:
                text = "supervisor.json cannot be written; `leadkeep status` knows less"
                self._voice.say("warning", text, reason=error.strerror)
            self._telling_failed = True
            self._tell_again_at = time.monotonic() + _TELL_AGAIN_SECONDS
        else:
            self._telling_failed = False
            self._tell_again_at = float("inf")

    def _state(self) -> Mapping[str, object]:
        state = REPLACING if self._roster.replacing else SERVING
        return {
            "pid": os.getpid(),
            "state": STOPPING if self._roster.stopping else state,
            "since": self._started,
            "listen": self._generations[self._roster.generation].listening.addresses(),
            "generation": self._roster.generation,
            "children": {role: self._child_state(role) for role in ROLES},
        }

    def _child_state(self, role: str) -> Mapping[str, object]:
        post = self._roster.posts[role]
        child = post.serving or next(iter(post.leaving.values()), None)
        return {
            "pid": self._children.pid(child.number) if child else None,
            "since": self._children.since(child.number) if child else None,
            "ready": bool(post.serving and post.serving.ready_at is not None),
            "restarts": post.restarts,
            "last_exit": post.last_exit,
        }
