"""Text from outside made harmless for a terminal.

A payload may hold escape sequences that clear the screen, rename the window or reorder a line.
Every character that is not simply printed is shown as its code.
"""

import unicodedata

_HARMFUL = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})


def visible(text: str, *, keep_newlines: bool = False) -> str:
    r"""`text` with control, format and direction characters as `\x1b` or `\u202e`.

    Args:
        text: anything.
        keep_newlines: leave line feeds and tabs as they are.
    """
    if text.isprintable():
        return text
    return "".join(
        character
        if (keep_newlines and character in "\n\t")
        or unicodedata.category(character) not in _HARMFUL
        else _code(character)
        for character in text
    )


def visible_bytes(raw: bytes, *, keep_newlines: bool = False) -> str:
    """Bytes read as UTF-8 where they are, each other byte as its code."""
    return visible(raw.decode("utf-8", "backslashreplace"), keep_newlines=keep_newlines)


def _code(character: str) -> str:
    number = ord(character)
    if number < 0x100:
        return f"\\x{number:02x}"
    return f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"
