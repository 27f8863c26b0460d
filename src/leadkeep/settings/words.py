"""Kinds of settings that are words: choices, yes or no, texts, named texts."""

import re
from collections.abc import Mapping

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
from leadkeep.settings.presets import presets
from leadkeep.settings.secret import stripped
from leadkeep.settings.table import NAME_PATTERN, Row

_YES = frozenset({"yes", "true", "on", "1"})
_NO = frozenset({"no", "false", "off", "0"})
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_FRAMING = frozenset(
    {
        "connection",
        "content-length",
        "expect",
        "keep-alive",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)


def _choice_allowed(row: Row) -> str:
    return "one of " + ", ".join(row.choices)


def _parse_choice(raw: object, row: Row) -> str:
    what = _choice_allowed(row)
    word = text_of(raw, what).strip().lower()
    if word not in row.choices:
        raise NotAllowed(what)
    return word


def _yes_no_allowed(_row: Row) -> str:
    return "true or false (in text also yes, no, on, off)"


def _parse_yes_no(raw: object, row: Row) -> bool:
    what = _yes_no_allowed(row)
    if isinstance(raw, bool):
        return raw
    word = text_of(raw, what).strip().lower()
    if word not in _YES | _NO:
        raise NotAllowed(what)
    return word in _YES


def _text_allowed(_row: Row) -> str:
    return "text on one line"


def _parse_text(raw: object, row: Row) -> str:
    what = _text_allowed(row)
    text = text_of(raw, what).strip()
    if has_control_characters(text):
        raise NotAllowed(what)
    return text


def _optional_text_allowed(_row: Row) -> str:
    return "text"


def _parse_optional_text(raw: object, row: Row) -> str:
    return text_of(raw, _optional_text_allowed(row))


def _texts_list_allowed(_row: Row) -> str:
    return "a list of names (lower-case letters, digits, - and _)"


def _parse_texts_list(raw: object, row: Row) -> tuple[str, ...]:
    what = _texts_list_allowed(row)
    words = tuple(words_of(raw, what))
    if not all(NAME_PATTERN.fullmatch(word) for word in words) or len(set(words)) != len(words):
        raise NotAllowed(what)
    return words


def _texts_allowed(_row: Row) -> str:
    return (
        'headers as a table { Name = "value" }, in text as Name=value, one a line; '
        "none that frame the message (Content-Length, Connection, …)"
    )


def _parse_texts(raw: object, row: Row) -> Mapping[str, str]:
    what = _texts_allowed(row)
    if isinstance(raw, Mapping):
        pairs = [(name, text_of(value, what)) for name, value in raw.items()]
    else:
        lines = [line for line in text_of(raw, what).splitlines() if line.strip()]
        if not all("=" in line for line in lines):
            raise NotAllowed(what)
        pairs = [(name, value) for name, _, value in (line.partition("=") for line in lines)]
    texts: dict[str, str] = {}
    for name, value in ((name.strip(), stripped(value)) for name, value in pairs):
        twice = name.lower() in (known.lower() for known in texts)
        if twice or not _HEADER_NAME.fullmatch(name) or name.lower() in _FRAMING:
            raise NotAllowed(what)
        if has_control_characters(value):
            raise NotAllowed(what)
        texts[name] = value
    return texts


def _show_texts(value: object) -> str:
    assert isinstance(value, Mapping)
    return toml_table(value)


def _show_yes_no(value: object) -> str:
    return "true" if value else "false"


def _preset_allowed(_row: Row) -> str:
    return "the name of a preset: " + ", ".join(presets())


def _parse_preset(raw: object, row: Row) -> str:
    what = _preset_allowed(row)
    name = text_of(raw, what).strip().lower()
    if name and name not in presets():
        raise NotAllowed(what)
    return name


WORDS = {
    "choice": Kind(_parse_choice, toml_text, _choice_allowed),
    "yes_no": Kind(_parse_yes_no, _show_yes_no, _yes_no_allowed),
    "text": Kind(_parse_text, toml_text, _text_allowed),
    "optional_text": Kind(_parse_optional_text, toml_text, _optional_text_allowed),
    "texts": Kind(_parse_texts, _show_texts, _texts_allowed),
    "preset": Kind(_parse_preset, toml_text, _preset_allowed),
    "texts_list": Kind(_parse_texts_list, toml_list, _texts_list_allowed),
}
