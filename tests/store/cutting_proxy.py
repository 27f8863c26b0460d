"""A proxy before a Unix socket that can lose the answer to what its client has said."""

import contextlib
import selectors
import socket
import tempfile
import threading
from pathlib import Path
from types import TracebackType


class CuttingProxy:
    """Passes bytes both ways; while `cut` is set, hangs up once the client has said `after`.

    What the client said is passed on first, and its end waited for on the server's side.
    """

    def __init__(self, server: Path, *, after: bytes) -> None:
        self._server = server
        self._after = after
        self._folder = tempfile.TemporaryDirectory(prefix="proxy-")
        self.folder = Path(self._folder.name)
        self.cut = False
        self._listener = socket.socket(socket.AF_UNIX)

    def __enter__(self) -> "CuttingProxy":
        self._listener.bind(str(self.folder / self._server.name))
        self._listener.listen()
        threading.Thread(target=self._serve, daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._folder.cleanup()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._pass, args=(client,), daemon=True).start()

    def _pass(self, client: socket.socket) -> None:
        server = socket.socket(socket.AF_UNIX)
        with client, server, selectors.DefaultSelector() as both, contextlib.suppress(OSError):
            server.connect(str(self._server))
            both.register(client, selectors.EVENT_READ, server)
            both.register(server, selectors.EVENT_READ, client)
            while True:
                for key, _ in both.select():
                    data = key.fileobj.recv(65_536)  # type: ignore[union-attr]  # a socket
                    if not data:
                        return
                    key.data.sendall(data)
                    if self.cut and key.fileobj is client and self._after in data:
                        server.recv(65_536)  # it is done, and nobody will know
                        return
