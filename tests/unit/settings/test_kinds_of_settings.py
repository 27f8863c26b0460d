"""Each kind of setting: what it takes, what it refuses, and that what is shown can be read back."""

import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leadkeep.settings.allowed import NotAllowed
from leadkeep.settings.kinds import KINDS, parse, show
from leadkeep.settings.model import Address
from leadkeep.settings.statuses import StatusRange
from leadkeep.settings.table import Row, rows


def row(kind: str, **facts: object) -> Row:
    """A row without bounds, unless given."""
    plain: dict[str, object] = {
        "path": ("key",),
        "help": "",
        "default": None,
        "minimum": None,
        "maximum": None,
        "choices": (),
        "secret": False,
        "example": "",
    }
    return Row(kind=kind, **{**plain, **facts})  # type: ignore[arg-type] # a factory's overrides


UNPROCESSABLE = (StatusRange(422, 422), StatusRange(500, 599))

TAKEN = [
    ("size", "10 MiB", 10 * 1024**2),
    ("size", "1.5kib", 1536),
    ("size", 4096, 4096),
    ("size", "2GB", 2_000_000_000),
    ("seconds", "15", 15.0),
    ("seconds", "15s", 15.0),
    ("seconds", "2m", 120.0),
    ("seconds", "7d", 604_800.0),
    ("seconds", "500ms", 0.5),
    ("seconds", 0.25, 0.25),
    ("milliseconds", "750", 750),
    ("milliseconds", "2s", 2000),
    ("days", "30d", 30),
    ("count", "1_000", 1000),
    ("ratio", "2.5", 2.5),
    (
        "optional_database",
        " postgresql://u:p@db.example/leads ",
        "postgresql://u:p@db.example/leads",
    ),
    (
        "optional_database",
        "postgres:///leads?host=/run/postgresql",
        "postgres:///leads?host=/run/postgresql",
    ),
    ("optional_database", "", None),
    ("yes_no", "on", True),
    ("yes_no", "No", False),
    ("yes_no", True, True),
    ("text", " US ", "US"),
    ("optional_text", "a\nb", "a\nb"),
    ("texts", "A=1\nB=x=y\n", {"A": "1", "B": "x=y"}),
    ("texts", {"A": "1"}, {"A": "1"}),
    ("texts_list", "crm, other", ("crm", "other")),
    ("addresses", "0.0.0.0:80,[::1]:8080", (Address("0.0.0.0", 80), Address("::1", 8080))),
    ("addresses", ["localhost:1"], (Address("localhost", 1),)),
    ("addresses", ("a:1", "b:2"), (Address("a", 1), Address("b", 2))),
    ("optional_address", "off", None),
    ("optional_address", "127.0.0.1:0", Address("127.0.0.1", 0)),
    ("networks", "10.0.0.0/8,::1", ("10.0.0.0/8", "::1/128")),
    ("url", "https://app.example/hook?key=1", "https://app.example/hook?key=1"),
    ("url", "http://[::1]:8000/", "http://[::1]:8000/"),
    ("optional_url", "", None),
    ("url_paths", "*", ("*",)),
    ("url_paths", ["/a", "/b*"], ("/a", "/b*")),
    ("path", "data", Path("data")),
    ("optional_path", "", None),
    ("paths", "a,b", (Path("a"), Path("b"))),
    ("target", "https://app.example/hook", "https://app.example/hook"),
    ("target", "python:crm.leads:take", "python:crm.leads:take"),
    ("target", "python:crm:Crm.take", "python:crm:Crm.take"),
    ("private_networks", "true", True),
    ("private_networks", False, False),
    ("private_networks", "", False),
    ("private_networks", ["10.0.0.0/8", "::1"], ("10.0.0.0/8", "::1/128")),
    ("secret", " token ", "token"),
    ("secrets", "a, b", ("a, b",)),
    ("secrets", ["a", "b,c"], ("a", "b,c")),
    ("options", "queue=leads\nspare=a=b", {"queue": "leads", "spare": "a=b"}),
    ("options", {"Queue": " leads "}, {"Queue": "leads"}),
    ("statuses", "200-299, 409", (StatusRange(200, 299), StatusRange(409, 409))),
    ("statuses", [200, "2xx"], (StatusRange(200, 200), StatusRange(200, 299))),
    ("outcomes", "410,TLS", (StatusRange(410, 410), "tls")),
    ("outcomes", [422, "500-599", "4xx", "network"], (*UNPROCESSABLE, "4xx", "network")),
    ("outcomes", [], ()),
    ("waits", "5, 2m", (5.0, 120.0)),
    ("waits", [5, "30s", 0.5], (5.0, 30.0, 0.5)),
]


@pytest.mark.parametrize(("kind", "raw", "value"), TAKEN)
def test_a_kind_takes(kind: str, raw: object, value: object) -> None:
    assert parse(row(kind), raw) == value


REFUSED = [
    ("optional_database", "mysql://db.example/leads"),
    ("optional_database", "postgresql://db.example"),
    ("optional_database", "postgresql:///leads"),
    ("optional_database", "postgresql://db.example:port/leads"),
    ("optional_database", "postgresql://db.example/a b"),
    ("optional_database", 5),
    ("statuses", []),
    ("statuses", 200),
    ("statuses", [True]),
    ("statuses", [100]),
    ("statuses", ["299-200"]),
    ("statuses", ["200-600"]),
    ("statuses", ["ok"]),
    ("statuses", ["-"]),
    ("outcomes", [200]),
    ("outcomes", ["4xxx"]),
    ("outcomes", ["interrupted"]),
    ("outcomes", [[410]]),
    ("waits", [-1]),
    ("waits", ["soon"]),
    ("waits", 5),
    ("size", "10 lightyears"),
    ("size", "0.3 KiB"),
    ("size", "-1"),
    ("size", True),
    ("size", None),
    ("size", 10**400),
    ("size", "9" * 5000),
    ("seconds", float("nan")),
    ("seconds", float("inf")),
    ("seconds", -1),
    ("seconds", "5 weeks"),
    ("milliseconds", 0.5),
    ("days", "1.5"),
    ("count", "many"),
    ("count", "5s"),
    ("ratio", "2x"),
    ("ratio", float("nan")),
    ("choice", "c"),
    ("yes_no", 1),
    ("yes_no", "perhaps"),
    ("text", "a\nb"),
    ("text", 1),
    ("texts", "no equals sign"),
    ("texts", {"A b": "1"}),
    ("texts", {"A": "x\r\nInjected: y"}),
    ("texts", {"A": 1}),
    ("texts", {"A": "1", "a": "2"}),
    ("texts", {"Content-Length": "0"}),
    ("texts", {"transfer-encoding": "chunked"}),
    ("texts_list", "Crm"),
    ("texts_list", "crm,crm"),
    ("addresses", ""),
    ("addresses", []),
    ("addresses", "8080"),
    ("addresses", ":8080"),
    ("addresses", "host:99999"),
    ("addresses", "[::zz]:80"),
    ("addresses", "a:1,a:1"),
    ("addresses", 8080),
    ("optional_address", "never"),
    ("networks", "10.0.0.1/8"),
    ("networks", "example.com"),
    ("url", ""),
    ("url", "ftp://app.example/"),
    ("url", "app.example/hook"),
    ("url", "http://"),
    ("url", "http://x/#part"),
    ("url", "http://x/#"),
    ("url", "http://user:secret@x/"),
    ("url", "http://x:99999/"),
    ("url", "http://x:0/"),
    ("url", "http://x/a b"),
    ("url", "http://[::1/"),
    ("target", "ftp://app.example/"),
    ("target", "app.example/hook"),
    ("target", "http://user:secret@x/"),
    ("target", "python:crm"),
    ("target", "python:crm:take:it"),
    ("target", "python:crm/leads.py:take"),
    ("target", ""),
    ("private_networks", "10.0.0.1/8"),
    ("private_networks", "everything"),
    ("private_networks", 1),
    ("secret", "a\r\nb"),
    ("secrets", ["a", "a"]),
    ("secrets", [1]),
    ("secrets", [""]),
    ("options", "queue"),
    ("options", {"queue": 1}),
    ("url_paths", "webhook"),
    ("url_paths", "/a*b"),
    ("url_paths", "/a?x=1"),
    ("path", ""),
    ("path", "a\0b"),
    ("path", "~nobody-of-this-name/x"),
]


@pytest.mark.parametrize(("kind", "raw"), REFUSED, ids=lambda given: repr(given)[:30])
def test_a_kind_refuses(kind: str, raw: object) -> None:
    with pytest.raises(NotAllowed):
        parse(row(kind, choices=("a", "b")), raw)


@pytest.mark.parametrize(
    ("kind", "raw"),
    [("size", "1 KiB"), ("seconds", 1), ("milliseconds", 1), ("count", 1), ("ratio", 1)],
)
def test_bounds_are_kept_and_named(kind: str, raw: object) -> None:
    value = parse(row(kind), raw)
    assert isinstance(value, (int, float))
    assert parse(row(kind, minimum=value, maximum=value), raw) == value
    with pytest.raises(NotAllowed, match="at least"):
        parse(row(kind, minimum=value + 1), raw)
    with pytest.raises(NotAllowed, match="at most"):
        parse(row(kind, maximum=value / 2), raw)


@given(st.sampled_from(["size", "milliseconds", "days", "count"]), st.integers(0, 10**15))
def test_a_whole_number_that_is_shown_is_read_back(kind: str, value: int) -> None:
    assert parse(row(kind), show(row(kind), value).strip('"')) == value


@given(st.sampled_from(["seconds", "ratio"]), st.floats(0.001, 10**9))
def test_a_fraction_that_is_shown_is_read_back(kind: str, value: float) -> None:
    assert parse(row(kind), show(row(kind), value).strip('"')) == value


@given(st.text(max_size=200) | st.integers() | st.floats() | st.lists(st.text()), st.data())
def test_whatever_is_given_is_taken_or_refused_and_nothing_else(
    raw: object, data: st.DataObject
) -> None:
    kind = data.draw(st.sampled_from(sorted(KINDS)))
    try:
        parse(row(kind, choices=("a",)), raw)
    except NotAllowed as refusal:
        assert str(refusal)


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("statuses", (StatusRange(200, 299), StatusRange(409, 409))),
        ("outcomes", (StatusRange(410, 410), "4xx", "tls")),
        ("outcomes", ()),
        ("waits", (0.5, 120.0)),
    ],
)
def test_a_list_that_is_shown_is_read_back(kind: str, value: tuple[object, ...]) -> None:
    shown = tomllib.loads(f"value = {show(row(kind), value)}")["value"]
    assert parse(row(kind), shown) == value


def test_every_kind_in_the_table_exists() -> None:
    assert {each.kind for each in rows().values()} <= set(KINDS)


def test_secrets_are_shown_as_names_only() -> None:
    secret = row("texts", secret=True)
    assert show(secret, {"Authorization": "s3cret"}) == '{ "Authorization" = "***" }'
