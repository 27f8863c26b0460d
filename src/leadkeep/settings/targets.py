"""Kinds of settings that say where leads may go, and with which secrets."""

import ipaddress
import re
from collections.abc import Mapping
from importlib.metadata import entry_points

from leadkeep.settings.allowed import (
    Kind,
    NotAllowed,
    has_control_characters,
    text_of,
    toml_list,
    toml_table,
    toml_text,
    words_of,
)
from leadkeep.settings.secret import stripped
from leadkeep.settings.table import Row

ENTRY_POINTS = "leadkeep.destinations"
"""Group of entry points by which other packages add a scheme."""

_SCHEME = re.compile(r"([a-z][a-z0-9+.-]*):(?=.)", re.IGNORECASE)
_PYTHON = re.compile(r"python:([^\W\d]\w*(?:\.[^\W\d]\w*)*):([^\W\d]\w*(?:\.[^\W\d]\w*)*)")
_YES, _NO = ("true", "yes", "on"), ("false", "no", "off", "")


def scheme_of(url: str) -> str:
    """`https`, `python`, …; empty if it has none."""
    found = _SCHEME.match(url)
    return found[1].lower() if found else ""


def python_names(url: str) -> tuple[str, str] | None:
    """Module and function of `python:package.module:function`; None if it is not written so."""
    found = _PYTHON.fullmatch(url)
    return (found[1], found[2]) if found else None


def _target_allowed(_row: Row) -> str:
    return (
        'an http or https URL such as "https://app.example/webhook", without user:password@ '
        '(use auth) and without #fragment, or "python:package.module:function", or a URL whose '
        "scheme an installed package adds"
    )


def target(of_http: Kind) -> Kind:
    """The kind of a destination's url.

    Args:
        of_http: reads http and https URLs.
    """

    def parse(raw: object, row: Row) -> str:
        what = _target_allowed(row)
        text = text_of(raw, what).strip()
        match scheme_of(text):
            case "http" | "https":
                try:
                    return text_of(of_http.parse(text, row), what)
                except NotAllowed:
                    raise NotAllowed(what) from None
            case "python":
                usable = python_names(text) is not None
            case scheme:
                usable = bool(scheme) and scheme in entry_points(group=ENTRY_POINTS).names
        if not usable or has_control_characters(text):
            raise NotAllowed(what)
        return text

    return Kind(parse, toml_text, _target_allowed)


def _private_networks_allowed(_row: Row) -> str:
    return 'true, false, or a list of addresses or networks such as "10.0.0.0/8" or "fd00::/8"'


def _parse_private_networks(raw: object, row: Row) -> bool | tuple[str, ...]:
    what = _private_networks_allowed(row)
    if isinstance(raw, bool):
        return raw
    if isinstance(raw, str) and raw.strip().lower() in (*_YES, *_NO):
        return raw.strip().lower() in _YES
    try:
        return tuple(str(ipaddress.ip_network(word)) for word in words_of(raw, what))
    except ValueError:
        raise NotAllowed(what) from None


def _show_private_networks(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return toml_list(value)


def _secret_allowed(_row: Row) -> str:
    return 'text on one line, { env = "NAME" } or { file = "path" }'


def _parse_secret(raw: object, row: Row) -> str:
    return _secret(raw, _secret_allowed(row))


def _secret(raw: object, what: str) -> str:
    text = stripped(text_of(raw, what))
    if has_control_characters(text):
        raise NotAllowed(what)
    return text


def _secrets_allowed(_row: Row) -> str:
    return 'one secret or a list of them, each text, { env = "NAME" } or { file = "path" }'


def _parse_secrets(raw: object, row: Row) -> tuple[str, ...]:
    what = _secrets_allowed(row)
    if isinstance(raw, str):
        raw = [raw]  # not split at commas: a secret may hold any character
    if not isinstance(raw, list):
        raise NotAllowed(what)
    found = tuple(_secret(each, what) for each in raw)
    if not all(found) or len(set(found)) != len(found):
        raise NotAllowed(what)
    return found


def _options_allowed(_row: Row) -> str:
    return 'texts by name, as a table { name = "value" }, in text as name=value, one a line'


def _parse_options(raw: object, row: Row) -> Mapping[str, str]:
    what = _options_allowed(row)
    if isinstance(raw, Mapping):
        return {str(name): stripped(text_of(value, what)) for name, value in raw.items()}
    lines = [line.partition("=") for line in text_of(raw, what).splitlines() if line.strip()]
    if not all(name.strip() and sign for name, sign, _ in lines):
        raise NotAllowed(what)
    return {name.strip(): value.strip() for name, _, value in lines}


def _show_options(value: object) -> str:
    assert isinstance(value, Mapping)
    return toml_table(value)


TARGETS = {
    "private_networks": Kind(
        _parse_private_networks, _show_private_networks, _private_networks_allowed
    ),
    "secret": Kind(_parse_secret, toml_text, _secret_allowed),
    "secrets": Kind(_parse_secrets, toml_list, _secrets_allowed),
    "options": Kind(_parse_options, _show_options, _options_allowed),
}
