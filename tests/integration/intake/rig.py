"""A real door on a free port in a thread of its own, a raw client, and the journal it writes."""

import asyncio
import itertools
import json
import os
import select
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import uvloop

from leadkeep.clock import SystemClock
from leadkeep.intake.server import Door
from leadkeep.journal.base import Group, JournalWriter
from leadkeep.journal.disk import DiskJournal
from leadkeep.journal.doorbell import Doorbell
from leadkeep.journal.numbers import LeadNumbers
from leadkeep.journal.reader import DiskJournalReader
from leadkeep.models import Record, RecordKind
from leadkeep.settings.model import IntakeSettings, Settings, SourceSettings
from leadkeep.sources.routes import SourceTable

DEADLINE_SECONDS = 15.0
SEGMENT_BYTES = 2 * 1024**2
MAIN = Path(__file__).with_name("door_main.py")


def wait_until(condition: Callable[[], object], what: str) -> None:
    """Wait until `condition` holds; fails if it does not in good time."""
    end = time.monotonic() + DEADLINE_SECONDS
    while not condition():
        assert time.monotonic() < end, f"waited in vain for: {what}"
        time.sleep(0.005)


def records_in(folder: Path) -> list[Record]:
    """Every record that a journal's reader believes, in order."""
    reader = DiskJournalReader(folder)
    groups = (
        group
        for info in reader.segments()
        for group in reader.read(info, 0)
        if isinstance(group, Group)
    )
    return [record for group in groups for record in group.records]


def request(
    method: str = "POST",
    target: str = "/lead",
    body: bytes = b"",
    *,
    headers: Sequence[str] = (),
    version: str = "1.1",
    length: bool = True,
) -> bytes:
    """A request as it goes over the wire."""
    lines = [f"{method} {target} HTTP/{version}", "Host: door.test", *headers]
    if length and (body or method not in ("GET", "HEAD", "OPTIONS")):
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode() + body


@dataclass
class Answer:
    """One HTTP response as read off the wire."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> dict[str, Any]:
        """The body as JSON."""
        value = json.loads(self.body)
        assert isinstance(value, dict)
        return value

    @property
    def closes(self) -> bool:
        """It says that the connection ends."""
        return self.headers.get("connection", "").lower() == "close"


class Client:
    """A connection that sends exactly what it is told."""

    def __init__(self, port: int, *, context: ssl.SSLContext | None = None) -> None:
        plain = socket.create_connection(("127.0.0.1", port), timeout=DEADLINE_SECONDS)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock: socket.socket = (
            context.wrap_socket(plain, server_hostname="localhost") if context else plain
        )
        self._buffer = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.sock.close()

    def send(self, data: bytes) -> Self:
        """Send bytes as they are."""
        self.sock.sendall(data)
        return self

    def ask(self, data: bytes, *, head_only: bool = False) -> Answer:
        """Send and read one answer."""
        return self.send(data).answer(head_only=head_only)

    def answer(self, *, head_only: bool = False) -> Answer:
        """Read one answer."""
        while b"\r\n\r\n" not in self._buffer:
            self._receive()
        head, _, self._buffer = self._buffer.partition(b"\r\n\r\n")
        first, *lines = head.decode().split("\r\n")
        headers = {
            name.lower(): value.strip()
            for name, _, value in (line.partition(":") for line in lines)
        }
        status = int(first.split()[1])
        length = 0 if head_only or status == 100 else int(headers.get("content-length", "0"))
        while len(self._buffer) < length:
            self._receive()
        body, self._buffer = self._buffer[:length], self._buffer[length:]
        return Answer(status, headers, body)

    def is_closed(self) -> bool:
        """The other side closes without another word (waits for it)."""
        try:
            return self._buffer == b"" and self.sock.recv(65536) == b""
        except ConnectionError:
            return True

    def is_silent(self, seconds: float = 0.1) -> bool:
        """Nothing comes for a while."""
        return not self._buffer and not select.select([self.sock], [], [], seconds)[0]

    def half_close(self) -> Self:
        """Say that nothing more will be sent."""
        self.sock.shutdown(socket.SHUT_WR)
        return self

    def _receive(self) -> None:
        data = self.sock.recv(65536)
        if not data:
            raise ConnectionError(f"closed with {self._buffer!r} unread")
        self._buffer += data


@dataclass
class RunningDoor:
    """A door that runs in a thread until stopped."""

    folder: Path
    intake: IntakeSettings
    sources: dict[str, SourceSettings] = field(default_factory=dict)
    journals: Sequence[JournalWriter] | None = None
    deadline_ms: int = 750
    batch_max_bytes: int = 8 * 1024**2
    numbers: LeadNumbers | None = None
    doorbell: Doorbell | None = None
    admin: socket.socket | None = None

    def start(self) -> Self:
        """Open it; returns once it takes connections."""
        from leadkeep.settings.model import JournalSettings

        clock = SystemClock()
        self.settings = settings = Settings(
            data=self.folder,
            intake=self.intake,
            sources=self.sources,
            journal=JournalSettings(
                deadline_ms=self.deadline_ms,
                batch_max_bytes=self.batch_max_bytes,
                segment_bytes=max(SEGMENT_BYTES, self.intake.max_body_bytes + 1024**2),
            ),
        )
        journals = self.journals
        if journals is None:
            journals = [disk_journal(self.folder / "journal", settings.journal.segment_bytes)]
        self.failure: BaseException | None = None
        try:
            self.door = Door(
                settings=settings,
                journals=journals,
                numbers=self.numbers or LeadNumbers(self.folder / "numbers", clock),
                sources=SourceTable.of(settings),
                clock=clock,
                doorbell=self.doorbell,
                admin=self.admin,
            )
        except BaseException as error:
            self.failure = error
            for journal in journals:
                journal.close()
            raise
        listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = listener.getsockname()[1]
        ready = threading.Event()

        async def serve() -> None:
            self.loop = asyncio.get_running_loop()
            self.stopping = asyncio.Event()
            await self.door.run([listener], self.stopping, ready.set)

        def run() -> None:
            try:
                uvloop.run(serve())
            except BaseException as error:
                self.failure = error
            finally:
                ready.set()

        self.thread = threading.Thread(target=run)
        self.thread.start()
        assert ready.wait(DEADLINE_SECONDS)
        if self.failure is not None:
            raise self.failure
        return self

    def connect(self, context: ssl.SSLContext | None = None) -> Client:
        """A new connection to it."""
        return Client(self.port, context=context)

    def ask(self, data: bytes) -> Answer:
        """One request over a connection of its own."""
        with self.connect() as client:
            return client.ask(data)

    def begin_to_stop(self) -> None:
        """What SIGTERM does."""
        self.loop.call_soon_threadsafe(self.stopping.set)

    def stop(self) -> None:
        """Stop and wait until it has."""
        if self.thread.is_alive():
            self.begin_to_stop()
        self.thread.join(30)
        assert not self.thread.is_alive(), "the door does not stop"
        if self.failure is not None:
            raise self.failure

    def records(self, kind: RecordKind | None = None) -> list[Record]:
        """What is durable in its journal now."""
        found = records_in(self.folder / "journal")
        return [record for record in found if kind is None or record.kind is kind]

    def leads(self) -> list[Record]:
        """The leads in its journal now."""
        return self.records(RecordKind.LEAD)

    def rejections(self) -> list[Record]:
        """The rejections in its journal, once there is one."""
        wait_until(lambda: self.records(RecordKind.REJECTION), "a rejection record")
        return self.records(RecordKind.REJECTION)


def disk_journal(folder: Path, segment_bytes: int = SEGMENT_BYTES) -> DiskJournal:
    """A real journal."""
    return DiskJournal(folder, segment_bytes=segment_bytes, clock=SystemClock())


@dataclass
class DoorProcess:
    """A door in a process of its own, on a listening socket that the test holds."""

    folder: Path
    listener: socket.socket
    faults: tuple[str, ...] = ()

    def start(self) -> Self:
        """Start it; returns once it takes connections."""
        reading, writing = os.pipe()
        self.process = subprocess.Popen(
            [sys.executable, str(MAIN), str(self.folder), str(self.listener.fileno()),
             str(writing), *self.faults],
            pass_fds=(self.listener.fileno(), writing),
        )  # fmt: skip
        os.close(writing)
        try:
            assert os.read(reading, 1) == b"1", "the door did not start"
        finally:
            os.close(reading)
        return self

    def kill(self) -> None:
        """SIGKILL, and wait."""
        self.process.kill()
        self.process.wait(DEADLINE_SECONDS)

    def terminate(self) -> int:
        """SIGTERM, and wait."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(30)


def chunks_of(data: bytes, cuts: Sequence[int]) -> Iterator[bytes]:
    """The data cut at these offsets."""
    edges = [0, *sorted(cut for cut in cuts if 0 < cut < len(data)), len(data)]
    for begin, end in itertools.pairwise(edges):
        if end > begin:
            yield data[begin:end]
