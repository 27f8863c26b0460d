"""Kinds of settings that name places: addresses, networks, URLs, paths on disk and in URLs."""

import ipaddress
import re
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from leadkeep.settings.allowed import (
    Kind,
    NotAllowed,
    has_control_characters,
    text_of,
    toml_list,
    toml_text,
    words_of,
)
from leadkeep.settings.model import IN_STORE, Address
from leadkeep.settings.secret import stripped
from leadkeep.settings.table import Row

OFF = "off"
_ADDRESS = re.compile(r"(?:\[([0-9A-Fa-f:.%]+)\]|([A-Za-z0-9._-]+)):([0-9]{1,5})")

_ADDRESS_TEXT = (
    'host:port such as "127.0.0.1:8080", "0.0.0.0:8080" (every IPv4 address) or "[::1]:8080"'
)


def _address(text: str, what: str) -> Address:
    found = _ADDRESS.fullmatch(text.strip())
    if not found or int(found[3]) > 65_535:
        raise NotAllowed(what)
    if found[1]:
        try:
            ipaddress.IPv6Address(found[1])
        except ValueError:
            raise NotAllowed(what) from None
    return Address(found[1] or found[2], int(found[3]))


def _addresses_allowed(_row: Row) -> str:
    return f"a list of {_ADDRESS_TEXT}, at least one"


def _parse_addresses(raw: object, row: Row) -> tuple[Address, ...]:
    what = _addresses_allowed(row)
    found = tuple(_address(word, what) for word in words_of(raw, what))
    if not found or len(set(found)) != len(found):
        raise NotAllowed(what)
    return found


def _optional_address_allowed(_row: Row) -> str:
    return f'{_ADDRESS_TEXT}, or "{OFF}"'


def _parse_optional_address(raw: object, row: Row) -> Address | None:
    what = _optional_address_allowed(row)
    text = text_of(raw, what)
    return None if text.strip().lower() == OFF else _address(text, what)


def _networks_allowed(_row: Row) -> str:
    return 'a list of addresses or networks such as "10.0.0.0/8" or "::1"'


def _parse_networks(raw: object, row: Row) -> tuple[str, ...]:
    what = _networks_allowed(row)
    try:
        return tuple(str(ipaddress.ip_network(word)) for word in words_of(raw, what))
    except ValueError:
        raise NotAllowed(what) from None


def _url_allowed(_row: Row) -> str:
    return (
        'an http or https URL such as "https://app.example/webhook", without user:password@ '
        "(use headers) and without #fragment"
    )


def _parse_url(raw: object, row: Row) -> str:
    what = _url_allowed(row)
    text = text_of(raw, what).strip()
    try:
        parts = urlsplit(text)
        # Reading the port checks it.
        usable = (
            parts.scheme in ("http", "https")
            and bool(parts.hostname)
            and parts.port != 0
            and parts.username is None
            and "#" not in text
            and not re.search(r"\s", text)
            and not has_control_characters(text)
        )
    except ValueError:
        usable = False
    if not usable:
        raise NotAllowed(what)
    return text


def _parse_optional_url(raw: object, row: Row) -> str | None:
    return None if raw == "" else _parse_url(raw, row)


def _database_allowed(_row: Row) -> str:
    return 'a database such as "postgresql://user:password@host:5432/name"'


def _parse_optional_database(raw: object, row: Row) -> str | None:
    what = _database_allowed(row)
    text = stripped(text_of(raw, what))
    if not text:
        return None
    try:
        parts = urlsplit(text)
        servers = parts.netloc.rpartition("@")[2].split(",")
        usable = (
            parts.scheme in {"postgresql", "postgres"}
            and len(parts.path) > 1
            and (all(servers) or bool(parse_qs(parts.query).get("host")))
            and all((urlsplit(f"//{server}").port or 1) > 0 for server in servers)
            and not re.search(r"\s", text)
        )
    except ValueError:
        usable = False
    if not usable:
        raise NotAllowed(what)
    return text


def _url_paths_allowed(_row: Row) -> str:
    return 'a list of paths such as "/webhook.php" or "/hooks/*", or "*" for every path'


def _parse_url_paths(raw: object, row: Row) -> tuple[str, ...]:
    what = _url_paths_allowed(row)
    found = tuple(words_of(raw, what))
    for path in found:
        starts_well = path == "*" or path.startswith("/")
        if not starts_well or "*" in path[:-1] or re.search(r"[\s?#]", path):
            raise NotAllowed(what)
        if has_control_characters(path):
            raise NotAllowed(what)
    return found


def _path_allowed(_row: Row) -> str:
    return "a path on disk"


def _path(text: str, what: str) -> Path:
    if not text.strip() or "\0" in text:
        raise NotAllowed(what)
    try:
        return Path(text.strip()).expanduser()
    except RuntimeError:  # "~somebody" who does not exist
        raise NotAllowed(what) from None


def _parse_path(raw: object, row: Row) -> Path:
    what = _path_allowed(row)
    if isinstance(raw, Path):
        return raw
    return _path(text_of(raw, what), what)


def _parse_optional_path(raw: object, row: Row) -> Path | None:
    return None if raw == "" else _parse_path(raw, row)


def _paths_allowed(_row: Row) -> str:
    return "a list of paths on disk"


def _parse_paths(raw: object, row: Row) -> tuple[Path, ...]:
    what = _paths_allowed(row)
    return tuple(_path(word, what) for word in words_of(raw, what))


def _journals_allowed(_row: Row) -> str:
    return f'a list of "{IN_STORE}", once at most, and of folders such as "disk:/var/lib/journal"'


def _parse_journals(raw: object, row: Row) -> tuple[Path | str, ...]:
    what = _journals_allowed(row)
    found: list[Path | str] = []
    for word in words_of(raw, what):
        scheme, colon, rest = word.strip().partition(":")
        if word.strip() == IN_STORE and IN_STORE not in found:
            found.append(IN_STORE)
        elif scheme == "disk" and colon:
            found.append(_path(rest, what))
        else:
            raise NotAllowed(what)
    return tuple(found)


def _show_journals(value: object) -> str:
    assert isinstance(value, tuple)
    return toml_list(tuple(one if one == IN_STORE else f"disk:{one}" for one in value))


PLACES = {
    "journals": Kind(_parse_journals, _show_journals, _journals_allowed),
    "addresses": Kind(_parse_addresses, toml_list, _addresses_allowed),
    "optional_address": Kind(
        _parse_optional_address,
        lambda value: toml_text(OFF if value is None else value),
        _optional_address_allowed,
    ),
    "networks": Kind(_parse_networks, toml_list, _networks_allowed),
    "url": Kind(_parse_url, toml_text, _url_allowed),
    "optional_database": Kind(_parse_optional_database, toml_text, _database_allowed),
    "optional_url": Kind(_parse_optional_url, toml_text, _url_allowed),
    "url_paths": Kind(_parse_url_paths, toml_list, _url_paths_allowed),
    "path": Kind(_parse_path, toml_text, _path_allowed),
    "optional_path": Kind(_parse_optional_path, toml_text, _path_allowed),
    "paths": Kind(_parse_paths, toml_list, _paths_allowed),
}
