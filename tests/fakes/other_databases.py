"""Private servers of other systems' databases, started by the tests that need one and ended with
them: each in a folder of its own, on a Unix socket, without network."""

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


class OtherPostgres:
    """A PostgreSQL server."""

    def __init__(self) -> None:
        found = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda at: int(at.parts[4]))
        assert found, "there is no PostgreSQL server; `bin/setup --dev` installs one"
        self._programs = found[-1]
        self._user = pwd.getpwnam("postgres") if os.geteuid() == 0 else None
        # A folder of a short name: a socket's path has at most 107 bytes.
        self.folder = Path(tempfile.mkdtemp(prefix="pg-", dir=_IN_MEMORY))
        self._data = self.folder / "data"

    def __enter__(self) -> "OtherPostgres":
        if self._user is not None:
            os.chown(self.folder, self._user.pw_uid, self._user.pw_gid)
        self._run(
            "initdb",
            *("--pgdata", str(self._data), "--username", "owner", "--auth", "trust"),
            *("--encoding", "UTF8", "--locale", "C", "--no-sync", "--no-instructions"),
        )
        with (self._data / "postgresql.conf").open("a") as file:
            file.write(f"unix_socket_directories = '{self.folder}'\nlisten_addresses = ''\n")
            file.write("fsync = off\nfull_page_writes = off\nautovacuum = off\n")
        self._run("pg_ctl", "start", "-w", "-D", str(self._data), "-l", str(self.folder / "log"))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        self._run("pg_ctl", "stop", "-w", "-m", "fast", "-D", str(self._data))
        shutil.rmtree(self.folder)

    def url(self, database: str = "postgres", *, user: str = "owner") -> str:
        """Where one of its databases is."""
        return f"postgresql://{user}@/{database}?host={self.folder}"

    def _run(self, program: str, *arguments: str) -> None:
        user, group = (self._user.pw_uid, self._user.pw_gid) if self._user else (None, None)
        subprocess.run(
            [self._programs / program, *arguments],
            user=user,
            group=group,
            extra_groups=[] if self._user else None,
            cwd="/",
            stdin=subprocess.DEVNULL,
            # The server keeps what it is given: a pipe would never end.
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            check=True,
        )


class OtherMariadb:
    """A MariaDB server."""

    def __init__(self) -> None:
        assert shutil.which("mariadbd"), "there is no MariaDB; `bin/setup --dev` installs it"
        self._user = pwd.getpwnam("mysql") if os.geteuid() == 0 else None
        self.folder = Path(tempfile.mkdtemp(prefix="my-", dir=_IN_MEMORY))
        self._data = self.folder / "data"
        self.socket = self.folder / "socket"
        self._server: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> "OtherMariadb":
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
