"""One set of validated settings, with all that children of it are given."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from leadkeep.settings.layers import CONFIG_COPY_VARIABLE, NO_FILE
from leadkeep.settings.load import load
from leadkeep.settings.model import Settings
from leadkeep.settings.table import FLAGS
from leadkeep.supervisor import systemd
from leadkeep.supervisor.handover import Handover
from leadkeep.supervisor.sockets import INTAKE_ADMIN, WORKER_ADMIN, Listening

INTAKE, WORKER = "intake", "worker"
ROLES = (INTAKE, WORKER)
"""In the order in which they are stopped: what the door still takes, the worker still absorbs."""

_NOT_FOR_CHILDREN = frozenset({*systemd.VARIABLES, CONFIG_COPY_VARIABLE})

_SPARE_SECONDS = {INTAKE: 2.0, WORKER: 5.0}
"""For what a child does after its own deadline: the last commit, closing the store."""


@dataclass(frozen=True)
class Generation:
    """Settings in force, or on their way."""

    settings: Settings
    listening: Listening
    copy: Path | None
    """The configuration file's text as it was validated; None: no file, or no room for a copy."""

    def drains(self) -> Mapping[str, float]:
        """How long each role may take to leave, in seconds."""
        door, worker = self.settings.intake, self.settings.worker
        return {
            INTAKE: door.lame_duck_seconds + door.drain_seconds + _SPARE_SECONDS[INTAKE],
            WORKER: worker.drain_seconds + _SPARE_SECONDS[WORKER],
        }

    def handover(self, role: str, *, ready: int, parent: int) -> Handover:
        """What a child of `role` inherits."""
        if role == INTAKE:
            admin = self.listening.admin(INTAKE_ADMIN)
            return Handover(self.listening.door(), admin, ready, parent)
        return Handover((), self.listening.admin(WORKER_ADMIN), ready, parent)

    def environment(self, environ: Mapping[str, str]) -> dict[str, str]:
        """A child's variables.

        The copy makes a child that is started again read what was validated, and not a file that
        somebody is just editing.
        """
        inherited = {name: text for name, text in environ.items() if name not in _NOT_FOR_CHILDREN}
        if self.settings.config_text is None:
            return {**inherited, CONFIG_COPY_VARIABLE: NO_FILE}
        return {**inherited, CONFIG_COPY_VARIABLE: str(self.copy)} if self.copy else inherited

    def discard(self, kept: "Generation | None") -> None:
        """Let go of what only this generation used."""
        self.listening.close_except(kept.listening if kept else Listening({}))
        if self.copy:
            self.copy.unlink(missing_ok=True)


def copy_of(settings: Settings, number: int) -> Path | None:
    """Write down the text of the configuration file that was validated.

    Raises:
        OSError: it could not be written.
    """
    if settings.config_text is None:
        return None
    path = settings.run_folder / f"config-{number}.toml"
    path.unlink(missing_ok=True)
    # There may be secrets in it.
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(settings.config_text)
    return path


def load_again(config_args: Sequence[str], environ: Mapping[str, str]) -> Settings:
    """Read all settings anew, as the command line said.

    Args:
        config_args: options and values in turn (`--config X --listen A --listen B`).

    Raises:
        SettingsError: one line for each mistake.
    """
    keys = {flag: key for key, flag in FLAGS.items()}
    config: Path | None = None
    flags: dict[str, tuple[str, ...]] = {}
    for option, value in zip(config_args[::2], config_args[1::2], strict=True):
        if option == "--config":
            config = Path(value)
        else:
            key = keys[option]
            flags[key] = (*flags.get(key, ()), value)
    plain = {key: values[-1] if key != "intake.listen" else values for key, values in flags.items()}
    return load(config=config, environ=environ, flags=plain, cwd=Path.cwd())
