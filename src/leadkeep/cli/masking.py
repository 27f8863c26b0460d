"""What a glance at a screen need not tell: phone numbers, addresses and secrets, part hidden.

Masking is manners, not protection: who may run a command may also ask for `--reveal`.
"""

import re

HIDDEN = "•••"

_PHONE_LIKE = re.compile(r"(?<![\w.])(?:\+|%2B)?\(?\d(?:[\s().\-]{0,2}\d){9,14}(?!\w)", re.I)
# From where a run of such letters begins, and never back: a text of letters alone is read once.
_EMAIL_LIKE = re.compile(r"(?<![\w.+\-])([\w.+\-])[\w.+\-]*+(@|%40)(?=[\w\-]++\.[\w\-])")
_NAMES = r"google_key|lp_campaign_key|lp_key|key|password|secret|token|access_token|api_?key"
_SECRET_IN_JSON = re.compile(
    rf'("(?:{_NAMES})"\s*+:\s*+)(?:"(?:[^"\\]|\\.)*+"?|-?\d[\w.+\-]*+)', re.I | re.S
)
_SECRET_IN_JSON_IN_TEXT = re.compile(
    rf'(\\"(?:{_NAMES})\\"\s*+:\s*+\\")(?:[^"\\]|\\\\.)*+', re.I | re.S
)
_SECRET_IN_FORM = re.compile(rf"((?:^|[&?])(?:{_NAMES})=)[^&\s]*+", re.I)
_SECRET_IN_XML = re.compile(rf"(<(?:{_NAMES})(?:\s[^<>]*+)?>)[^<]*+", re.I)
_SECRET_IN_PART = re.compile(
    rf'(\bname="?(?:{_NAMES})"?[^\r\n]*+\r?\n(?:[^\r\n]++\r?\n){{0,5}}\r?\n)[^\r\n]*+', re.I
)
_SECRET_HEADER = re.compile(
    r"^((?:proxy-)?authorization|cookie|[\w\-]*(?:signature|secret|token|api-?key|hmac)[\w\-]*)"
    r"(:[ \t]*)[^\r\n]*",
    re.I | re.M,
)

_ALWAYS_LAST = 4
_HIDDEN_DIGITS = 3


def mask_phone(phone: str) -> str:
    """`+16145550142` as `+1614•••0142`: who knows the number recognises it."""
    if not phone:
        return ""
    places = [index for index, character in enumerate(phone) if character.isdecimal()]
    if any(character.isalpha() for character in phone) or len(places) < 6:
        return HIDDEN
    first = max(0, len(places) - _ALWAYS_LAST - _HIDDEN_DIGITS)
    begin, end = places[first], places[-_ALWAYS_LAST]
    return phone[:begin] + HIDDEN + phone[end:]


def mask_email(email: str) -> str:
    """`marisol@example.com` as `m•••@example.com`."""
    if not email:
        return ""
    local, at, domain = email.rpartition("@")
    return f"{local[:1]}{HIDDEN}@{domain}" if at and local else HIDDEN


def mask_text(text: str) -> str:
    """Any payload or request target, with what looks like a phone, an e-mail or a secret hidden.

    In time that grows with the text's length and no faster, whatever the text is.
    """
    text = mask_secrets(text)
    text = _EMAIL_LIKE.sub(rf"\1{HIDDEN}\2", text)
    return _PHONE_LIKE.sub(lambda found: _mask_phone_like(found.group()), text)


def mask_secrets(text: str) -> str:
    """The same with only secrets hidden: keys and passwords that vendors send among the fields."""
    text = _SECRET_IN_JSON.sub(rf'\1"{HIDDEN}"', text)
    text = _SECRET_IN_JSON_IN_TEXT.sub(rf"\1{HIDDEN}", text)
    text = _SECRET_IN_FORM.sub(rf"\1{HIDDEN}", text)
    text = _SECRET_IN_XML.sub(rf"\1{HIDDEN}", text)
    return _SECRET_IN_PART.sub(rf"\1{HIDDEN}", text)


def _mask_phone_like(found: str) -> str:
    """As `mask_phone`, for a number within a text, where `%2B` may stand for its plus."""
    head = found[:3] if found[:3].upper() == "%2B" else ""
    return head + mask_phone(found[len(head) :])


def mask_headers(lines: str) -> str:
    """Header lines with credentials and signatures hidden."""
    return mask_text(mask_secret_headers(lines))


def mask_secret_headers(lines: str) -> str:
    """The same, with nothing else hidden."""
    return _SECRET_HEADER.sub(rf"\1\2{HIDDEN}", lines)
