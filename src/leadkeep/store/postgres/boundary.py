"""Where the driver's and the server's errors become ours; nothing above sees an `asyncpg` error.

No message here quotes a value: details and hints of the server do, and stay behind.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import asyncpg

from leadkeep.errors import (
    LeadkeepError,
    RecordRefused,
    StoreDamaged,
    StoreError,
    StoreFull,
    StoreUnavailable,
    StoreUncertain,
    StoreUnsafe,
)

_AGAIN = "try again; it is tried again by itself where a worker does it"
_CHECK_URL = "check the setting store.url"

_BY_STATE: dict[str, tuple[type[StoreError], str, str]] = {
    "25006": (StoreUnavailable, "the database can only be read: it is a standby", _CHECK_URL),
    "28000": (StoreUnavailable, "the database does not let this user in", _CHECK_URL),
    "28P01": (StoreUnavailable, "the database does not take this password", _CHECK_URL),
    "3D000": (StoreUnavailable, "there is no such database", _CHECK_URL),
    "40001": (StoreUnavailable, "another transaction was in the way", _AGAIN),
    "40P01": (StoreUnavailable, "two transactions waited for each other", _AGAIN),
    "42501": (StoreError, "this user may not do that in the database", "grant it the rights"),
    "42P01": (
        StoreUnavailable,
        "the store's schema is older than this program",
        "run `leadkeep migrate`, or restart `leadkeep serve`",
    ),
    "53100": (StoreFull, "the database's disk is full", "free some space; it goes on by itself"),
    "53200": (StoreUnavailable, "the database has not enough memory", _AGAIN),
    "53300": (StoreUnavailable, "the database takes no more connections", "raise max_connections"),
    "55P03": (StoreUnavailable, "another transaction is in the way", _AGAIN),
    "57014": (StoreUnavailable, "the database took too long", _AGAIN),
    "57P01": (StoreUnavailable, "the database is being stopped", _AGAIN),
    "57P02": (StoreUnavailable, "the database has crashed and recovers", _AGAIN),
    "57P03": (StoreUnavailable, "the database is starting", _AGAIN),
    "57P05": (StoreUnavailable, "the database has closed an idle connection", _AGAIN),
    "58030": (StoreUnsafe, "an I/O error hit the database", "look at its disk and its log"),
    "XX001": (StoreDamaged, "the database is damaged", "restore it from its backup"),
    "XX002": (StoreDamaged, "an index of the database is damaged", "rebuild it with REINDEX"),
}

LOST = (
    asyncpg.PostgresConnectionError,
    asyncpg.InternalClientError,
    ConnectionError,
    EOFError,
    OSError,
    TimeoutError,
)
"""What means that the connection can no longer be used."""

WORTH_REPEATING = frozenset({"40001", "40P01"})
"""The server has undone the transaction, and only others were the reason."""


def is_lost(error: BaseException) -> bool:
    """Whether the connection is of no more use after this error."""
    if isinstance(error, asyncpg.PostgresError):
        return error.sqlstate is not None and error.sqlstate[:2] in {"08", "57", "53", "58", "XX"}
    if isinstance(error, asyncpg.InterfaceError):
        return not isinstance(error, asyncpg.DataError)
    return isinstance(error, LOST)


def mapped(error: BaseException) -> LeadkeepError:
    """Our error for a foreign one."""
    if isinstance(error, asyncpg.PostgresError):
        return _said(error, error.sqlstate or "")
    if isinstance(error, asyncpg.DataError):
        return StoreError("the store refused a value that it cannot keep")
    if isinstance(error, TimeoutError):
        return StoreUnavailable("the database does not answer", hint=_AGAIN)
    return _unreachable()


def uncertain(error: BaseException) -> StoreUncertain:
    """Our error for one that came after the server was told to commit."""
    return StoreUncertain(
        f"the database was lost while it committed ({type(error).__name__}): it may have",
        hint="Nothing has to be done: what is repeated is done once.",
    )


FOREIGN = (asyncpg.PostgresError, asyncpg.InterfaceError, *LOST)
"""Every error that the driver raises."""


@contextmanager
def foreign_errors_mapped() -> Iterator[None]:
    """Let only our errors out."""
    try:
        yield
    except FOREIGN as error:
        raise mapped(error) from _without_values(error)


@contextmanager
def refusals_mapped() -> Iterator[None]:
    """What a constraint, or the shape of a value, refuses is the record's fault."""
    try:
        yield
    except UnicodeEncodeError:
        # Its object is the text itself, which may be personal: it must not travel along.
        raise RecordRefused("a text in a lead cannot be written as UTF-8") from None
    except asyncpg.IntegrityConstraintViolationError as error:
        raise RecordRefused(f"the store refuses a lead: {_constraint(error)}") from None
    except asyncpg.DataError:
        # Its text quotes the value.
        raise RecordRefused("the store refuses a lead: a value that it cannot keep") from None
    except asyncpg.PostgresError as error:
        if (error.sqlstate or "")[:2] in {"22", "54"}:
            raise RecordRefused(f"the store refuses a lead: {type(error).__name__}") from None
        raise


def _said(error: asyncpg.PostgresError, state: str) -> LeadkeepError:
    """Our error for one that the server has told of."""
    if state in _BY_STATE:
        kind, message, hint = _BY_STATE[state]
        return kind(f"{message} ({state})", hint=hint)
    if state.startswith("08"):
        return _unreachable()
    if state.startswith("23"):
        return StoreError(f"the store refused: {_constraint(error)}")
    return StoreError(f"the store refused: {type(error).__name__} ({state})")


def _constraint(error: asyncpg.PostgresError) -> str:
    name = getattr(error, "constraint_name", None)
    return f"{type(error).__name__} {name}" if name else str(error.args[0])


def _without_values(error: BaseException) -> BaseException | None:
    """The cause to show; None where its text quotes values."""
    quotes = isinstance(error, asyncpg.DataError) or (
        isinstance(error, asyncpg.PostgresError) and (error.sqlstate or "")[:2] == "22"
    )
    return None if quotes else error


def _unreachable() -> StoreUnavailable:
    return StoreUnavailable(
        "the database cannot be reached, or has closed the connection",
        hint="check that it runs, and the setting store.url; it is tried again by itself",
    )
