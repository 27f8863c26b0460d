"""A private PostgreSQL server, started by the tests that need one and ended with them."""

import asyncio
import itertools
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType

import asyncpg

from leadkeep.store.postgres.links import Target
from leadkeep.store.postgres.migrations import migrate

_TEMPLATE = "migrated"
_IN_MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None


def server_programs() -> Path:
    """The folder of the newest server's programs on this machine."""
    found = sorted(
        Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda path: int(path.parts[4])
    )
    if not found:
        raise RuntimeError("there is no PostgreSQL server; `bin/setup --dev` installs one")
    return found[-1].parent


class Cluster:
    """One server with its databases, on a Unix socket of its own.

    Args:
        durable: whether it syncs; on tests of order it need not.
        settings: for `postgresql.conf`.
        listens: an address at which it takes connections as well, from its network.
    """

    def __init__(self, *, durable: bool = False, settings: str = "", listens: str = "") -> None:
        self._listens = listens
        self._programs = server_programs()
        self._user = pwd.getpwnam("postgres") if os.geteuid() == 0 else None
        # A folder of a short name: a socket's path has at most 107 bytes.
        self._folder = Path(tempfile.mkdtemp(prefix="pg-", dir=None if durable else _IN_MEMORY))
        self.data = self._folder / "data"
        self._durable = durable
        self._settings = settings
        self._names = itertools.count(1)
        self._server: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> "Cluster":
        if self._user is not None:
            os.chown(self._folder, self._user.pw_uid, self._user.pw_gid)
        self._make()
        with (self.data / "postgresql.conf").open("a") as file:
            file.write(f"unix_socket_directories = '{self._folder}'\n")
            file.write(f"listen_addresses = '{self._listens}'\n")
            file.write("max_connections = 200\nshared_buffers = 32MB\ndeadlock_timeout = 200ms\n")
            if not self._durable:
                file.write("fsync = off\nfull_page_writes = off\nautovacuum = off\n")
            file.write(self._settings)
        if self._listens:
            with (self.data / "pg_hba.conf").open("a") as file:
                file.write(f"host all all {self._listens}/24 trust\n")
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        self.stop()
        shutil.rmtree(self._folder)

    def _make(self) -> None:
        failed = self._runs(
            "initdb",
            *("--pgdata", str(self.data), "--username", "leadkeep", "--auth", "trust"),
            *("--encoding", "UTF8", "--locale", "C", "--no-sync", "--no-instructions"),
        )
        if failed:
            raise RuntimeError(f"initdb failed with {failed}")

    def set(self, name: str, value: str) -> None:
        """Change a setting of the running server."""

        async def run() -> None:
            admin = await asyncpg.connect(self.url())
            try:
                await admin.execute(f"ALTER SYSTEM SET {name} = '{value}'")
                await admin.execute("SELECT pg_reload_conf()")
            finally:
                await admin.close()

        asyncio.run(run())

    def start(self) -> None:
        """Start the server and wait until it answers; it dies with this process."""
        become: list[str] = []
        if self._user is not None:
            become = [f"--reuid={self._user.pw_uid}", f"--regid={self._user.pw_gid}"]
            become.append("--clear-groups")
        with (self._folder / "log").open("ab") as log:
            self._server = subprocess.Popen(
                [
                    *("setpriv", "--pdeathsig", "QUIT", *become),
                    *(str(self._programs / "postgres"), "-D", str(self.data)),
                ],
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        deadline = time.monotonic() + 60
        while self._runs("pg_isready", "--quiet", "--host", str(self._folder)):
            if self._server.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"the server does not start: {self._said()}")
            time.sleep(0.02)

    def stop(self) -> None:
        """Stop the server as if it had crashed."""
        assert self._server is not None
        if self._server.poll() is None:
            self.signal(signal.SIGCONT)
            self._server.send_signal(signal.SIGQUIT)
            self._server.wait(60)

    def runs(self) -> bool:
        """Whether the server is there, frozen or not."""
        return self._server is not None and self._server.poll() is None

    def signal(self, number: int) -> None:
        """Signal the server and all of its processes."""
        main = int((self.data / "postmaster.pid").read_text().splitlines()[0])
        children = Path(f"/proc/{main}/task/{main}/children").read_text().split()
        for process in [main, *map(int, children)]:
            with suppress(ProcessLookupError):  # One of those that come and go.
                os.kill(process, number)

    def url(self, database: str = "postgres", *, user: str = "leadkeep") -> str:
        """Where one of its databases is.

        Args:
            user: who asks; `leadkeep` owns everything.
        """
        return f"postgresql://{user}@/{database}?host={self._folder}"

    @property
    def folder(self) -> Path:
        """Where its socket is."""
        return self._folder

    async def new_database(self, *, migrated: bool = True) -> str:
        """The url of a database that nobody else uses."""
        admin = await asyncpg.connect(self.url("postgres"))
        try:
            if migrated and not await admin.fetchval(
                "SELECT 1 FROM pg_database WHERE datname = $1", _TEMPLATE
            ):
                await admin.execute(f"CREATE DATABASE {_TEMPLATE}")
                await migrate(Target(self.url(_TEMPLATE)))
            name = f"test_{next(self._names)}"
            template = _TEMPLATE if migrated else "template1"
            await admin.execute(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY")
        finally:
            await admin.close()
        return self.url(name)

    async def kill_sessions(self, url: str, *, saying: str = "") -> int:
        """End other sessions of a database whose last statement has this in it; how many."""
        admin = await asyncpg.connect(url)
        try:
            killed = await admin.fetch(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid() "
                "AND strpos(query, $1) > 0",
                saying,
            )
        finally:
            await admin.close()
        return len(killed)

    def _runs(self, program: str, *arguments: str) -> int:
        user, group = (self._user.pw_uid, self._user.pw_gid) if self._user else (None, None)
        return subprocess.run(
            [self._programs / program, *arguments],
            user=user,
            group=group,
            extra_groups=[] if self._user else None,
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            check=False,
        ).returncode

    def _said(self) -> str:
        log = self._folder / "log"
        return log.read_text()[-2_000:] if log.exists() else ""


class Standby(Cluster):
    """A server that follows another until it is promoted.

    Args:
        primary: runs already.
    """

    def __init__(self, primary: Cluster) -> None:
        super().__init__(durable=True, settings="synchronous_standby_names = ''\n")
        self._primary = primary

    def _make(self) -> None:
        failed = self._runs(
            "pg_basebackup",
            *("--pgdata", str(self.data), "--host", str(self._primary.folder)),
            *("--username", "leadkeep", "--write-recovery-conf", "--checkpoint", "fast"),
        )
        if failed:
            raise RuntimeError(f"pg_basebackup failed with {failed}")

    def promote(self) -> None:
        """Follow no longer: from now on this is the primary."""
        failed = self._runs("pg_ctl", "promote", "--pgdata", str(self.data), "--wait")
        if failed:
            raise RuntimeError(f"pg_ctl promote failed with {failed}")
