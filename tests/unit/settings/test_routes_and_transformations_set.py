"""Routes, fallbacks and transformations as people write them: taken, shown, and told when wrong."""

import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from leadkeep.errors import SettingsError
from leadkeep.settings.describe import shown
from leadkeep.settings.load import load
from leadkeep.settings.model import Settings
from leadkeep.settings.routing import RouteSettings

Load = Callable[..., Settings]

BASE = """
[destinations.crm]
url = "http://a.example/"
[destinations.spare]
url = "http://b.example/"
[sources.auto]
paths = ["/auto"]
"""


@pytest.fixture
def loaded(tmp_path: Path) -> Load:
    def load_them(text: str, environ: dict[str, str] | None = None) -> Settings:
        (tmp_path / "leadkeep.toml").write_text(BASE + text)
        return load(config=None, environ=environ or {}, flags={}, cwd=tmp_path)

    return load_them


ARRAY = """
[[sources.auto.routes]]
when = "payload.state == 'OH'"
to = ["crm"]
[[sources.auto.routes]]
to = "spare"
"""
TRANSFORM = "[destinations.crm.transform]\n"
THIRD = '[destinations.third]\nurl = "http://c/"\n'
ROUTES = (RouteSettings("payload.state == 'OH'", ("crm",)), RouteSettings("", ("spare",)))


def test_routes_may_stand_in_tables_in_a_list_or_in_a_variable(loaded: Load) -> None:
    inline = 'routes = [{ when = "payload.state == \'OH\'", to = ["crm"] }, { to = ["spare"] }]'
    assert loaded(ARRAY).sources["auto"].routes == ROUTES
    assert loaded(inline).sources["auto"].routes == ROUTES
    environ = {"LEADKEEP_SOURCES__AUTO__ROUTES": inline.removeprefix("routes = ")}
    assert loaded("", environ).sources["auto"].routes == ROUTES


def test_what_is_shown_can_be_read_back(loaded: Load) -> None:
    settings = loaded(
        ARRAY
        + '[destinations.crm.transform]\nrename = { "a b" = "c\\"d" }\nbody = """x\n{{ 1 }}"""'
    )
    values = {line.key: line.value for line in shown(settings)}
    for key in ("sources.auto.routes", "destinations.crm.transform.rename"):
        again = tomllib.loads(f"value = {values[key]}")["value"]
        assert again
    assert values["sources.auto.routing"] == '"first"'
    assert tomllib.loads(f"v = {values['destinations.crm.transform.rename']}")["v"] == {
        "a b": 'c"d'
    }


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("routes = 3", "must be a list of routes"),
        ('routes = "]["', "written as in TOML"),
        ("routes = [3]", "(route 1: it is no table)"),
        ('routes = [{ to = ["crm"] }, { too = ["crm"] }]', "(route 2: `too` is neither"),
        ('routes = [{ when = "a" }]', "(route 1: `to` names no destinations)"),
        ('routes = [{ when = " ", to = ["crm"] }]', "(route 1: `when` is no condition)"),
        ('routes = [{ when = 3, to = ["crm"] }]', "(route 1: `when` is no condition)"),
        ('routes = [{ to = ["crm", "crm"] }]', "`to` names no destinations"),
        ('routes = [{ to = ["Crm!"] }]', "`to` names no destinations"),
        ('routes = [{ to = ["gone"] }]', "route 1: there is no destination `gone`"),
        ('routes = [{ to = ["crm"] }, { to = ["spare"] }]', "none reaches route 2"),
        ('routing = "some"', "must be one of first, all"),
        (TRANSFORM + 'rename = { a = "c", b = "c" }', "two with the same new one"),
        ("[destinations.crm.transform]\nrename = { a = 1 }", "a table { old"),
        ('[destinations.crm.transform]\nrename = { a = "" }', "a table { old"),
        ('[destinations.crm.transform]\nformat = "xml"', "one of keep, json, form"),
        ('[destinations.crm.transform]\nbdy = "x"', "Did you mean destinations.crm.transform.body"),
        (THIRD + 'fallback = "gone"', "no destination `gone`"),
        (THIRD + 'fallback = "third"', "is the destination itself"),
        (
            THIRD + 'fallback = "crm"\nfallback_after_minutes = 90\n'
            'retry = { age_seconds = "1h" }',
            "must be shorter than retry.age_seconds = 1h",
        ),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_with_its_key(loaded: Load, text: str, part: str) -> None:
    with pytest.raises(SettingsError) as caught:
        loaded(text)
    (line,) = str(caught.value).splitlines()
    assert part in line
    assert line.startswith(("sources.auto.", "destinations."))


def test_in_all_a_route_for_every_lead_may_stand_anywhere(loaded: Load) -> None:
    text = 'routing = "all"\nroutes = [{ to = ["crm"] }, { when = "path", to = ["spare"] }]'
    assert len(loaded(text).sources["auto"].routes) == 2
