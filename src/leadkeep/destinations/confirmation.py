"""What confirms a lead: the reply's status and, if configured, a condition on what it says.

The only place where this is judged. Invariant: whatever a destination answers, the judgement is
bounded in time and memory, raises nothing, and its words name what was expected and what was
missing but never quote the reply, which may hold personal data.
"""

from typing import Protocol

import re2

from leadkeep.destinations.condition import Condition, Unmet
from leadkeep.destinations.failures import Failure, failure_of_status
from leadkeep.destinations.reading import Unreadable, json_of, text_of
from leadkeep.errors import SettingsError
from leadkeep.expressions import shown
from leadkeep.settings.model import DestinationSettings
from leadkeep.settings.quantities import size_text
from leadkeep.settings.statuses import covers

UNCONFIRMED = "unconfirmed"
"""Error class of a reply whose status is right and that does not confirm all the same."""

_RE2_MEMORY_BYTES = 8 * 1024 * 1024


class _Pattern(Protocol):
    """What is used of RE2's compiled expressions, which have no types of their own."""

    def search(self, text: bytes) -> object | None:
        """The first match, if there is one."""


class Confirmation:
    """Judges the replies of one destination.

    Args:
        name: the destination's, for words.
        settings: statuses, expression, pattern and size of replies.

    Raises:
        SettingsError: an expression or pattern cannot be used.
    """

    def __init__(self, name: str, settings: DestinationSettings) -> None:
        self._name = name
        self._statuses = settings.success_statuses
        self._reply_max_bytes = settings.reply_max_bytes
        self._when = settings.success_when
        self._text = settings.success_text
        key = f"destinations.{name}"
        self._condition = Condition(f"{key}.success_when", self._when) if self._when else None
        self._pattern = _pattern(f"{key}.success_text", self._text) if self._text else None
        for setting, value in (("success_when", self._when), ("success_text", self._text)):
            if value is not None and not value.strip():
                raise SettingsError(
                    f"{key}.{setting} is empty", hint="Leave it out if the status is enough."
                )

    def accepts(self, status: int) -> bool:
        """True if this status may confirm a lead."""
        return covers(self._statuses, status)

    def why_not(self, status: int, head: bytes, body: bytes, *, cut: bool) -> Failure | None:
        """Why this reply does not confirm the lead; None: it does.

        Args:
            status: the reply's.
            head: its headers as `Name: value` lines.
            body: its first `reply_max_bytes`, as sent.
            cut: there was more of it.
        """
        if not self.accepts(status):
            return self._wrong_status(status)
        if self._condition is None and self._pattern is None:
            return None
        try:
            self._satisfied(head, body, cut=cut)
        except (Unreadable, Unmet) as why:
            return Failure(UNCONFIRMED, f"{self._name} answered {status}, but {why}")
        return None

    def _wrong_status(self, status: int) -> Failure:
        if not 200 <= status < 300:
            return failure_of_status(self._name, status)
        wanted = ", ".join(map(str, self._statuses))
        return Failure(
            UNCONFIRMED,
            f"{self._name} answered {status}, which is not among success_statuses ({wanted})",
        )

    def _satisfied(self, head: bytes, body: bytes, *, cut: bool) -> None:
        if cut:
            raise Unreadable(
                f"its reply is longer than reply_max_bytes ({size_text(self._reply_max_bytes)}), "
                f"so that {self._conditions} cannot be judged"
            )
        text = text_of(head, body)
        if self._condition is not None and self._when is not None:
            try:
                self._condition.check(json_of(text))
            except Unmet as unmet:
                raise Unmet(
                    f"its reply does not satisfy success_when = {shown(self._when)}: {unmet}"
                ) from None
        if self._pattern is not None and not self._pattern.search(text.encode()):
            raise Unmet(f"its reply does not match success_text = {shown(self._text or '')}")

    @property
    def _conditions(self) -> str:
        chosen = {"success_when": self._condition, "success_text": self._pattern}
        return " and ".join(name for name, given in chosen.items() if given is not None)


def _pattern(key: str, text: str) -> _Pattern:
    """Compiled for RE2, whose time grows with the reply's length and never faster."""
    options = re2.Options()
    options.log_errors = False
    options.max_mem = _RE2_MEMORY_BYTES
    try:
        compiled: _Pattern = re2.compile(text, options)
        return compiled
    except re2.error as error:
        # The library wraps its words as the text of bytes: b'missing ): ('.
        words = str(error).removeprefix("b'").removesuffix("'")
        raise SettingsError(
            f"{key} = {shown(text)} is not a regular expression: {words}",
            hint="It is one of RE2: no backreferences, no looking ahead or behind, no repetition "
            "of more than 1,000.",
        ) from error
