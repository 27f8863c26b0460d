"""Several servers of one database: whichever can be written to, whatever the others do.

The driver asks one after the other, and waits for one that hangs until all the time is over. Here
they are asked at once. If several say that they can be written to, the one that was promoted last
is right, and the others have not heard of it yet.
"""

import asyncio
from collections.abc import Sequence
from operator import itemgetter
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit
from weakref import WeakKeyDictionary

import asyncpg

_ATTRIBUTE = "target_session_attrs"
_WRITABLE = "read-write"
_OTHERS_SECONDS = 0.25
"""So long after the first has answered, others may still say that they were promoted later."""
_TIMELINE = "SELECT substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8)"


def urls_of(url: str) -> list[str]:
    """A url for each server that a url names; of one that names one server, itself."""
    parts = urlsplit(url)
    query = dict(parse_qsl(parts.query, keep_blank_values=True))
    user, at, netloc = parts.netloc.rpartition("@")
    hosts = netloc.split(",") if netloc else []
    named = query.get("host", "").split(",") if not hosts else []
    if len(hosts) + len(named) < 2:
        return [url]
    query.setdefault(_ATTRIBUTE, _WRITABLE)
    if hosts:
        return [
            urlunsplit(parts._replace(netloc=user + at + one, query=_text(query))) for one in hosts
        ]
    ports = query.pop("port", "").split(",")
    if len(ports) < len(named):
        ports *= len(named)
    urls = []
    for host, port in zip(named, ports, strict=False):
        own = query | {"host": host} | ({"port": port} if port else {})
        urls.append(urlunsplit(parts._replace(query=_text(own))))
    return urls


def _text(query: dict[str, str]) -> str:
    return urlencode(query, safe="/:-_.")


_latest: dict[tuple[str, ...], str] = {}
"""The latest timeline that was met on any of these servers."""
_timelines: WeakKeyDictionary[asyncpg.Connection, tuple[tuple[str, ...], str]] = WeakKeyDictionary()


def is_outdated(connection: asyncpg.Connection) -> bool:
    """Whether another server has been promoted since, as another connection has found out.

    The server at the other end may not know, and answer for ever with what was true once.
    """
    known = _timelines.get(connection)
    return known is not None and known[1] < _latest.get(known[0], "")


async def connect_to_any(urls: Sequence[str], **options: object) -> asyncpg.Connection:
    """A connection to the server that can be written to.

    Args:
        urls: of the servers.
        options: for each `asyncpg.connect`, with its `timeout`.

    Raises:
        Exception: what the driver says of one of them, if none can be used.
    """
    if len(urls) == 1:
        return await asyncpg.connect(urls[0], **options)
    asked = [asyncio.ensure_future(_asked(url, options)) for url in urls]
    try:
        connection, timeline = await _first_of(asked)
    finally:
        for one in asked:
            one.cancel()
    servers = tuple(urls)
    _latest[servers] = max(timeline, _latest.get(servers, ""))
    _timelines[connection] = (servers, timeline)
    return connection


_Answer = tuple[asyncpg.Connection, str]
"""A connection, and its server's timeline, which each promotion begins anew."""


async def _asked(url: str, options: dict[str, object]) -> _Answer:
    connection = await asyncpg.connect(url, **options)
    try:
        return connection, str(await connection.fetchval(_TIMELINE))
    except BaseException:
        connection.terminate()
        raise


async def _first_of(asked: Sequence["asyncio.Future[_Answer]"]) -> _Answer:
    waiting = set(asked)
    grace: float | None = None
    while waiting:
        done, waiting = await asyncio.wait(
            waiting, timeout=grace, return_when=asyncio.FIRST_COMPLETED
        )
        if not done:
            break
        if any(map(_has_answered, asked)):
            grace = _OTHERS_SECONDS
    answers = [one.result() for one in asked if _has_answered(one)]
    errors = [error for one in asked if one.done() and (error := one.exception()) is not None]
    if not answers:
        raise errors[0]
    best = max(answers, key=itemgetter(1))
    for answer in answers:
        if answer is not best:
            answer[0].terminate()
    return best


def _has_answered(one: "asyncio.Future[_Answer]") -> bool:
    return one.done() and not one.cancelled() and one.exception() is None
