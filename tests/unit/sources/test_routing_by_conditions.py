"""Where leads of a source with routes go, and that no payload whatever can raise out of routing."""

import json
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leadkeep.absorber.making import LeadMaker
from leadkeep.models import Position, RecordFlag
from leadkeep.settings.model import DestinationSettings, Settings, SourceSettings
from leadkeep.settings.routing import RouteSettings
from leadkeep.sources.contact import ContactReader
from leadkeep.sources.routes import Route, SourceTable
from leadkeep.sources.routing import NO_ROUTE, Request, Router, Routes, conditional_routes
from leadkeep.states import Disposition
from tests.store.builders import a_record

SAMPLES = Path(__file__).parents[2] / "samples"
OHIO = RouteSettings("payload.state == 'OH'", ("ohio",))
RICH = RouteSettings("payload.value > `100`", ("rich", "ohio"))
REST = RouteSettings("", ("rest",))


def the_settings(*routes: RouteSettings, routing: str = "first") -> Settings:
    return Settings(
        destinations={
            name: DestinationSettings(url="http://a.example/") for name in ("ohio", "rich", "rest")
        },
        sources={
            "auto": SourceSettings(paths=("/auto",), routes=routes, routing=routing),
            "plain": SourceSettings(paths=("/plain",), destinations=("rest",)),
        },
    )


def a_request(body: bytes = b"{}", **overrides: Any) -> Request:
    values: dict[str, Any] = {
        "source": "auto",
        "method": "POST",
        "target": b"/auto",
        "headers": b"Content-Type: application/json\r\n",
        "body": body,
    }
    return Request(**(values | overrides))


def route(body: bytes, *routes: RouteSettings, routing: str = "first", **overrides: Any) -> Route:
    router = Router.of(the_settings(*routes, routing=routing))
    return router.route(a_request(body, **overrides), RecordFlag.NONE)


BOTH = b'{"state": "OH", "value": 101}'


def test_the_first_route_that_holds_takes_the_lead() -> None:
    assert route(BOTH, OHIO, RICH, REST) == Route(Disposition.ROUTED, ("ohio",), "")
    assert route(BOTH, RICH, OHIO, REST).destinations == ("rich", "ohio")
    assert route(b"{}", OHIO, RICH, REST).destinations == ("rest",)


def test_every_route_that_holds_takes_it_once_each() -> None:
    assert route(BOTH, OHIO, RICH, REST, routing="all").destinations == ("ohio", "rich", "rest")


def test_what_no_route_takes_is_held_and_goes_nowhere() -> None:
    assert route(b'{"state": "KY"}', OHIO) == Route(Disposition.QUARANTINED, (), NO_ROUTE)


@pytest.mark.parametrize("routing", ["first", "all"])
def test_what_no_route_takes_may_have_a_place_of_its_own(routing: str) -> None:
    routes = Routes("auto", (OHIO,), every=routing == "all", otherwise=("rest",))
    assert routes.route(a_request(b'{"state": "KY"}')).destinations == ("rest",)
    assert routes.route(a_request(BOTH)).destinations == ("ohio",)
    assert routes.route(a_request(b'{"state": "O')).destinations == ()


@pytest.mark.parametrize("routing", ["first", "all"])
def test_what_cannot_be_judged_is_held_and_not_sent_to_a_later_route(routing: str) -> None:
    broken = route(b'{"state": "O', OHIO, REST, routing=routing)
    assert broken.destinations == ()
    assert broken.hold_reason == "route 1 cannot be judged: its payload is broken JSON"


def test_an_earlier_route_that_holds_is_enough_if_the_first_takes_it() -> None:
    assert route(b'{"state": "O', REST, OHIO, routing="all").destinations == ()
    by_path = RouteSettings("path == '/auto'", ("rest",))
    assert route(b'{"state": "O', by_path, OHIO).destinations == ("rest",)


def test_sources_without_routes_and_paths_of_nobody_are_as_ever() -> None:
    router = Router.of(the_settings(OHIO))
    assert router.route(a_request(source="plain"), RecordFlag.NONE).destinations == ("rest",)
    nobody = router.route(a_request(source=""), RecordFlag.NO_ROUTE)
    assert nobody.hold_reason == "no source claims the path /auto"
    gone = router.route(a_request(source="gone"), RecordFlag.NONE)
    assert gone.hold_reason == "the source 'gone' is no longer configured"


def test_a_table_that_knows_no_conditions_holds_what_needs_them() -> None:
    table = SourceTable.of(the_settings(OHIO))
    assert table.route("auto", RecordFlag.NONE).destinations == ()
    assert table.route("auto", RecordFlag.NONE).hold_reason


def test_the_absorber_asks_for_each_lead_anew() -> None:
    settings = the_settings(OHIO, REST)
    maker = LeadMaker(
        SourceTable.of(settings), ContactReader("US"), conditional=conditional_routes(settings)
    )
    here = Position(segment=UUID(int=1), offset=0)
    states = ("OH", "KY", "OH")
    leads = [
        maker.lead(
            a_record(source="auto", body=json.dumps({"state": state}).encode()),
            here,
            acknowledged=True,
        )
        for state in states
    ]
    assert [lead.destinations for lead in leads] == [("ohio",), ("rest",), ("ohio",)]


@pytest.mark.parametrize("sample", sorted(SAMPLES.iterdir()), ids=lambda path: path.name)
def test_every_sample_is_routed_by_what_it_says(sample: Path) -> None:
    kind = b"application/x-www-form-urlencoded" if sample.suffix == ".form" else b"application/json"
    anything = RouteSettings("payload && length(keys(payload)) > `0`", ("rich",))
    routed = route(sample.read_bytes(), anything, REST, headers=b"Content-Type: " + kind + b"\r\n")
    assert routed.destinations == (("rest",) if sample.suffix == ".md" else ("rich",))


NASTY = [
    RouteSettings("contains(payload, 'x')", ("ohio",)),
    RouteSettings("payload.* | [0].a.b", ("ohio",)),
    RouteSettings("values(@)", ("ohio",)),
    RouteSettings("sort(keys(payload))[0] == 'a'", ("ohio",)),
    RouteSettings("sum(payload[].n) > `3`", ("ohio",)),
    RouteSettings("to_number(payload.a) > `3`", ("ohio",)),
    RouteSettings("payload == headers", ("ohio",)),
    RouteSettings("to_string(payload) == query.a", ("ohio",)),
    RouteSettings("length(path) > `9`", ("ohio",)),
]
ROUTERS = [Router.of(the_settings(one, REST)) for one in NASTY]
TREES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)
BODIES = (
    st.binary()
    | TREES.map(lambda tree: json.dumps(tree).encode())
    | st.dictionaries(st.sampled_from("abn"), TREES).map(lambda tree: json.dumps(tree).encode())
    | st.text().map(lambda text: text.encode("utf-8", "replace"))
    | st.lists(st.sampled_from(["a=1", "&", "{", "%7B", "[", '"', "--x", "\r\n\r\n"])).map(
        lambda parts: "".join(parts).encode()
    )
)
HEADERS = st.binary() | st.sampled_from(
    [
        b"Content-Type: application/json\r\n",
        b"content-type: multipart/form-data; boundary=x\r\n",
        b"Content-Type: application/x-www-form-urlencoded; charset=utf-16\r\n",
    ]
)


@settings(max_examples=400, deadline=None)
@given(body=BODIES, headers=HEADERS, target=st.binary(), router=st.sampled_from(ROUTERS))
def test_no_payload_raises_out_of_routing_and_what_is_unclear_is_held(
    body: bytes, headers: bytes, target: bytes, router: Router
) -> None:
    request = a_request(body, headers=headers, target=target)
    found = router.route(request, RecordFlag.NONE)
    assert (found.destinations == ()) == bool(found.hold_reason)
    assert (found.disposition is Disposition.ROUTED) == bool(found.destinations)
    assert len(found.hold_reason) < 200
