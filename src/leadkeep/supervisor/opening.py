"""Opening the listening sockets: patient at the start, strict afterwards, and the door first."""

import socket
import time
from collections.abc import Callable, Mapping

from leadkeep.errors import SettingsError
from leadkeep.settings.model import Address, Settings
from leadkeep.supervisor import systemd
from leadkeep.supervisor.sockets import (
    DOOR,
    INTAKE_ADMIN,
    WORKER_ADMIN,
    AddressBusy,
    Key,
    Listening,
    bind,
    wanted,
)
from leadkeep.supervisor.voice import Voice

DOOR_PATIENCE_SECONDS = 60.0
ADMIN_PATIENCE_SECONDS = 3.0
_PAUSE_SECONDS = 0.1

Bound = dict[Key, tuple[socket.socket, ...]]


class Opening:
    """Opens sockets for a generation of settings.

    Args:
        voice: says why it waits.
        pause: sleeps so many seconds; False if somebody asked to stop.
    """

    def __init__(self, voice: Voice, pause: Callable[[float], bool]) -> None:
        self._voice = voice
        self._pause = pause

    def first(self, settings: Settings, environ: Mapping[str, str]) -> Listening | None:
        """The sockets to begin with; None if somebody asked to stop meanwhile.

        The children of a killed supervisor may still drain: a busy door is waited for. Metrics are
        not worth keeping the door shut: a busy admin address is waited for briefly, then done
        without.

        Raises:
            SettingsError: an address of the door cannot be had.
        """
        given = tuple(systemd.activated_sockets(environ))
        if given:
            at = ", ".join(Listening({}, given).addresses())
            self._voice.say("info", "the door is at the sockets of systemd", listen=at)
        sockets: Bound = {}
        for address in () if given else wanted(settings, DOOR):
            found = self._patiently(DOOR, address)
            if found is None:
                Listening(sockets).close()
                return None
            sockets[DOOR, address] = found
        for what in (INTAKE_ADMIN, WORKER_ADMIN):
            for address in wanted(settings, what):
                self._admin(sockets, what, address, ADMIN_PATIENCE_SECONDS)
        return Listening(sockets, given)

    def another(self, settings: Settings, current: Listening) -> Listening:
        """The sockets for new settings; those of addresses that stay are shared.

        Raises:
            SettingsError: a new address of the door cannot be had; nothing was opened.
        """
        sockets: Bound = {}
        try:
            for address in () if current.given else wanted(settings, DOOR):
                key = (DOOR, address)
                sockets[key] = current.sockets.get(key) or bind(*key)
        except SettingsError:
            Listening(sockets).close_except(current)
            raise
        for what in (INTAKE_ADMIN, WORKER_ADMIN):
            for address in wanted(settings, what):
                held = current.sockets.get((what, address))
                if held:
                    sockets[what, address] = held
                else:
                    self._admin(sockets, what, address, 0)
        return Listening(sockets, current.given)

    def _patiently(self, what: str, address: Address) -> tuple[socket.socket, ...] | None:
        deadline = time.monotonic() + DOOR_PATIENCE_SECONDS
        said = False
        while True:
            try:
                return bind(what, address)
            except AddressBusy:
                if time.monotonic() > deadline:
                    raise
            if not said:
                text = "another program listens there; waiting for it to leave"
                self._voice.say("warning", text, address=str(address))
                said = True
            if not self._pause(_PAUSE_SECONDS):
                return None

    def _admin(self, sockets: Bound, what: str, address: Address, patience: float) -> None:
        deadline = time.monotonic() + patience
        while True:
            try:
                sockets[what, address] = bind(what, address)
            except AddressBusy as error:
                if time.monotonic() < deadline and self._pause(_PAUSE_SECONDS):
                    continue
                self._do_without(error)
            except SettingsError as error:
                self._do_without(error)
            return

    def _do_without(self, error: SettingsError) -> None:
        self._voice.say("warning", "going on without metrics there", reason=str(error))
