"""Ways to a destination that fail before a request is heard: names, connections, handshakes.

Each way fails until it is mended, and then the destination takes each lead.
"""

import ssl
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path
from socket import socket
from typing import Any, NamedTuple

import trustme

from tests.faults.rig.brain import Brain, Destination
from tests.faults.rig.processes import free_port

FLAPS = 6
FLAP_SECONDS = 0.3
_HANDSHAKE_SECONDS = 5


class Way(NamedTuple):
    """A destination, and what is wrong with the way there."""

    destination: Destination
    settings: dict[str, str]
    faults: dict[str, object]
    mend: Callable[[], None]
    """From now on the way is open, at once or after a while."""


class _TlsBrain(Brain):
    """Speaks TLS, once it has been mended."""

    def __init__(self, good: ssl.SSLContext, bad: Callable[[socket], None]) -> None:
        self._good = good
        self._bad: Callable[[socket], None] | None = bad
        super().__init__()

    @property
    def url(self) -> str:
        """Where to deliver to."""
        return super().url.replace("http:", "https:")

    def mend(self) -> None:
        """Treat connections as one should."""
        self._bad = None

    def finish_request(self, request: Any, client_address: Any) -> None:
        """One connection, in a thread of its own."""
        request.settimeout(_HANDSHAKE_SECONDS)
        if self._bad is not None:
            self._bad(request)
            return
        with self._good.wrap_socket(request, server_side=True) as secured:
            secured.settimeout(30)
            super().finish_request(secured, client_address)


def _context(authority: trustme.CA, name: str) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert(name).configure_cert(context)
    return context


def _answers_in_plain_text(connection: socket) -> None:
    connection.recv(1_000)
    connection.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")


def _hangs_up(connection: socket) -> None:
    connection.recv(1)


def _shows(context: ssl.SSLContext, connection: socket) -> None:
    context.wrap_socket(connection, server_side=True).close()


@contextmanager
def _over_tls(
    folder: Path, *, bad: Callable[[trustme.CA], Callable[[socket], None]]
) -> Iterator[Way]:
    authority, trusted = trustme.CA(), folder / "ca.pem"
    authority.cert_pem.write_to_path(trusted)
    with _TlsBrain(_context(authority, "127.0.0.1"), bad(authority)) as brain:
        settings = {"destinations.brain.tls.ca_file": f'"{trusted}"'}
        yield Way(brain, settings, {}, brain.mend)


class _Named:
    """A destination that is called by a name."""

    def __init__(self, brain: Brain) -> None:
        self.received = brain.received
        self.url = brain.url.replace("127.0.0.1", "localhost")


@contextmanager
def _by_a_name_that_nobody_knows(folder: Path) -> Iterator[Way]:
    unknown = folder / "no-names"
    unknown.touch()
    with Brain() as brain:
        settings = {"destinations.brain.private_networks": "true"}
        yield Way(_Named(brain), settings, {"no_names": str(unknown)}, unknown.unlink)


class _Flapping:
    """A destination that is there and away again, and in the end stays."""

    def __init__(self) -> None:
        self.received: Counter[int] = Counter()
        self._port = free_port()
        self.url = f"http://127.0.0.1:{self._port}/webhook.php"
        self._flaps = threading.Thread(target=self._flap)
        self._brain: Brain | None = None

    def mend(self) -> None:
        """Begin to be there now and then."""
        self._flaps.start()

    def close(self) -> None:
        """Be away for good."""
        if self._flaps.ident is not None:
            self._flaps.join()
        if self._brain is not None:
            self._brain.server_close()

    def _flap(self) -> None:
        for _ in range(FLAPS):
            with Brain(port=self._port, received=self.received):
                time.sleep(FLAP_SECONDS)
            time.sleep(FLAP_SECONDS)
        self._brain = Brain(port=self._port, received=self.received)


@contextmanager
def _to_one_that_flaps(_folder: Path) -> Iterator[Way]:
    flapping = _Flapping()
    try:
        yield Way(flapping, {}, {}, flapping.mend)
    finally:
        flapping.close()


WAYS: dict[str, Callable[[Path], AbstractContextManager[Way]]] = {
    "TLS: answers in plain text": partial(_over_tls, bad=lambda _ca: _answers_in_plain_text),
    "TLS: hangs up in the handshake": partial(_over_tls, bad=lambda _ca: _hangs_up),
    "TLS: a stranger's certificate": partial(
        _over_tls, bad=lambda _ca: partial(_shows, _context(trustme.CA(), "127.0.0.1"))
    ),
    "TLS: another's name": partial(
        _over_tls, bad=lambda ca: partial(_shows, _context(ca, "other.example"))
    ),
    "DNS: no such name": _by_a_name_that_nobody_knows,
    "refuses connections, then flaps": _to_one_that_flaps,
}
"""What may be wrong with a way."""
