"""`leadkeep check` run as a child: the program as it is on disk now judges the configuration."""

import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence

from leadkeep.supervisor.generation import Generation

_DEADLINE_SECONDS = 30.0
_REASON_MAX_BYTES = 4096


class ConfigurationCheck:
    """One run of it, under way until `is_over`.

    Args:
        draft: the settings it is about.
        command: what to run.
        environ: its variables.
    """

    def __init__(
        self, draft: Generation, command: Sequence[str], environ: Mapping[str, str]
    ) -> None:
        self.draft = draft
        self.deadline = time.monotonic() + _DEADLINE_SECONDS
        """When it is over at the latest, by the monotonic clock."""
        self._output = tempfile.TemporaryFile()  # noqa: SIM115 # closed by `reason` or `cancel`
        self._late = False
        self._process: subprocess.Popen[bytes] | None = None
        self._failure = ""
        try:
            self._process = subprocess.Popen(  # noqa: S603 # our own program
                list(command),
                stdin=subprocess.DEVNULL,
                stdout=self._output,
                stderr=subprocess.STDOUT,
                env=dict(environ),
                start_new_session=True,
            )
        except OSError as error:
            self._failure = f"`leadkeep check` could not be started: {error.strerror}"

    def is_over(self) -> bool:
        """True if it has ended, or is ended now because it took too long."""
        if self._process is None or self._process.poll() is not None:
            return True
        if time.monotonic() < self.deadline:
            return False
        self._late = True
        self._end(self._process)
        return True

    def reason(self) -> str:
        """Why the configuration is refused, in the check's own words; empty if it is accepted."""
        with self._output:
            if self._process is None:
                return self._failure
            if self._late:
                return f"`leadkeep check` did not end within {_DEADLINE_SECONDS:g} s"
            if self._process.returncode == 0:
                return ""
            self._output.seek(0)
            said = self._output.read(_REASON_MAX_BYTES).decode("utf-8", "replace").strip()
        return said or f"`leadkeep check` ended with code {self._process.returncode}"

    def cancel(self) -> None:
        """End it; its result is no longer wanted."""
        if self._process is not None and self._process.poll() is None:
            self._end(self._process)
        self._output.close()
        if self.draft.copy:
            self.draft.copy.unlink(missing_ok=True)

    @staticmethod
    def _end(process: "subprocess.Popen[bytes]") -> None:
        process.kill()
        process.wait()
