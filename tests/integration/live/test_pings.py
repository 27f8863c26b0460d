"""Pings are asked once, at once, and recorded; they are never in the queue, and no lead."""

import os
import signal
from typing import Any

from tests.integration.intake.rig import request
from tests.integration.live.rig import Script, Served, a_brain
from tests.integration.waiting import wait_until

NO_BID = """
[sources.vendor.no_bid]
status = 202
content_type = "text/plain"
body = "no bid {{lead_id}}"
"""


def recorded(served: Served, count: int = 1) -> list[dict[str, Any]]:
    """What `leadkeep pings` tells, once it tells of so many and how each ended."""

    def known() -> bool:
        return len(served.command("pings")) == count

    wait_until(f"{count} pings are in the store", known)
    found: list[dict[str, Any]] = served.command("pings")
    return found


def test_a_bid_is_relayed_and_recorded_and_nothing_is_queued(served: Served) -> None:
    served.brain.script = Script(body=b'{"bid": 12.5}')
    served.start()
    answer = served.post("/ping?zip=43215", b'{"zip": "43215"}')
    assert (answer.status, answer.body) == (200, b'{"bid": 12.5}')
    wait_until("it is recorded", lambda: recorded(served)[0]["result"] == "answered")
    (ping,) = recorded(served)
    assert (ping["source"], ping["destination"]) == ("vendor", "brain")
    assert (ping["response_status"], ping["response_body"]) == (200, '{"bid": 12.5}')
    assert ping["path"] == "/ping"
    assert ping["duration_ms"] >= 0
    assert served.statuses() == {}
    ((_, _, headers, body),) = served.brain.requests
    assert body == b'{"zip": "43215"}'
    assert headers["Leadkeep-Ping-Id"] == headers["Idempotency-Key"] == ping["ping_id"]
    assert not {"Leadkeep-Lead-Id", "Leadkeep-Lead-Number", "Leadkeep-Attempt"} & headers.keys()


def test_the_post_that_follows_is_a_lead_like_any_other(served: Served) -> None:
    served.start()
    served.post("/ping")
    assert served.post("/lead").body == served.brain.script.body
    assert served.statuses() == {"completed": 1}
    ledger = served.command("ledger")
    assert ledger["balanced"]
    assert (ledger["total"]["received"], ledger["total"]["pings"]) == (1, 1)


def test_without_a_worker_the_vendor_gets_the_configured_no_bid(served: Served) -> None:
    served.configure(more=NO_BID)
    served.start()
    worker = served.pid("worker")
    os.kill(worker, signal.SIGKILL)
    answer = served.post("/ping")
    assert answer.status == 202
    assert answer.headers["content-type"] == "text/plain"
    (ping,) = recorded(served)
    assert answer.body.decode() == f"no bid {ping['ping_id']}"
    assert (ping["result"], ping["no_bid_status"]) == ("unanswered", 202)
    assert served.brain.requests == []


def test_a_ping_whose_time_is_over_is_dropped_and_never_asked_again(served: Served) -> None:
    served.configure(more=NO_BID, timeout_ms=300)
    served.brain.may_answer.clear()
    served.start()
    assert served.post("/ping").status == 202
    wait_until("it is recorded", lambda: recorded(served)[0]["result"] == "timeout")
    served.brain.may_answer.set()
    assert served.live_answers() == {"ping timeout": 1}
    served.stop()
    served.start()
    served.post("/lead")
    wait_until("what came later is delivered", lambda: served.all_completed(1))
    assert [path for _, path, _, _ in served.brain.requests] == ["/lead", "/lead"]
    assert sorted(served.brain.keys.values()) == [1, 1]


def test_a_destination_that_fails_is_no_bid_and_is_asked_once(served: Served) -> None:
    served.configure(more=NO_BID)
    served.brain.script = Script(status=503, body=b"down")
    served.start()
    assert served.post("/ping").status == 202
    wait_until("it is recorded", lambda: recorded(served)[0]["result"] == "http_503")
    assert list(served.brain.keys.values()) == [1]
    assert served.live_answers() == {"ping http_503": 1}


def test_a_held_destination_is_not_asked_to_bid(served: Served) -> None:
    served.configure(more=NO_BID)
    served.start()
    served.run("hold", "brain", "--reason", "deploying")
    assert served.post("/ping").status == 202
    wait_until("it is recorded", lambda: recorded(served)[0]["result"] == "held")
    assert served.brain.requests == []


def test_after_a_switch_pings_are_put_where_leads_go(served: Served) -> None:
    with a_brain() as green:
        green.script = Script(body=b'{"bid": 9}')
        served.start()
        assert served.post("/ping").body == served.brain.script.body
        served.run("deploy", "--destination", "brain", "--switch-to", green.url, "--", "true")
        assert served.post("/ping").body == b'{"bid": 9}'
        assert len(served.brain.requests) == 1


def test_a_ping_waits_for_a_free_carrier_no_longer_than_its_time(served: Served) -> None:
    served.configure(more=NO_BID, destination="concurrency = 1", timeout_ms=300)
    served.brain.may_answer.clear()
    served.start()
    served.post("/other")
    assert served.brain.arrived.wait(20)
    assert served.post("/ping").status == 202
    wait_until("it is recorded", lambda: recorded(served)[0]["result"] == "busy")
    served.brain.may_answer.set()
    wait_until("the lead is delivered", lambda: served.all_completed(1))
    assert len(served.brain.requests) == 1


def test_a_ping_that_is_too_large_to_be_asked_about_is_no_bid_and_recorded(
    served: Served,
) -> None:
    served.configure(more=NO_BID)
    served.start()
    assert served.post("/ping", b"x" * (1024**2 + 1)).status == 202
    assert served.live_answers() == {"ping too_large": 1}
    assert recorded(served)[0]["result"] == "unanswered"
    assert served.brain.requests == []


def test_pings_of_a_worker_killed_in_the_middle_are_over(served: Served) -> None:
    served.configure(more=NO_BID, timeout_ms=60_000)
    served.brain.may_answer.clear()
    served.start()
    with served.client() as client:
        client.send(request("POST", "/ping", b"{}"))
        assert served.brain.arrived.wait(20)
        killed = served.pid("worker")
        os.kill(killed, signal.SIGKILL)
        assert client.answer().status == 202
    served.brain.may_answer.set()
    wait_until("another serves", lambda: served.is_serving() and served.pid("worker") != killed)
    assert served.post("/lead").body == served.brain.script.body
    assert recorded(served)[0]["result"] == "unanswered"
    assert len(served.brain.requests) == 2
    assert served.command("ledger")["balanced"]


def test_a_hundred_pings_at_once_are_each_asked_once_and_all_recorded(served: Served) -> None:
    served.configure(timeout_ms=30_000)
    served.start()
    clients = [served.client() for _ in range(100)]
    for client in clients:
        client.send(request("POST", "/ping", b"{}"))
    assert [client.answer().body for client in clients] == [served.brain.script.body] * 100
    for client in clients:
        client.sock.close()
    assert sorted(served.brain.keys.values()) == [1] * 100
    count = "SELECT result, COUNT(*) AS n FROM ping_outcomes GROUP BY result"
    all_answered = [{"result": "answered", "n": 100}]
    wait_until("all are recorded", lambda: served.command("sql", count) == all_answered)
    ledger = served.command("ledger")
    assert (ledger["balanced"], ledger["total"]["pings"]) == (True, 100)
    assert served.statuses() == {}


def test_pings_come_back_from_the_archive_as_pings(served: Served) -> None:
    served.start()
    served.post("/ping")
    served.post("/lead")
    recorded(served)
    wait_until("the lead is delivered", lambda: served.all_completed(1))
    served.stop()
    served.run("verify")
    served.run("rebuild", "--replace", "--yes")
    (ping,) = served.command("pings")
    assert ping["result"] == "unanswered"
    assert served.statuses() == {"completed": 1}
    ledger = served.command("ledger")
    assert (ledger["balanced"], ledger["total"]["pings"]) == (True, 1)
    served.start()
    served.post("/lead", b"another")
    wait_until("only what is new is delivered", lambda: served.all_completed(2))
    assert [path for _, path, _, _ in served.brain.requests] == ["/lead"] * 3
