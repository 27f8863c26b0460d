"""What must hold between settings, beyond each one's own bounds.

A check says nothing about settings whose own value is already wrong.
"""

from collections.abc import Iterator
from pathlib import Path

from leadkeep.settings.model import (
    IN_STORE,
    Address,
    DestinationSettings,
    Settings,
    SourceSettings,
)
from leadkeep.settings.policy_checks import (
    Finding,
    problems_of_confirmation,
    problems_of_retry,
)
from leadkeep.settings.quantities import seconds_text, size_text

_ROOM_BESIDE_BODY = 1024**2
_ROOM_BESIDE_HEADERS = 64 * 1024


def problems_between(settings: Settings, wrong: set[str]) -> list[str]:
    """Contradictions between settings.

    Args:
        wrong: keys whose value could not be read.
    """
    findings = (
        *_journal(settings),
        *_listeners(settings),
        *_tls_pair(settings),
        *_sources(settings),
        *_live(settings),
        *_destinations(settings),
        *_credentials(settings),
        *_alerts(settings),
    )
    return [text for keys, text in findings if not wrong.intersection(keys)]


def problems_of_files(settings: Settings, wrong: set[str]) -> list[str]:
    """Files that are named and cannot be read."""
    files = {
        "intake.tls_certificate": settings.intake.tls_certificate,
        "intake.tls_key": settings.intake.tls_key,
        "alerts.smtp_ca_file": settings.alerts.smtp_ca_file,
    }
    return [
        f'{key} = "{path}": cannot be read: {reason}'
        for key, path in files.items()
        if path is not None and key not in wrong and (reason := _unreadable(path))
    ]


def _unreadable(path: Path) -> str:
    try:
        with path.open("rb") as file:
            file.read(1)
    except OSError as error:
        return error.strerror or type(error).__name__
    return ""


def _journal(settings: Settings) -> Iterator[Finding]:
    intake, journal = settings.intake, settings.journal
    beside = max(_ROOM_BESIDE_BODY, intake.max_header_bytes + _ROOM_BESIDE_HEADERS)
    needed = intake.max_body_bytes + beside
    if journal.segment_bytes < needed:
        yield (
            ("journal.segment_bytes", "intake.max_body_bytes", "intake.max_header_bytes"),
            f"journal.segment_bytes = {size_text(journal.segment_bytes)}: must be at least "
            f"{size_text(needed)}, so that the largest request "
            f"(intake.max_body_bytes = {size_text(intake.max_body_bytes)}) fits",
        )
    folders = settings.journal_folders
    named = "journals" if settings.journals else "journal.folders"
    if len(set(folders)) != len(folders):
        yield (named,), f"{named}: names the same folder twice"
    if settings.journals and journal.folders and set(journal.folders) != set(folders):
        yield ("journals", "journal.folders"), "journal.folders: journals names other folders"
    if IN_STORE in settings.journals and settings.store.url is None:
        yield (
            ("journals", "store.url"),
            f"journals: `{IN_STORE}` is a database, and store.url names none: a SQLite store is on "
            "the disk that a folder is on",
        )


def _listeners(settings: Settings) -> Iterator[Finding]:
    taken: dict[Address, str] = {address: "intake.listen" for address in settings.intake.listen}
    for key, address in (
        ("intake.admin_listen", settings.intake.admin_listen),
        ("worker.admin_listen", settings.worker.admin_listen),
    ):
        if address is None or address.port == 0:
            continue
        if address in taken:
            yield (key, taken[address]), f"{key} = {address}: {taken[address]} has the same address"
        taken[address] = key


def _tls_pair(settings: Settings) -> Iterator[Finding]:
    keys = ("intake.tls_certificate", "intake.tls_key")
    certificate, key = settings.intake.tls_certificate, settings.intake.tls_key
    if certificate is not None and key is None:
        yield keys, "intake.tls_key: missing; intake.tls_certificate needs it"
    if key is not None and certificate is None:
        yield keys, "intake.tls_certificate: missing; intake.tls_key needs it"


def _alerts(settings: Settings) -> Iterator[Finding]:
    chosen = settings.alerts
    keys = ("alerts.smtp_user", "alerts.smtp_password", "alerts.smtp_security")
    if bool(chosen.smtp_user) != bool(chosen.smtp_password):
        missing = "alerts.smtp_password" if chosen.smtp_user else "alerts.smtp_user"
        yield keys, f"{missing}: missing; the mail server needs both to log in"
    if chosen.smtp_user and chosen.smtp_security == "none":
        yield keys, "alerts.smtp_security = none: the password would go unprotected; use starttls"
    if chosen.mail_to and not chosen.smtp_host:
        yield ("alerts.smtp_host", "alerts.mail_to"), "alerts.smtp_host: missing; mails need it"


def _sources(settings: Settings) -> Iterator[Finding]:
    claimed: dict[str, str] = {}
    for name, source in settings.sources.items():
        key = f"sources.{name}.destinations"
        for destination in source.destinations:
            if destination not in settings.destinations:
                yield (key,), f"{key}: {_no_destination(settings, destination)}"
        yield from _routes(settings, name, source)
        yield from _order(settings, name, source)
        key = f"sources.{name}.paths"
        for path in source.paths:
            other = claimed.setdefault(path.rstrip("/") or "/", key)
            if other != key:
                yield (key, other), f"{key}: {path} is already claimed by {other}"


def _no_destination(settings: Settings, name: str) -> str:
    known = ", ".join(sorted(settings.destinations)) or "none"
    return f"there is no destination `{name}` (there are: {known})"


def _routes(settings: Settings, name: str, source: SourceSettings) -> Iterator[Finding]:
    key = f"sources.{name}.routes"
    for number, route in enumerate(source.routes, 1):
        for destination in route.to:
            if destination not in settings.destinations:
                missing = _no_destination(settings, destination)
                yield (key,), f"{key}: route {number}: {missing}"
    for number, route in enumerate(source.routes[:-1], 1):
        if not route.when and source.routing == "first":
            yield (
                (key,),
                f"{key}: route {number} takes every lead, so that none reaches route {number + 1}",
            )


def _order(settings: Settings, name: str, source: SourceSettings) -> Iterator[Finding]:
    key, named = f"sources.{name}.depends_on_source", source.depends_on_source
    if named and named not in settings.sources:
        known = ", ".join(sorted(settings.sources))
        yield (key,), f"{key}: there is no source `{named}` (there are: {known})"
    if named and not source.depends_on:
        yield (
            (key, f"sources.{name}.depends_on"),
            f"{key}: means nothing without sources.{name}.depends_on",
        )


def _fallback(settings: Settings, name: str, destination: DestinationSettings) -> Iterator[Finding]:
    key, other = f"destinations.{name}.fallback", destination.fallback
    if not other:
        return
    if other not in settings.destinations:
        yield (key,), f"{key}: {_no_destination(settings, other)}"
    elif other == name:
        yield (key,), f"{key}: is the destination itself"
    minutes = destination.fallback_after_minutes
    if minutes * 60 >= destination.retry.age_seconds:
        age = f"destinations.{name}.retry.age_seconds"
        yield (
            (f"{key}_after_minutes", age),
            f"{key}_after_minutes = {minutes:g}: must be shorter than "
            f"retry.age_seconds = {seconds_text(destination.retry.age_seconds)}, after which a "
            "lead is failed",
        )


def _live(settings: Settings) -> Iterator[Finding]:
    """Live answers and pings name destinations that are there, and paths that are free."""
    claimed = {
        path.rstrip("/") or "/": f"sources.{name}.paths"
        for name, source in settings.sources.items()
        for path in source.paths
    }
    for name, source in settings.sources.items():
        known = source.destinations or tuple(settings.destinations)
        named = (
            ("live_destination", source.live_destination, known, "its leads go to"),
            ("ping_destination", source.ping_destination, (*settings.destinations,), "there are"),
        )
        for word, destination, allowed, what in named:
            key = f"sources.{name}.{word}"
            if destination and destination not in allowed:
                there = ", ".join(sorted(allowed)) or "none"
                yield (
                    (key, f"sources.{name}.destinations"),
                    f"{key} = {destination!r}: is not one of its destinations ({what}: {there})",
                )
        key = f"sources.{name}.ping_paths"
        for path in source.ping_paths:
            other = claimed.setdefault(path.rstrip("/") or "/", key)
            if other != key:
                yield (key, other), f"{key}: {path} is already claimed by {other}"


def _destinations(settings: Settings) -> Iterator[Finding]:
    for name, destination in settings.destinations.items():
        key = f"destinations.{name}"
        if not destination.url:
            yield (f"{key}.url",), f"{key}.url: missing; every destination needs it"
        yield from _fallback(settings, name, destination)
        yield from problems_of_retry(key, destination)
        yield from problems_of_confirmation(key, destination)
        first, longest = destination.breaker.probe_first_seconds, "probe_longest_seconds"
        if first > destination.breaker.probe_longest_seconds:
            yield (
                (f"{key}.breaker.probe_first_seconds", f"{key}.breaker.{longest}"),
                f"{key}.breaker.probe_first_seconds = {seconds_text(first)}: must not be longer "
                f"than {longest} = {seconds_text(destination.breaker.probe_longest_seconds)}",
            )


def _credentials(settings: Settings) -> Iterator[Finding]:
    for name, destination in settings.destinations.items():
        key = f"destinations.{name}"
        tls, auth = destination.tls, destination.auth
        if (tls.certificate is None) != (tls.key is None):
            missing = "key" if tls.key is None else "certificate"
            yield (
                (f"{key}.tls.certificate", f"{key}.tls.key"),
                f"{key}.tls.{missing}: missing; a client certificate is both",
            )
        if auth.basic and ":" not in auth.basic:
            yield (f"{key}.auth.basic",), f"{key}.auth.basic = ***: must be user:password"
        named = [word for word in ("basic", "bearer") if getattr(auth, word)]
        if len(named) == 2:
            yield (
                (f"{key}.auth.basic", f"{key}.auth.bearer"),
                f"{key}.auth: has basic and bearer; a request carries one",
            )
        if named and "authorization" in (header.lower() for header in destination.headers):
            yield (
                (f"{key}.headers", f"{key}.auth.{named[0]}"),
                f"{key}.headers: sets Authorization, and so does {key}.auth.{named[0]}",
            )
