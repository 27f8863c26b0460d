"""Which requests are pings, and whom they are put to."""

from leadkeep.settings.model import DestinationSettings, Settings, SourceSettings
from leadkeep.sources.pings import PingTable, ping_destination

A = DestinationSettings(url="http://127.0.0.1:1/")


def table(**sources: SourceSettings) -> PingTable:
    return PingTable.of(Settings(sources=sources))


def test_a_ping_path_is_found_as_lead_paths_are() -> None:
    pings = table(v=SourceSettings(paths=("/post",), ping_paths=("/ping", "/bids/*")))
    assert [pings.match(path) for path in (b"/ping", b"/PING/", b"//ping", b"/bids/1")] == ["v"] * 4
    assert pings.match(b"/post") is None
    assert pings.match(b"/elsewhere") is None


def test_the_more_exact_path_wins_whichever_it_is() -> None:
    pings = table(
        all=SourceSettings(paths=("*",)),
        v=SourceSettings(paths=("/x/exact",), ping_paths=("/x/*",)),
    )
    assert pings.match(b"/x/other") == "v"
    assert pings.match(b"/x/exact") is None
    assert pings.match(b"/y") is None


def test_without_ping_paths_nothing_is_a_ping() -> None:
    assert table(v=SourceSettings(paths=("*",))).match(b"/ping") is None
    assert table().match(b"/ping") is None


def test_a_ping_goes_to_whom_the_source_names_or_to_its_first_destination() -> None:
    def asked(**given: object) -> str:
        source = SourceSettings(**given)  # type: ignore[arg-type]
        return ping_destination(
            Settings(sources={"v": source}, destinations={"a": A, "b": A, "c": A}), "v"
        )

    assert asked(ping_destination="c", live_destination="b") == "c"
    assert asked(live_destination="b") == "b"
    assert asked(destinations=("b", "a")) == "b"
    assert asked() == "a"
    assert ping_destination(Settings(sources={"v": SourceSettings()}), "v") == ""
