"""What a payload says beside who it is about: place, price, consent, where it comes from.

For display and search, and for people who have to prove a consent; it decides nothing of itself.
Unlike a person, these stand anywhere in a payload, below `vendor` and `meta` too: every part is
looked at, those nearest to the root first, within the same bounds as for the person.
"""

import re
from collections.abc import Callable, Mapping
from functools import lru_cache

import msgspec

from leadkeep.models import NO_FACTS, Facts
from leadkeep.sources.tree import Tree

_MOST_KEYS = 4_000
_DEEPEST = 6
_LIST_ENTRIES = 2
_DEEPEST_LIST = 1
"""Further in, lists are of drivers, vehicles and accidents."""
_LONGEST_VALUE = 300
_LONGEST_TEXT = 2_000
_LONGEST_KEY = 100
_SHAPES_KNOWN = 512
_SHAPE_KEYS = 64
_SHAPE_CHARS = 2_000


_SPELLINGS: Mapping[str, str] = {
    "address": """address address1 addressline1 streetaddress street addrline1 mailingaddress
        homeaddress propertyaddress""",
    "city": "city town addresscity",
    "region": "state region province addressstate statecode regioncode",
    "postal_code": "zipcode zip postalcode postcode addresszip zippostal postal",
    "campaign": """campaign campaignname campaignid vendorcampaign buyercampaign lpcampaignid
        campaigncode utmcampaign""",
    "price": "sellprice price leadprice bidprice payout bid cost leadcost buyprice",
    "trusted_form": """xxtrustedformcerturl trustedformcerturl trustedformcert trustedformurl
        trustedform tfcerturl certurl xxtrustedformtoken trustedformtoken certificateurl""",
    "jornaya": """leadidtoken jornayaleadid leadidcode universalleadid jornayatoken jornaya
        leadiduniversal jornayaid""",
    "consent": """tcpaconsenttext tcpatext tcpalanguage consenttext consentlanguage tcpadisclosure
        disclosuretext optintext tcpa tcpaconsent consent tcpacompliant optin""",
    "landing_page": "landingpageurl landingpage landingurl pageurl sourceurl formurl referrerurl",
    "ip_address": "ipaddress ip clientip userip leadip consumerip ipaddr remoteip",
    "is_test": "istest testlead istestlead lptest testmode test",
}
_MEANINGS = {
    spelling: (fact, place)
    for fact, spellings in _SPELLINGS.items()
    for place, spelling in enumerate(spellings.split())
}
_SPLIT = re.compile(r"[\[\].]+")

# Documented by ActiveProspect: 40 or 80 characters, or a path that begins with `0.`.
_TRUSTED_FORM = re.compile(
    r"https?://cert\.trustedform\.com/(?:[-_a-zA-Z0-9]{40}|[-_a-zA-Z0-9]{80}|0\.[^\s]{1,200})"
)
_JORNAYA = re.compile(r"[0-9A-Fa-f]{8}-?(?:[0-9A-Fa-f]{4}-?){3}[0-9A-Fa-f]{12}")
_ADDRESS_LIKE = re.compile(r"[0-9A-Fa-f:.]{3,45}")
_URL_LIKE = re.compile(r"(?:https?://)?[\w.-]+\.[A-Za-z]{2,}(?:[/?#:]\S*)?")
_PRICE_LIKE = re.compile(r"[^\d]{0,4}\d[\d.,]{0,14}[^\d]{0,5}")
_TRUE = frozenset(["1", "true", "yes", "y", "on", "test"])

_Fits = Callable[[str], object]

_FITS: Mapping[str, _Fits] = {
    "trusted_form": _TRUSTED_FORM.fullmatch,
    "jornaya": _JORNAYA.fullmatch,
    "ip_address": _ADDRESS_LIKE.fullmatch,
    "landing_page": _URL_LIKE.fullmatch,
    "price": _PRICE_LIKE.fullmatch,
}
"""What a value must look like, where keys are used for other things as well."""

_NO_RANK = 1_000_000
_OPENING = frozenset("{[")
_NO_VALUE = frozenset(["", "null", "none", "undefined", "n/a", "na", "nil", "-"])


def find_facts(*trees: Tree, first_name: str = "", last_name: str = "") -> Facts:
    """What payloads say, the first of them best.

    Args:
        trees: as `payload.read_tree` returns them; the body's, then the query's.
        first_name: of whom it is about, where somebody has found it.
        last_name: likewise.
    """
    ranks: dict[str, int] = {}
    texts: dict[str, str] = {}
    keys_left = _MOST_KEYS
    parts: list[tuple[Tree, int]] = [(tree, 0) for tree in trees if tree]
    for part, depth in parts:  # which grows meanwhile
        if keys_left <= 0:
            break
        if isinstance(part, list):
            parts += [(entry, depth) for entry in part[:_LIST_ENTRIES]]
            continue
        if isinstance(part, str):
            part = _opened(part)  # noqa: PLW2901 - it is what stands there
        if not isinstance(part, dict):
            continue
        keys = tuple(part)
        if len(keys) > keys_left:
            keys = keys[:keys_left]
        keys_left -= len(keys)
        meant = _shapes.get(keys)
        if meant is None:
            meant = _facts_of(keys)
        if meant:
            _tell(part, meant, depth * 1_000, ranks, texts)
        if depth < _DEEPEST:
            _go_deeper(parts, part, depth)
    if first_name or last_name:
        texts["first_name"], texts["last_name"] = first_name, last_name
    return _facts(texts) if texts else NO_FACTS


def _tell(
    part: dict[str, Tree],
    meant: "tuple[_Meant, ...]",
    before: int,
    ranks: dict[str, int],
    texts: dict[str, str],
) -> None:
    """Add what a part says of itself, where nothing better is known.

    Args:
        before: its own rank, to which that of each key is added.
    """
    for key, fact, place, fits, longest in meant:
        rank = before + place
        if rank >= ranks.get(fact, _NO_RANK):
            continue
        value = part[key]
        if isinstance(value, str) and len(value) <= longest and value.isprintable():
            # Nearly every value, at half the price: the same as `_text` says of it.
            text = value.strip() if "  " not in value else " ".join(value.split())
            if (len(text) < 10 and text.lower() in _NO_VALUE) or (fits and not fits(text)):
                continue
        else:
            text = _text(fact, value, fits)
        if text:
            ranks[fact], texts[fact] = rank, text


def _go_deeper(parts: list[tuple[Tree, int]], part: dict[str, Tree], depth: int) -> None:
    """Add what may say something within a part. Every value of every lead comes by here."""
    lists = depth <= _DEEPEST_LIST
    for value in part.values():
        if isinstance(value, str):
            if value[:1] in _OPENING:
                parts.append((value, depth + 1))
        elif isinstance(value, dict) or (lists and isinstance(value, list)):
            parts.append((value, depth + 1))


def _facts(texts: dict[str, str]) -> Facts:
    is_test = bool(texts.pop("is_test", ""))
    return Facts(**texts, is_test=is_test)


_Meant = tuple[str, str, int, _Fits | None, int]
"""A key, the fact that it tells, how good a key for it it is, what its value must look like, and up
to which length the value is only a text; -1: it is no text."""

_shapes: dict[tuple[str, ...], tuple[_Meant, ...]] = {}
"""A vendor's leads have the same keys in the same order: what they mean is looked up once."""


def _facts_of(keys: tuple[str, ...]) -> tuple[_Meant, ...]:
    """Those of a part's keys that tell a fact; looked up once for its shape."""
    found = tuple(
        (key, fact, place, _FITS.get(fact), -1 if fact == "is_test" else _longest(fact))
        for key in keys
        if (meant := _meaning(key)) is not None
        for fact, place in (meant,)
    )
    # Hostile payloads have ever new keys, and long ones: this stays small.
    if len(keys) <= _SHAPE_KEYS and sum(map(len, keys)) <= _SHAPE_CHARS:
        if len(_shapes) >= _SHAPES_KNOWN:
            _shapes.clear()
        _shapes[keys] = found
    return found


@lru_cache(maxsize=4096)
def _meaning(key: str) -> tuple[str, int] | None:
    """What a key stands for; of form keys like `meta[price]`, what the last part does."""
    if len(key) > _LONGEST_KEY:
        return None
    parts = [part for part in _SPLIT.split(key) if part] or [""]
    for words in (key, parts[-1]):
        plain = "".join(char for char in words.lower() if char.isalnum())
        if (meant := _MEANINGS.get(plain)) is not None:
            return meant
    return None


def is_yes(value: Tree) -> bool:
    """Whether a value says yes."""
    return bool(_text("is_test", value, None))


def text_of_fact(fact: str, value: Tree) -> str:
    """A value as this fact's text, whatever it looks like; empty if it says nothing."""
    return _text(fact, value, None)


def _text(fact: str, value: Tree, fits: _Fits | None) -> str:
    """A value as this fact's text; empty if it cannot be one.

    Args:
        fits: what it must look like; None: whatever it is.
    """
    if not isinstance(value, str):
        value = _plain(value)
    if fact == "is_test":
        return "test" if value is True or str(value).strip().lower() in _TRUE else ""
    if isinstance(value, str):
        text = value
    elif isinstance(value, bool):
        text = ("yes" if value else "no") if fact == "consent" else ""
    else:
        text = "" if value is None or isinstance(value, dict | list) else str(value)
    text = _one_line(text, _longest(fact))
    if (len(text) < 10 and text.lower() in _NO_VALUE) or (fits is not None and not fits(text)):
        return ""
    return text


def _plain(value: Tree) -> Tree:
    """A value out of the lists and objects around it."""
    for _ in range(2):
        if isinstance(value, list):
            value = value[0] if value else None
        if isinstance(value, dict):
            value = value.get("value") or value.get("#text") or value.get("url")
    return value


def _longest(fact: str) -> int:
    return _LONGEST_TEXT if fact == "consent" else _LONGEST_VALUE


def _one_line(text: str, longest: int) -> str:
    if len(text) > 2 * longest:
        text = text[: 2 * longest]
    if text.isprintable():
        if "  " not in text:
            return text.strip()[:longest]
    else:
        text = "".join(char if char.isprintable() else " " for char in text)
    return " ".join(text.split())[:longest]


def _opened(part: str) -> Tree:
    """A part that was sent as a text which holds JSON, opened."""
    try:
        tree: Tree = msgspec.json.decode(part)
    except (msgspec.DecodeError, ValueError, RecursionError):
        return None
    return tree
