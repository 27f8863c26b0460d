"""Where another system's queue is: its URL, and what of it may be shown.

Invariant: `shown` holds no user, no password and no option, and nothing else of the URL is ever put
into a message, a log or a record.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from leadkeep.errors import UsageError

FROM_ENVIRONMENT = "env:"
_PORTS = {"postgresql": 5432, "mysql": 3306}
_ENGINES = {
    "postgresql": "postgresql",
    "postgres": "postgresql",
    "mysql": "mysql",
    "mariadb": "mysql",
    "sqlite": "sqlite",
}
_EXAMPLES = (
    "Say sqlite:///path/to/file.db, postgresql://USER:PASSWORD@HOST/DATABASE or "
    "mysql://USER:PASSWORD@HOST/DATABASE; or env:NAME, and put the URL into the variable NAME."
)


class Address(NamedTuple):
    """Where a database is."""

    engine: str
    """`postgresql`, `mysql` (MariaDB, too) or `sqlite`."""
    shown: str
    """For people and records."""
    host: str
    """Empty: on this machine, by socket."""
    port: int
    user: str
    password: str
    database: str
    """Its name; of SQLite, the absolute path of its file."""
    options: Mapping[str, str]
    url: str
    """As it was given. Never shown."""
    has_open_password: bool
    """A password stands on the command line, where `ps` shows it to everybody."""


def parse_address(given: str, environment: Mapping[str, str]) -> Address:
    """The address that `--from` means.

    Raises:
        UsageError: it means none. Says nothing of what may be secret.
    """
    url = given
    if given.startswith(FROM_ENVIRONMENT):
        name = given.removeprefix(FROM_ENVIRONMENT)
        url = environment.get(name, "")
        if not url:
            raise UsageError(f"there is nothing in the variable {name}", hint=_EXAMPLES)
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise UsageError("the URL of the queue cannot be read", hint=_EXAMPLES) from None
    # `postgresql+asyncpg`: as some libraries want it written.
    engine = _ENGINES.get(parts.scheme.partition("+")[0])
    if engine is None:
        raise UsageError("the URL of the queue names no known kind of database", hint=_EXAMPLES)
    if engine == "sqlite":
        return _sqlite(url, parts)
    return _server(engine, url, parts, port, exposed=url == given)


def _sqlite(url: str, parts: SplitResult) -> Address:
    written = unquote(parts.netloc + parts.path)
    if not written.strip("/"):
        raise UsageError("the URL of the queue names no file", hint=_EXAMPLES)
    # `sqlite:////a/b` is absolute and `sqlite:///a/b` relative; many write that and mean the other.
    path = Path(written.removeprefix("/"))
    if not path.exists() and Path(written).exists():
        path = Path(written)
    path = path.resolve()
    return Address("sqlite", f"sqlite:///{path}", "", 0, "", "", str(path), {}, url, False)


def _server(
    engine: str, url: str, parts: SplitResult, port: int | None, *, exposed: bool
) -> Address:
    database = unquote(parts.path.removeprefix("/"))
    options = dict(parse_qsl(parts.query))
    if not database:
        raise UsageError("the URL of the queue names no database", hint=_EXAMPLES)
    socket = options.get("host") or options.get("unix_socket") or ""
    host = unquote(parts.hostname or "") or (socket if not socket.startswith("/") else "")
    port = port or int(options["port"]) if options.get("port", "").isdigit() else port
    port = port or _PORTS[engine]
    place = (f"[{host}]" if ":" in host else host) or "localhost"
    return Address(
        engine,
        f"{engine}://{place}:{port}/{database}",
        host,
        port,
        unquote(parts.username or ""),
        unquote(parts.password or ""),
        database,
        options,
        url,
        exposed and (parts.password is not None or "password" in options),
    )
