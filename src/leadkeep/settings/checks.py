"""What must hold between settings, beyond each one's own bounds.

A check says nothing about settings whose own value is already wrong.
"""

from collections.abc import Iterator
from pathlib import Path

from leadkeep.settings.model import Address, Settings
from leadkeep.settings.quantities import seconds_text, size_text

_ROOM_BESIDE_BODY = 1024**2
_ROOM_BESIDE_HEADERS = 64 * 1024

Finding = tuple[tuple[str, ...], str]
"""The keys that take part, and what is wrong with them."""


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
        *_destinations(settings),
    )
    return [text for keys, text in findings if not wrong.intersection(keys)]


def problems_of_files(settings: Settings, wrong: set[str]) -> list[str]:
    """Files that are named and cannot be read."""
    files = {
        "intake.tls_certificate": settings.intake.tls_certificate,
        "intake.tls_key": settings.intake.tls_key,
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
    if len(set(folders)) != len(folders):
        yield ("journal.folders",), "journal.folders: names the same folder twice"


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


def _sources(settings: Settings) -> Iterator[Finding]:
    claimed: dict[str, str] = {}
    for name, source in settings.sources.items():
        key = f"sources.{name}.destinations"
        for destination in source.destinations:
            if destination not in settings.destinations:
                known = ", ".join(sorted(settings.destinations)) or "none"
                yield (
                    (key,),
                    f"{key}: there is no destination `{destination}` (there are: {known})",
                )
        if source.depends_on_source and source.depends_on_source not in settings.sources:
            known = ", ".join(sorted(settings.sources))
            yield (
                (f"sources.{name}.depends_on_source",),
                f"sources.{name}.depends_on_source: there is no source "
                f"`{source.depends_on_source}` (there are: {known})",
            )
        if source.depends_on_source and not source.depends_on:
            yield (
                (f"sources.{name}.depends_on_source", f"sources.{name}.depends_on"),
                f"sources.{name}.depends_on_source: means nothing without depends_on",
            )
        key = f"sources.{name}.paths"
        for path in source.paths:
            other = claimed.setdefault(path.rstrip("/") or "/", key)
            if other != key:
                yield (key, other), f"{key}: {path} is already claimed by {other}"


def _destinations(settings: Settings) -> Iterator[Finding]:
    for name, destination in settings.destinations.items():
        key = f"destinations.{name}"
        if not destination.url:
            yield (f"{key}.url",), f"{key}.url: missing; every destination needs it"
        retry = destination.retry
        if retry.first_seconds > retry.longest_seconds:
            yield (
                (f"{key}.retry.first_seconds", f"{key}.retry.longest_seconds"),
                f"{key}.retry.first_seconds = {seconds_text(retry.first_seconds)}: must not be "
                f"longer than longest_seconds = {seconds_text(retry.longest_seconds)}",
            )
