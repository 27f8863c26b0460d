"""What an application's own words confirm, over a real connection."""

import gzip
from email.utils import formatdate

import pytest

from leadkeep.destinations.base import Reply
from leadkeep.settings.statuses import StatusRange
from leadkeep.states import Status
from tests.integration.delivery.conftest import MakeDestination
from tests.integration.delivery.leads import a_claim
from tests.integration.delivery.raw_server import Answer, Visit, raw_server, replies
from tests.integration.delivery.workbench import Workbench, eventually

CANARY = "canary-personal"
STORED = b'{"success": true, "lead_id": "77"}'
NOT_STORED = b'{"success": true, "lead_id": null, "name": "canary-personal"}'


def answer(body: bytes, *, status: int = 200, headers: bytes = b"") -> bytes:
    head = b"HTTP/1.1 %d X\r\nContent-Type: application/json\r\n%bContent-Length: %d\r\n\r\n"
    return head % (status, headers, len(body)) + body


async def reply_to(make: MakeDestination, script: Answer, **settings: object) -> Reply:
    async with raw_server(script) as server:
        destination = make(server.url, **settings)
        reply = await destination.attempt(a_claim())
        await destination.close()
        return reply


async def test_a_200_with_the_leads_id_confirms(destination_at: MakeDestination) -> None:
    reply = await reply_to(
        destination_at, replies(answer(STORED)), success_when="success && lead_id"
    )
    assert (reply.confirmed, reply.status, reply.body) == (True, 200, STORED)


async def test_a_200_without_it_is_a_failed_attempt_with_the_reason(
    destination_at: MakeDestination,
) -> None:
    sent = answer(NOT_STORED, headers=b"Retry-After: 120\r\n")
    reply = await reply_to(destination_at, replies(sent), success_when="success && lead_id")
    assert (reply.confirmed, reply.status, reply.error_class) == (False, 200, "unconfirmed")
    assert reply.error_message.endswith("`lead_id` is missing")
    assert CANARY not in reply.error_message
    assert reply.body == NOT_STORED
    assert reply.retry_after_seconds == 120


@pytest.mark.parametrize("status", [200, 302, 404, 503])
async def test_a_date_to_come_back_at_is_heard_whatever_the_status(
    destination_at: MakeDestination, status: int
) -> None:
    # Far enough for no slow machine to reach it.
    later = formatdate(4_102_444_800, usegmt=True).encode()
    sent = answer(b"{}", status=status, headers=b"Retry-After: %b\r\n" % later)
    reply = await reply_to(destination_at, replies(sent), success_when="success")
    assert not reply.confirmed
    assert reply.retry_after_seconds is not None and reply.retry_after_seconds > 86_400


async def test_already_have_it_can_confirm(destination_at: MakeDestination) -> None:
    statuses = (StatusRange(200, 299), StatusRange(409, 409))
    reply = await reply_to(
        destination_at, replies(answer(b"{}", status=409)), success_statuses=statuses
    )
    assert (reply.confirmed, reply.status) == (True, 409)


async def test_a_409_that_breaks_off_confirms_no_more_than_a_200_would(
    destination_at: MakeDestination,
) -> None:
    broken = b"HTTP/1.1 409 X\r\nContent-Length: 100\r\n\r\nhal"
    statuses = (StatusRange(409, 409),)
    cut = await reply_to(
        destination_at, replies(broken, then_close=True), success_statuses=statuses
    )
    assert (cut.confirmed, cut.error_class) == (False, "malformed_reply")
    plain = await reply_to(destination_at, replies(broken, then_close=True))
    assert (plain.confirmed, plain.error_class) == (False, "http_409")


async def test_a_reply_longer_than_is_read_cannot_satisfy_a_condition(
    destination_at: MakeDestination,
) -> None:
    long = replies(answer(STORED + b" " * 5_000))
    limits = {"reply_max_bytes": 1_000}
    reply = await reply_to(destination_at, long, success_when="success", **limits)
    assert (reply.confirmed, reply.error_class) == (False, "unconfirmed")
    assert "longer than reply_max_bytes" in reply.error_message
    assert (await reply_to(destination_at, long, **limits)).confirmed


async def test_a_compressed_reply_is_judged_by_what_it_says_and_recorded_as_sent(
    destination_at: MakeDestination,
) -> None:
    sent = gzip.compress(STORED)
    script = replies(answer(sent, headers=b"Content-Encoding: gzip\r\n"))
    reply = await reply_to(destination_at, script, success_when="lead_id == '77'")
    assert (reply.confirmed, reply.body) == (True, sent)


async def test_a_plain_text_can_confirm(destination_at: MakeDestination) -> None:
    for text, confirmed in ((b"OK 77", True), (b"ERROR canary-personal", False)):
        reply = await reply_to(destination_at, replies(answer(text)), success_text=r"^OK\b")
        assert reply.confirmed is confirmed
        assert CANARY not in reply.error_message


async def test_a_lead_is_tried_until_the_application_says_that_it_has_it(bench: Workbench) -> None:
    answers = iter([NOT_STORED, b'{"success": false}', STORED])

    async def script(visit: Visit) -> None:
        while await visit.request():
            await visit.send(answer(next(answers, STORED)))

    async with raw_server(script) as server:
        await bench.add_leads(1)
        urls = {"brain": server.url}
        async with bench.running(urls, success_when="success && lead_id", concurrency=1):
            await eventually(bench.all_completed)
    [lead] = await bench.deliveries()
    attempts = (await bench.store.lead(lead.lead_id)).attempts[lead.delivery_id]
    classes = [attempt.error_class for attempt in attempts]
    assert classes == ["unconfirmed", "unconfirmed", ""]
    assert lead.status is Status.COMPLETED
