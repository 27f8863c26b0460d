"""`leadkeep pings`: what was asked, and what came of it."""

from uuid import UUID

from leadkeep.models import RecordKind
from leadkeep.store.asked import PingOutcome
from leadkeep.store.base import Store
from tests.integration.cli.installation import Installation
from tests.store.builders import a_batch, a_record


def absorb_pings(installation: Installation, count: int, *, source: str = "exchange") -> list[str]:
    """Put pings into the store; only the first is answered. Returns their ids."""
    pings = [
        a_record(kind=RecordKind.PING, source=source, target=b"/ping?phone=6145550142")
        for _ in range(count)
    ]
    ids = [str(UUID(bytes=ping.lead_id)) for ping in pings]

    async def work(store: Store) -> None:
        await store.absorb(a_batch(notices=tuple(pings)))
        bid = b'{"bid": 12.5}\x1b[2J'
        await store.record_pings(
            [PingOutcome(ids[0], "bids", 1_786_802_449_123, 1_234, "answered", "", 200, bid)]
        )

    installation.in_store(work)
    return ids


def test_each_is_told_with_who_was_asked_and_what_it_said(installation: Installation) -> None:
    absorb_pings(installation, 2)
    unanswered, answered = installation.ok("pings").splitlines()[1:]
    assert "unanswered" in unanswered
    for words in ("exchange", "bids", "answered", "200", "1,234", '{"bid": 12.5}'):
        assert words in answered
    assert "\x1b" not in answered


def test_json_tells_all_and_nothing_of_the_query(installation: Installation) -> None:
    ids = absorb_pings(installation, 1)
    (ping,) = installation.json("pings")
    assert (ping["ping_id"], ping["path"]) == (ids[0], "/ping")
    assert (ping["destination"], ping["duration_ms"], ping["response_status"]) == (
        "bids",
        1_234,
        200,
    )
    assert "6145550142" not in installation.ok("pings", "--json")


def test_they_are_found_by_source_and_id_and_page_by_page(installation: Installation) -> None:
    ids = absorb_pings(installation, 3)
    absorb_pings(installation, 1, source="other")
    assert len(installation.json("pings", "--source", "exchange")) == 3
    (one,) = installation.json("pings", "--id", ids[1])
    assert one["ping_id"] == ids[1]
    first = installation.json("pings", "--limit", 3)
    result = installation.run("pings", "--limit", 3)
    assert f"--after {first[-1]['number']}" in result.stderr
    rest = installation.json("pings", "--after", first[-1]["number"])
    assert [ping["number"] for ping in (*first, *rest)] == [4, 3, 2, 1]


def test_without_a_store_there_is_none(installation: Installation) -> None:
    result = installation.run("pings")
    assert (result.exit_code, result.stderr) == (0, "No ping matches.\n")
