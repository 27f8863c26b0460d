"""Kinds of settings that are mail addresses."""

import re

from leadkeep.settings.allowed import Kind, NotAllowed, text_of, toml_list, toml_text, words_of
from leadkeep.settings.table import Row

_ADDRESS = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9.-]{0,252})")
"""As HTML's `input type=email` takes it (WHATWG), in ASCII: every mail server takes that."""


def _address_allowed(_row: Row) -> str:
    return "a mail address such as owner@example.com"


def _parse_address(raw: object, row: Row) -> str:
    what = _address_allowed(row)
    text = text_of(raw, what).strip()
    if text and not _ADDRESS.fullmatch(text):
        raise NotAllowed(what)
    return text


def _addresses_allowed(_row: Row) -> str:
    return 'a list of mail addresses such as ["owner@example.com"]'


def _parse_addresses(raw: object, row: Row) -> tuple[str, ...]:
    what = _addresses_allowed(row)
    words = tuple(words_of(raw, what))
    if not all(_ADDRESS.fullmatch(word) for word in words) or len(set(words)) != len(words):
        raise NotAllowed(what)
    return words


MAIL = {
    "mail_address": Kind(_parse_address, toml_text, _address_allowed),
    "mail_addresses": Kind(_parse_addresses, toml_list, _addresses_allowed),
}
