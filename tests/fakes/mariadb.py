"""A private MariaDB server, started by the tests that need one and ended with them: in a folder of
its own, on a Unix socket, without network."""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path
from types import TracebackType

import pymysql
from pymysql.cursors import Cursor

from tests.integration.waiting import wait_until

_IN_MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None


class Mariadb:
    """One server with its databases."""

    def __init__(self) -> None:
        assert shutil.which("mariadbd"), "there is no MariaDB; `bin/setup --dev` installs it"
        self._user = pwd.getpwnam("mysql") if os.geteuid() == 0 else None
        self.folder = Path(tempfile.mkdtemp(prefix="my-", dir=_IN_MEMORY))
        self._data = self.folder / "data"
        self.socket = self.folder / "socket"
        self._server: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> "Mariadb":
        if self._user is not None:
            os.chown(self.folder, self._user.pw_uid, self._user.pw_gid)
        subprocess.run(
            [
                *("mariadb-install-db", "--no-defaults", f"--datadir={self._data}"),
                *("--auth-root-authentication-method=normal", "--skip-test-db"),
                *(("--user=mysql",) if self._user else ()),
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            check=True,
        )
        with (self.folder / "log").open("wb") as log:
            self._server = subprocess.Popen(
                [
                    *("mariadbd", "--no-defaults", f"--datadir={self._data}"),
                    *(f"--socket={self.socket}", f"--pid-file={self.folder / 'pid'}"),
                    *("--skip-networking", "--innodb-flush-log-at-trx-commit=0"),
                    *("--innodb-buffer-pool-size=16M", "--innodb-log-file-size=16M"),
                    *("--character-set-server=utf8mb4",),
                    *(("--user=mysql",) if self._user else ()),
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        wait_until("MariaDB answers", self._answers)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        assert self._server is not None
        self._server.send_signal(signal.SIGTERM)
        self._server.wait()
        shutil.rmtree(self.folder)

    def url(self, database: str, *, user: str = "root", password: str = "") -> str:
        """Where one of its databases is."""
        who = f"{user}:{password}" if password else user
        return f"mysql://{who}@localhost/{database}?unix_socket={self.socket}"

    def connect(self, database: str | None = None) -> "pymysql.Connection[Cursor]":
        """A connection that may do anything."""
        return pymysql.connect(
            unix_socket=str(self.socket),
            user="root",
            database=database,
            charset="utf8mb4",
            autocommit=True,
        )

    def _answers(self) -> bool:
        assert self._server is not None
        assert self._server.poll() is None, (self.folder / "log").read_text()
        asked = subprocess.run(
            ["mariadb-admin", "--no-defaults", f"--socket={self.socket}", "--user=root", "ping"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
        )
        return asked.returncode == 0
