"""What becomes a lead, and what the vendor is told."""

import json
import re
from uuid import UUID

import pytest

from leadkeep.models import RecordFlag, RecordKind
from tests.integration.intake.rig import RunningDoor, request

BODY = b'{"contact":{"first_name":"Ada"}}'


def test_a_post_is_durable_when_its_answer_arrives(door: RunningDoor) -> None:
    answer = door.ask(request(body=BODY))

    assert answer.status == 200
    [lead] = door.leads()
    assert lead.body == BODY
    assert lead.method == "POST"
    assert lead.target == b"/lead"
    assert lead.source == "default"
    assert lead.peer == "127.0.0.1"
    assert lead.answer_status == 200
    assert lead.flags == RecordFlag.NONE


def test_the_default_answer_has_these_keys_in_this_order(door: RunningDoor) -> None:
    answer = door.ask(request(body=BODY))

    [lead] = door.leads()
    said = answer.json
    assert list(said) == ["success", "message", "lead_id", "lead_number", "timestamp"]
    assert said["success"] is True
    assert said["message"] == "Lead queued for processing"
    assert UUID(said["lead_id"]).bytes == lead.lead_id
    assert UUID(said["lead_id"]).version == 7
    assert re.fullmatch(r"\d{13}", said["lead_number"])
    assert int(said["lead_number"]) == lead.lead_number
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", said["timestamp"])
    assert answer.headers["content-type"] == "application/json"
    assert "date" in answer.headers


def test_headers_are_kept_in_order_case_and_number(door: RunningDoor) -> None:
    lines = ["X-Two: b", "x-one: a", "X-Two: c", "X-Empty:", "X-Latin: caf\u00e9  "]
    raw = request(body=BODY, headers=lines).decode().encode("latin-1")
    door.ask(raw)

    [lead] = door.leads()
    assert lead.headers == (
        b"Host: door.test\r\nX-Two: b\r\nx-one: a\r\nX-Two: c\r\nX-Empty: \r\n"
        b"X-Latin: caf\xe9  \r\nContent-Length: %d\r\n" % len(BODY)
    )


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "GET", "OPTIONS", "TRACE"])
def test_any_method_with_a_body_is_a_lead(door: RunningDoor, method: str) -> None:
    assert door.ask(request(method, body=b"\x00\xff not utf-8")).status == 200

    [lead] = door.leads()
    assert (lead.method, lead.body) == (method, b"\x00\xff not utf-8")


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "POST", "DELETE"])
def test_any_method_with_a_query_is_a_lead(door: RunningDoor, method: str) -> None:
    with door.connect() as client:
        answer = client.ask(request(method, "/in?name=Ada&x=%00"), head_only=method == "HEAD")

    assert answer.status == 200
    [lead] = door.leads()
    assert (lead.method, lead.target, lead.body) == (method, b"/in?name=Ada&x=%00", b"")


def test_a_post_without_body_is_a_lead(door: RunningDoor) -> None:
    assert door.ask(request(body=b"")).status == 200
    assert door.ask(b"POST /no-length HTTP/1.1\r\nHost: a\r\n\r\n").status == 200

    assert [lead.target for lead in door.leads()] == [b"/lead", b"/no-length"]


def test_a_chunked_body_is_put_together(door: RunningDoor) -> None:
    raw = (
        b"POST /lead HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"4;ext=1\r\nWiki\r\n5\r\npedia\r\n0\r\nX-Trailer: gone\r\n\r\n"
    )
    with door.connect() as client:
        assert client.ask(raw).status == 200
        assert client.ask(request(body=b"next")).status == 200

    first, second = door.leads()
    assert first.body == b"Wikipedia"
    assert b"X-Trailer" not in first.headers
    assert second.body == b"next"
    assert b"X-Trailer" not in second.headers


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
@pytest.mark.parametrize("target", ["/", "/api-webhook", "/x?"])
def test_a_bare_look_is_a_probe_and_no_lead(door: RunningDoor, method: str, target: str) -> None:
    with door.connect() as client:
        answer = client.ask(request(method, target), head_only=method == "HEAD")
        assert client.ask(request(body=b"still in step")).status == 200

    assert answer.status == 200
    if method == "HEAD":
        assert int(answer.headers["content-length"]) > 0
    else:
        assert answer.body == b'{"status":"ready"}'
    [probe] = door.records(RecordKind.PROBE)
    assert (probe.method, probe.target) == (method, target.encode())
    assert len(door.leads()) == 1


def test_probes_cannot_fill_the_disk(door: RunningDoor) -> None:
    with door.connect() as client:
        answers = [client.ask(request("GET", "/")).status for _ in range(300)]

    assert answers == [200] * 300
    recorded = len(door.records(RecordKind.PROBE))
    assert 100 <= recorded <= 150
    assert door.door.counts.uncounted_notices == 300 - recorded


def test_a_head_with_a_query_is_answered_without_a_body(door: RunningDoor) -> None:
    with door.connect() as client:
        client.send(request("HEAD", "/in?a=1") + request(body=b"x"))
        assert client.answer(head_only=True).status == 200
        assert client.answer().json["success"] is True


def test_http_1_0_is_closed_unless_it_asks_to_be_kept(door: RunningDoor) -> None:
    with door.connect() as client:
        answer = client.ask(request(body=BODY, version="1.0"))
        assert answer.status == 200
        assert answer.closes
        assert client.is_closed()
    with door.connect() as client:
        for _ in range(2):
            keep = request(body=BODY, version="1.0", headers=["Connection: keep-alive"])
            answer = client.ask(keep)
            assert answer.headers["connection"] == "keep-alive"
    assert len(door.leads()) == 3


def test_connection_close_is_honoured(door: RunningDoor) -> None:
    with door.connect() as client:
        answer = client.ask(request(body=BODY, headers=["Connection: close"]))
        assert answer.closes
        assert client.is_closed()


def test_a_sender_that_half_closes_gets_its_answer(door: RunningDoor) -> None:
    with door.connect() as client:
        client.send(request(body=BODY)).half_close()
        assert client.answer().status == 200
        assert client.is_closed()


def test_an_offer_to_upgrade_is_read_as_an_ordinary_request(door: RunningDoor) -> None:
    offer = ["Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABk"]
    with door.connect() as client:
        client.send(request(body=BODY, headers=offer) * 3 + request(body=b"plain"))
        answers = [client.answer().status for _ in range(4)]

    assert answers == [200] * 4
    leads = door.leads()
    assert [lead.body for lead in leads] == [BODY] * 3 + [b"plain"]
    assert b"Upgrade: h2c\r\n" in leads[0].headers


def test_an_offer_to_upgrade_may_come_in_pieces(door: RunningDoor) -> None:
    raw = request(body=BODY, headers=["Connection: Upgrade", "Upgrade: websocket"])
    with door.connect() as client:
        client.send(raw[: -len(BODY)])
        assert client.is_silent()
        assert client.ask(raw[-len(BODY) :]).status == 200
    assert [lead.body for lead in door.leads()] == [BODY]


def test_no_tunnel_is_opened(door: RunningDoor) -> None:
    with door.connect() as client:
        answer = client.ask(b"CONNECT example.org:443 HTTP/1.1\r\nHost: a\r\n\r\n")
        assert answer.status == 400
        assert client.is_closed()
    [rejection] = door.rejections()
    assert (rejection.method, rejection.answer_status) == ("CONNECT", 400)


def test_a_continue_is_sent_when_it_is_waited_for(door: RunningDoor) -> None:
    raw = request(body=BODY, headers=["Expect: 100-continue"])
    with door.connect() as client:
        assert client.ask(raw[: -len(BODY)]).status == 100
        assert client.ask(BODY).status == 200
    assert [lead.body for lead in door.leads()] == [BODY]


def test_no_continue_is_sent_for_a_body_that_is_too_large(door: RunningDoor) -> None:
    with door.connect() as client:
        answer = client.ask(
            b"POST / HTTP/1.1\r\nHost: a\r\n"
            b"Expect: 100-continue\r\nContent-Length: 99999999\r\n\r\n"
        )
        assert answer.status == 413


def test_a_continue_comes_after_the_answers_before_it(door: RunningDoor) -> None:
    raw = request(body=BODY, headers=["Expect: 100-continue"])
    with door.connect() as client:
        client.send(request(body=b"first") + raw[: -len(BODY)])
        assert [client.answer().status, client.answer().status] == [200, 100]
        assert client.ask(BODY).status == 200


def test_answers_come_in_the_order_of_the_requests(door: RunningDoor) -> None:
    wire = b"".join(
        request(body=b"lead")
        + request("GET", "/livez")
        + request("GET", "/")
        + request("GET", f"/q?n={n}")
        + request("GET", "/readyz")
        for n in range(40)
    )
    with door.connect() as client:
        client.send(wire)
        bodies = [client.answer().body for _ in range(200)]

    kinds = ["lead" if b"lead_id" in body else json.loads(body)["status"] for body in bodies]
    assert kinds == ["lead", "alive", "ready", "lead", "ready"] * 40
    numbers = [int(json.loads(body)["lead_number"]) for body in bodies if b"lead_id" in body]
    assert numbers == sorted(numbers)
    assert numbers == [lead.lead_number for lead in door.leads()]


def test_a_thousand_pipelined_leads_are_all_answered(door: RunningDoor) -> None:
    with door.connect() as client:
        client.send(request(body=BODY) * 1000)
        assert [client.answer().status for _ in range(1000)] == [200] * 1000
    assert len(door.leads()) == 1000


def test_an_absolute_target_is_kept_as_it_came(door: RunningDoor) -> None:
    assert door.ask(request(target="http://door.test/lead?x=1", body=BODY)).status == 200
    [lead] = door.leads()
    assert lead.target == b"http://door.test/lead?x=1"


def test_an_http_1_0_sender_is_never_told_to_continue(door: RunningDoor) -> None:
    raw = request(body=BODY, version="1.0", headers=["Expect: 100-continue"])
    with door.connect() as client:
        assert client.send(raw[: -len(BODY)]).is_silent()
        assert client.ask(BODY).status == 200
