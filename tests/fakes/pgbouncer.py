"""A private PgBouncer before a private PostgreSQL."""

import os
import pwd
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType

from tests.fakes.postgres import Cluster

_PORT = 6432
_CONFIG = """[databases]
* = host={server}
[pgbouncer]
listen_addr =
listen_port = {port}
unix_socket_dir = {folder}
auth_type = trust
auth_file = {folder}/users
pool_mode = transaction
default_pool_size = {size}
logfile = {folder}/log
"""


class PgBouncer:
    """Pools transactions: a client gets another server connection for each.

    Args:
        size: server connections for each database.
    """

    def __init__(self, cluster: Cluster, *, size: int) -> None:
        self._cluster = cluster
        self._folder = Path(tempfile.mkdtemp(prefix="bouncer-"))
        user = pwd.getpwnam("postgres") if os.geteuid() == 0 else None
        (self._folder / "users").write_text('"leadkeep" ""\n')
        (self._folder / "ini").write_text(
            _CONFIG.format(server=cluster.folder, port=_PORT, folder=self._folder, size=size)
        )
        program = shutil.which("pgbouncer") or "/usr/sbin/pgbouncer"
        if user is not None:
            os.chown(self._folder, user.pw_uid, user.pw_gid)
        self._process = subprocess.Popen(
            [program, self._folder / "ini"],
            user=user.pw_uid if user else None,
            group=user.pw_gid if user else None,
            extra_groups=[] if user else None,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def __enter__(self) -> "PgBouncer":
        deadline = time.monotonic() + 30
        while not (self._folder / f".s.PGSQL.{_PORT}").exists():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"pgbouncer: {(self._folder / 'log').read_text()[-2_000:]}")
            time.sleep(0.01)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.terminate()
        self._process.wait()
        shutil.rmtree(self._folder)

    def through(self, url: str) -> str:
        """The same database, pooled."""
        return url.replace(str(self._cluster.folder), str(self._folder)) + f"&port={_PORT}"
