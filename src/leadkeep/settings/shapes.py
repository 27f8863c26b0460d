"""Kinds of settings that route and transform: routes, and new names for fields."""

import tomllib
from collections.abc import Mapping

from leadkeep.settings.allowed import Kind, NotAllowed, text_of, toml_list, toml_table, toml_text
from leadkeep.settings.routing import RouteSettings
from leadkeep.settings.table import NAME_PATTERN, Row


def _routes_allowed(_row: Row) -> str:
    return (
        'a list of routes { when = "condition", to = ["name"] }; without `when` a route takes '
        "every lead"
    )


def _parse_routes(raw: object, row: Row) -> tuple[RouteSettings, ...]:
    what = _routes_allowed(row)
    if isinstance(raw, str):
        try:
            raw = tomllib.loads(f"routes = {raw}")["routes"]
        except ValueError:
            raise NotAllowed(f"{what}, written as in TOML") from None
    if not isinstance(raw, (list, tuple)):
        raise NotAllowed(what)
    return tuple(_route(one, f"{what} (route {number}: ") for number, one in enumerate(raw, 1))


def _route(raw: object, what: str) -> RouteSettings:
    if not isinstance(raw, Mapping):
        raise NotAllowed(f"{what}it is no table)")
    unknown = sorted(set(raw) - {"when", "to"})
    if unknown:
        raise NotAllowed(f"{what}`{unknown[0]}` is neither `when` nor `to`)")
    when, to = raw.get("when", ""), raw.get("to")
    if not isinstance(when, str) or ("when" in raw and not when.strip()):
        raise NotAllowed(f"{what}`when` is no condition)")
    names = [to] if isinstance(to, str) else to
    if (
        not isinstance(names, (list, tuple))
        or not names
        or not all(isinstance(name, str) and NAME_PATTERN.fullmatch(name) for name in names)
        or len(set(names)) != len(names)
    ):
        raise NotAllowed(f"{what}`to` names no destinations)")
    return RouteSettings(when.strip(), tuple(names))


def _show_routes(value: object) -> str:
    assert isinstance(value, tuple)
    shown = []
    for when, to in value:
        condition = f"when = {toml_text(when)}, " if when else ""
        shown.append(f"{{ {condition}to = {toml_list(to)} }}")
    return "[" + ", ".join(shown) + "]"


def _renames_allowed(_row: Row) -> str:
    return 'a table { old = "new" } of field names, no two with the same new one'


def _parse_renames(raw: object, row: Row) -> Mapping[str, str]:
    what = _renames_allowed(row)
    if isinstance(raw, str):
        try:
            raw = tomllib.loads(f"renames = {raw}")["renames"]
        except ValueError:
            raise NotAllowed(f"{what}, written as in TOML") from None
    if not isinstance(raw, Mapping):
        raise NotAllowed(what)
    renames = {old: text_of(new, what) for old, new in raw.items()}
    if "" in renames or "" in renames.values() or len(set(renames.values())) != len(renames):
        raise NotAllowed(what)
    return renames


def _show_renames(value: object) -> str:
    assert isinstance(value, Mapping)
    return toml_table(value)


SHAPES = {
    "routes": Kind(_parse_routes, _show_routes, _routes_allowed),
    "renames": Kind(_parse_renames, _show_renames, _renames_allowed),
}
