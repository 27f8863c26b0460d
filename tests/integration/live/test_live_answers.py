"""A vendor that waits gets the destination's own answer, or the queued one in time; never less."""

import pytest

from tests.integration.intake.rig import request
from tests.integration.live.rig import Script, Served
from tests.integration.waiting import wait_until

QUEUED = "Lead queued for processing"


def test_a_success_is_relayed_with_status_type_and_body(served: Served) -> None:
    served.brain.script = Script(
        status=201,
        headers={
            "Content-Type": "text/xml; charset=utf-8",
            "Content-Language": "en",
            "Set-Cookie": "session=1",
            "Location": "http://10.0.0.1/inside",
        },
        body=b"<response><status>Matched</status></response>",
    )
    served.start()
    answer = served.post()
    assert (answer.status, answer.body) == (201, served.brain.script.body)
    assert answer.headers["content-type"] == "text/xml; charset=utf-8"
    assert answer.headers["content-language"] == "en"
    assert not {"set-cookie", "location", "server"} & answer.headers.keys()
    assert served.statuses() == {"completed": 1}
    assert served.attempts() == 1
    assert served.live_answers() == {"lead relayed": 1}


def test_an_answer_without_a_body_is_relayed_as_one(served: Served) -> None:
    served.brain.script = Script(status=204, headers={}, body=b"")
    served.start()
    answer = served.post()
    assert (answer.status, answer.body) == (204, b"")
    assert "content-length" not in answer.headers
    assert served.all_completed(1)


def test_a_failed_attempt_is_answered_as_queued_and_tried_again(served: Served) -> None:
    served.brain.script = Script(status=503, body=b"down")
    served.start()
    answer = served.post()
    assert (answer.status, QUEUED in answer.body.decode()) == (200, True)
    assert served.live_answers() == {"lead failed": 1}
    served.brain.script = Script()
    wait_until("a later try succeeds", lambda: served.all_completed(1))


def test_a_slow_destination_costs_the_vendor_the_timeout_and_the_lead_nothing(
    served: Served,
) -> None:
    served.configure(timeout_ms=300)
    served.brain.may_answer.clear()
    served.start()
    answer = served.post()
    assert QUEUED in answer.body.decode()
    assert served.live_answers() == {"lead timeout": 1}
    served.brain.may_answer.set()
    wait_until("the late success counts", lambda: served.all_completed(1))
    assert list(served.brain.keys.values()) == [1]
    assert served.attempts() == 1


def test_a_reply_that_is_longer_than_what_is_recorded_of_one_is_not_relayed(
    served: Served,
) -> None:
    served.configure(destination="reply_max_bytes = 1000")
    served.brain.script = Script(body=b"x" * 1001)
    served.start()
    assert QUEUED in served.post().body.decode()
    served.brain.script = Script(body=b"y" * 1000, lies_in_chunks=True)
    assert QUEUED in served.post().body.decode()
    served.brain.script = Script(body=b"z" * 1000)
    assert served.post().body == b"z" * 1000
    assert served.live_answers() == {"lead truncated": 2, "lead relayed": 1}
    assert served.all_completed(3)
    assert served.attempts() == 3


def test_a_held_destination_is_not_asked_and_the_vendor_does_not_wait(served: Served) -> None:
    served.start()
    served.run("hold", "brain", "--reason", "deploying")
    assert QUEUED in served.post().body.decode()
    assert served.live_answers() == {"lead held": 1}
    assert served.brain.requests == []
    assert served.statuses() == {"pending": 1}
    served.run("resume", "brain")
    wait_until("it is delivered afterwards", lambda: served.all_completed(1))
    assert served.attempts() == 1


def test_two_hundred_live_leads_at_once_are_each_tried_once_and_answered(served: Served) -> None:
    served.configure(timeout_ms=30_000)
    served.start()
    clients = [served.client() for _ in range(200)]
    for number, client in enumerate(clients):
        client.send(request("POST", "/lead", b'{"n": %d}' % number))
    bodies = [client.answer().body for client in clients]
    for client in clients:
        client.sock.close()
    assert bodies == [served.brain.script.body] * 200
    assert served.live_answers() == {"lead relayed": 200}
    assert sorted(served.brain.keys.values()) == [1] * 200
    assert served.all_completed(200)
    assert served.attempts() == 200


def test_live_leads_go_before_a_backlog_that_waits_for_its_turn(served: Served) -> None:
    served.configure(destination="concurrency = 2")
    served.start()
    served.run("hold", "brain", "--reason", "so that a backlog grows")
    with served.client() as client:
        for twenty in range(0, 200, 20):
            for number in range(twenty, twenty + 20):
                client.send(request("POST", "/other", b'{"n": %d}' % number))
            for _ in range(20):
                client.answer()
    wait_until("all of them wait", lambda: served.statuses()["pending"] == 200)
    served.brain.may_answer.clear()
    served.run("resume", "brain")
    wait_until("the first of them are under way", lambda: len(served.brain.requests) == 2)
    with served.client() as waiting:
        waiting.send(request("POST", "/lead", b'{"live": true}'))
        wait_until("it is claimed", lambda: _is_claimed(served))
        served.brain.may_answer.set()
        assert waiting.answer().body == served.brain.script.body
    bodies = [body for *_, body in served.brain.requests]
    assert bodies.index(b'{"live": true}') < 60
    wait_until("the rest follows", lambda: served.all_completed(201))


def _is_claimed(served: Served) -> bool:
    rows = served.command(
        "sql", "SELECT status FROM lead_queue WHERE source = 'vendor' AND status = 'processing'"
    )
    return bool(rows)


def test_a_vendor_that_hangs_up_while_it_waits_loses_nothing(served: Served) -> None:
    served.brain.may_answer.clear()
    served.start()
    client = served.client().send(request("POST", "/lead", b"{}"))
    assert served.brain.arrived.wait(20)
    client.sock.close()
    served.brain.may_answer.set()
    wait_until("it is delivered", lambda: served.all_completed(1))
    assert list(served.brain.keys.values()) == [1]
    assert QUEUED not in served.post().body.decode()


def test_what_is_pipelined_behind_a_live_lead_is_answered_behind_it(served: Served) -> None:
    served.brain.may_answer.clear()
    served.start()
    with served.client() as client:
        client.send(
            request("POST", "/lead", b'{"n": 1}')
            + request("POST", "/other", b'{"n": 2}')
            + request("GET", "/livez")
            + request("POST", "/lead", b'{"n": 3}')
            + request("POST", "/other", b'{"n": 4}', headers=["Connection: close"])
        )
        wait_until("both are asked", lambda: len(served.brain.requests) >= 2)
        assert client.is_silent(0.2)
        served.brain.may_answer.set()
        answers = [client.answer() for _ in range(5)]
        assert client.is_closed()
    relayed = served.brain.script.body
    assert [answer.body == relayed for answer in answers] == [True, False, False, True, False]
    assert [answer.closes for answer in answers] == [False, False, False, False, True]
    assert answers[2].json == {"status": "alive"}


def test_sources_that_are_not_live_do_not_wait(served: Served) -> None:
    served.brain.may_answer.clear()
    served.start()
    assert QUEUED in served.post("/other").body.decode()
    assert served.live_answers() == {}


def test_of_several_destinations_the_named_one_answers(served: Served) -> None:
    served.configure(
        source='live_destination = "brain"\ndestinations = ["deaf", "brain"]',
        more='[destinations.deaf]\nurl = "http://127.0.0.1:9/"\n',
    )
    served.start()
    assert served.post().body == served.brain.script.body
    served.stop()
    served.configure(
        source='destinations = ["deaf", "brain"]',
        more='[destinations.deaf]\nurl = "http://127.0.0.1:9/"\n',
    )
    served.start()
    assert QUEUED in served.post().body.decode()
    wait_until("the other has it", lambda: served.statuses()["completed"] == 2)


@pytest.mark.parametrize("method", ["PUT", "GET"])
def test_any_lead_may_be_live_whatever_its_method(served: Served, method: str) -> None:
    served.start()
    target = "/lead?name=Ada" if method == "GET" else "/lead"
    body = b"" if method == "GET" else b"{}"
    with served.client() as client:
        assert client.ask(request(method, target, body)).body == served.brain.script.body
