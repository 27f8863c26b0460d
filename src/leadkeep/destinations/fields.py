"""Renames a body's fields and writes them as JSON or as a form, without loss.

What is not renamed or converted keeps its bytes: numbers, escapes and repeated names stay as they
were sent. What cannot be read whole, or would lose something, is refused and never guessed.
"""

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote_plus, unquote_to_bytes

import msgspec

from leadkeep.sources.payload import inflated
from leadkeep.sources.tree import READ_BYTES

MOST_BYTES = 4 * 1024**2
MOST_FIELDS = 10_000
DEEPEST = 32

JSON_TYPE = b"application/json"
FORM_TYPE = b"application/x-www-form-urlencoded"

_raw_object = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_raw_list = msgspec.json.Decoder(list[msgspec.Raw]).decode
_any = msgspec.json.Decoder().decode


class Unfit(Exception):
    """The body cannot be rewritten; `str()` says why in words, without quoting it."""


def rewritten(
    content_type: str, target: bytes, body: bytes, *, rename: Mapping[str, str], form: str
) -> tuple[bytes, bytes | None]:
    """The body with its fields renamed and in the form wanted, and its new content type.

    Args:
        content_type: as the sender declared it.
        target: a lead without body has its fields in the query.
        body: exactly as received.
        rename: old name → new name.
        form: `keep`, `json` or `form`.

    Returns:
        The content type is None if the sender's still fits.

    Raises:
        Unfit: it cannot be done without a guess or a loss.
    """
    plain = inflated(body) if body else target.partition(b"?")[2]
    if len(plain) > MOST_BYTES or (plain is not body and body and len(plain) >= READ_BYTES):
        raise Unfit("its body is too large to be rewritten")
    if _is_json(content_type, plain):
        fields = _renamed(_object(plain), rename)
        if form == "form":
            return b"&".join(_pairs(fields)), FORM_TYPE
        return msgspec.json.encode(fields), JSON_TYPE if form == "json" else None
    pairs = [_pair(part, rename) for part in _parts(content_type, plain)]
    if form == "json":
        return msgspec.json.encode(_gathered(pairs)), JSON_TYPE
    return b"&".join(raw for raw, _, _ in pairs), FORM_TYPE if form == "form" else None


def _is_json(content_type: str, body: bytes) -> bool:
    return body.lstrip()[:1] in (b"{", b"[") or "json" in content_type.lower()


# ---------------------------------------------------------------- JSON


def _object(body: bytes) -> dict[str, msgspec.Raw]:
    try:
        body.decode()  # what is not looked into would go on unseen
        return _raw_object(body.removeprefix(b"\xef\xbb\xbf"))
    except UnicodeDecodeError:
        raise Unfit("its body is not UTF-8") from None
    except msgspec.ValidationError:
        raise Unfit("its body is JSON and no object") from None
    except (msgspec.DecodeError, ValueError):
        raise Unfit("its body is broken JSON") from None
    except RecursionError:
        raise Unfit("its body is nested too deep") from None


def _renamed(
    fields: Mapping[str, msgspec.Raw], rename: Mapping[str, str]
) -> dict[str, msgspec.Raw]:
    found: dict[str, msgspec.Raw] = {}
    for name, value in fields.items():
        new = rename.get(name, name)
        if new in found:
            raise Unfit("it has both the old and the new name of a renamed field")
        found[new] = value
    return found


def _pairs(fields: Mapping[str, msgspec.Raw]) -> list[bytes]:
    """As a form: `a[b]=c` for what is inside of a table, `a[0]=b` for a list's elements."""
    pairs: list[bytes] = []
    for name, raw in fields.items():
        for key, text in _flat(name, bytes(raw), DEEPEST):
            pairs.append(f"{quote_plus(key)}={quote_plus(text)}".encode())
            if len(pairs) > MOST_FIELDS:
                raise Unfit(f"it has more than {MOST_FIELDS:,} fields")
    return pairs


def _flat(name: str, raw: bytes, levels: int) -> Iterator[tuple[str, str]]:
    raw = raw.strip()
    if levels == 0:
        raise Unfit(f"its body is nested deeper than {DEEPEST}")
    if raw[:1] in (b"{", b"["):
        below = _raw_object(raw).items() if raw[:1] == b"{" else enumerate(_raw_list(raw))
        for key, value in below:
            yield from _flat(f"{name}[{key}]", bytes(value), levels - 1)
        if raw[1:-1].isspace() or len(raw) == 2:
            yield name, ""
    elif raw[:1] == b'"':
        yield name, _any(raw)
    else:
        # A number keeps its digits as sent.
        yield name, "" if raw == b"null" else raw.decode("ascii")


# ---------------------------------------------------------------- form


def _parts(content_type: str, body: bytes) -> list[bytes]:
    kind = content_type.lower()
    looks = b"=" in body and not body.lstrip().startswith((b"<", b"--"))
    if "multipart/" in kind or not (looks or "x-www-form-urlencoded" in kind):
        raise Unfit("its body is neither JSON nor a form")
    parts = [part for part in body.split(b"&", MOST_FIELDS + 1) if part]
    if len(parts) > MOST_FIELDS:
        raise Unfit(f"it has more than {MOST_FIELDS:,} fields")
    return parts


def _pair(part: bytes, rename: Mapping[str, str]) -> tuple[bytes, str, bytes]:
    """One pair with its name changed: as it is written, its name, its value as it is written."""
    raw_name, equals, raw_value = part.partition(b"=")
    name = _text(raw_name)
    if name not in rename:
        return part, name, raw_value
    new = rename[name]
    return quote_plus(new).encode() + equals + raw_value, new, raw_value


def _gathered(pairs: list[tuple[bytes, str, bytes]]) -> dict[str, Any]:
    """As a table: a name that comes more than once has a list."""
    found: dict[str, Any] = {}
    for _, name, raw in pairs:
        value = _text(raw)
        if name not in found:
            found[name] = value
        elif isinstance(found[name], list):
            found[name].append(value)
        else:
            found[name] = [found[name], value]
    return found


def _text(raw: bytes) -> str:
    try:
        return unquote_to_bytes(raw.replace(b"+", b" ")).decode()
    except UnicodeDecodeError:
        raise Unfit("its form is not UTF-8") from None
