"""The door: opens on given sockets, keeps deadlines, and closes without losing a request.

Invariant: once `stop` is set no new connection is taken, every request that still arrives on an
open one is answered, and `run` returns only when everything taken is settled.
"""

import asyncio
import socket
import sys
from collections.abc import Callable, Sequence

import structlog

from leadkeep.clock import Clock
from leadkeep.intake.limits import Limits
from leadkeep.intake.metrics import Counts, DoorCollector
from leadkeep.intake.peers import Peers
from leadkeep.intake.protocol import Connection
from leadkeep.intake.reception import Reception
from leadkeep.intake.reply_table import ReplyTable
from leadkeep.intake.tls import ServerTLS
from leadkeep.intake.ways import ways_of
from leadkeep.journal.base import JournalWriter
from leadkeep.journal.doorbell import Doorbell
from leadkeep.journal.numbers import LeadNumbers
from leadkeep.settings.model import Settings
from leadkeep.sources.routes import SourceTable
from leadkeep.telemetry.admin import AdminListener

_BACKLOG = 4096
_TLS_LOOK_SECONDS = 2.0
_CLOSE_SECONDS = 5.0
_SWITCH_SECONDS = 0.0001

log = structlog.get_logger("leadkeep.intake")


class Door:
    """Takes leads over HTTP, makes them durable, answers.

    Args:
        journals: in order of preference; the door commits to them, and closes them at the end, in
            threads of their own.
        doorbell: rung after commits; None: nobody listens.
        admin: a listening socket for metrics and details; owned from now on.

    Raises:
        SettingsError: the TLS files cannot be used, or a source's reply cannot be compiled.
    """

    def __init__(
        self,
        *,
        settings: Settings,
        journals: Sequence[JournalWriter],
        numbers: LeadNumbers,
        sources: SourceTable,
        clock: Clock,
        doorbell: Doorbell | None,
        admin: socket.socket | None = None,
    ) -> None:
        self._settings = settings
        self._journals = journals
        self._numbers = numbers
        self._sources = sources
        self._clock = clock
        self._doorbell = doorbell
        self._admin = admin
        self.counts = Counts()
        self._peers: Peers[Connection] = Peers()
        self._reception: Reception | None = None
        self._tls = server_tls(settings)
        self._replies = ReplyTable.of(settings)
        self._ways = ways_of(settings)

    async def run(
        self,
        sockets: Sequence[socket.socket],
        stop: asyncio.Event,
        on_ready: Callable[[], None],
    ) -> None:
        """Serve until `stop` is set and everything under way is done.

        Args:
            sockets: bound; owned from now on. Another process may hold the same ones.
            on_ready: called once connections are being taken.
        """
        # A busy loop lets the journal's thread speak after this long. With the default of 5 ms a
        # commit, which asks several times, would take longer than its disk.
        sys.setswitchinterval(_SWITCH_SECONDS)
        limits = Limits.of(self._settings.intake, self._settings.journal)
        self._reception = reception = Reception(
            settings=self._settings,
            limits=limits,
            replies=self._replies,
            ways=self._ways,
            journals=self._journals,
            numbers=self._numbers,
            sources=self._sources,
            clock=self._clock,
            doorbell=self._doorbell,
            counts=self.counts,
        )
        collector = DoorCollector(self.counts, self._trusted)
        admin = AdminListener(self._admin, self.details) if self._admin is not None else None
        collector.register()
        chores = asyncio.create_task(self._keep_house(reception))
        try:
            if admin is not None:
                admin.start()
            servers = [await self._listen(sock, reception) for sock in sockets]
            on_ready()
            await stop.wait()
            for server in servers:
                server.close()
            await self._drain(reception)
        finally:
            chores.cancel()
            for sock in sockets:
                sock.close()
            await reception.committer.close(_CLOSE_SECONDS)
            collector.unregister()
            if admin is not None:
                await asyncio.to_thread(admin.stop)

    def details(self) -> dict[str, object]:
        """What people want to know of a running door; may be called from any thread."""
        counts = self.counts
        reception = self._reception
        journals = (
            [
                {
                    "journal": lane.name,
                    "in_use": lane.trusted,
                    "commits_under_way": int(lane.busy),
                    "passed_over": lane.passed_over,
                    "last_error": lane.last_error,
                }
                for lane in reception.committer.lanes
            ]
            if reception is not None
            else []
        )
        return {
            "connections": len(self._peers),
            "is_stopping": reception is not None and reception.draining,
            "leads": dict(counts.leads),
            "records": dict(counts.records),
            "answers": {str(status): count for status, count in dict(counts.answers).items()},
            "refused": dict(counts.refused),
            "live_waiting": 0 if reception is None else len(reception.live),
            "live_answers": {
                f"{kind} {result}": count
                for (kind, result), count in dict(counts.live_answers).items()
            },
            "waiting_bytes": 0 if reception is None else reception.committer.waiting_bytes,
            "unfinished_bytes": 0 if reception is None else reception.partial_bytes,
            "journals": journals,
        }

    async def _listen(self, sock: socket.socket, reception: Reception) -> asyncio.Server:
        loop = asyncio.get_running_loop()
        peers = self._peers
        if self._tls is None:
            return await loop.create_server(
                lambda: Connection(reception, peers), sock=sock, backlog=_BACKLOG
            )
        return await loop.create_server(
            lambda: Connection(reception, peers),
            sock=sock,
            backlog=_BACKLOG,
            ssl=self._tls.context,
            ssl_handshake_timeout=self._settings.intake.header_timeout_seconds,
        )

    async def _keep_house(self, reception: Reception) -> None:
        """Deadlines, date, lead numbers, certificate: once per tick, for all connections."""
        loop = asyncio.get_running_loop()
        tls_due = loop.time() + _TLS_LOOK_SECONDS
        while True:
            await asyncio.sleep(reception.limits.tick_seconds)
            try:
                reception.on_tick()
                for connection in self._peers.snapshot():
                    connection.sweep(reception.tick)
                if self._tls is not None and loop.time() >= tls_due:
                    tls_due = loop.time() + _TLS_LOOK_SECONDS
                    self._tls.reload_if_changed()
            except Exception:  # Without these chores, slow senders would fill the house.
                log.exception("a chore of the door failed")

    async def _drain(self, reception: Reception) -> None:
        """Answer what is still coming, then what is under way, then let go."""
        intake = self._settings.intake
        reception.draining = True
        await self._peers.gone(intake.lame_duck_seconds)
        for connection in self._peers.snapshot():
            connection.close_if_idle()
        await self._peers.gone(intake.drain_seconds)
        for connection in self._peers.snapshot():
            connection.stop_unfinished()
        reception.live.give_up()
        await reception.committer.drain()
        await self._peers.gone(_CLOSE_SECONDS)
        for connection in self._peers.snapshot():
            connection.abort()
        reception.on_closing()

    def _trusted(self) -> dict[str, bool]:
        if self._reception is None:
            return {}
        return {lane.name: lane.trusted for lane in self._reception.committer.lanes}


def server_tls(settings: Settings) -> ServerTLS | None:
    """The certificate that the settings name; None if the door speaks plain HTTP.

    Raises:
        SettingsError: the pair cannot be used.
    """
    certificate, key = settings.intake.tls_certificate, settings.intake.tls_key
    return None if certificate is None or key is None else ServerTLS(certificate, key)
