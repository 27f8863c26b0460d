"""Requests to verify, and sources to verify them for, as tests write them."""

from collections.abc import Mapping
from pathlib import Path

from leadkeep.settings.load import load
from leadkeep.settings.source import SourceSettings
from leadkeep.sources.verification.evidence import Evidence
from leadkeep.sources.verification.verifier import Verifier

NOW_SECONDS = 1_760_000_000
"""When every request here is received."""

BODY = b'{"name": "Mar\xc3\xada L\xc3\xb3pez", "phone":"614-555-0142"}\n'


def request(
    headers: Mapping[str, str] | None = None,
    *,
    body: bytes = BODY,
    target: str = "/hooks/vendor",
    method: str = "POST",
    peer: str = "203.0.113.9",
    content_type: str = "application/json",
) -> Evidence:
    """A request that came at `NOW_SECONDS`."""
    named = {"Host": "leads.example.com", "Content-Type": content_type, **(headers or {})}
    return Evidence(
        method=method,
        target=target.encode(),
        headers="".join(f"{name}: {value}\r\n" for name, value in named.items()).encode(),
        body=body,
        received_at_us=NOW_SECONDS * 1_000_000,
        peer=peer,
    )


def source(folder: Path, toml: str) -> SourceSettings:
    """The source that a person would get who writes this into `[sources.vendor]`."""
    file = folder / "leadkeep.toml"
    file.write_text(f'[sources.vendor]\npaths = ["/hooks/*"]\n{toml}\n', "utf-8")
    settings = load(config=file, environ={}, flags={}, cwd=folder)
    return settings.sources["vendor"]


def verifier(folder: Path, toml: str) -> Verifier:
    """What verifies that source's requests."""
    return Verifier("vendor", source(folder, toml))
