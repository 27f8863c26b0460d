"""Whatever comes over the line is a message or a reason to cut it, and takes bounded memory."""

import contextlib
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leadkeep.live.frames import (
    ANSWERS,
    ASK_MAX,
    ASKS,
    Answer,
    Ask,
    BadFrame,
    Incoming,
    LeadAsk,
    PingAsk,
    framed,
)

A_LEAD = LeadAsk(ask=7, lead_id=bytes(range(16)), destination="crm", within_ms=3_000)
A_PING = PingAsk(
    ask=8,
    ping_id=bytes(16),
    source="vendor",
    destination="bids",
    within_ms=1_000,
    received_at_ms=1_786_802_449_123,
    method="POST",
    target=b"/ping?zip=43215",
    headers=b"Content-Type: application/json\r\n",
    body=bytes(range(256)),
)


def asks() -> Incoming[Ask]:
    return Incoming(ASKS, longest=ASK_MAX)


@given(st.lists(st.sampled_from([A_LEAD, A_PING]), max_size=5), st.lists(st.integers(0, 2_000)))
def test_messages_come_out_as_they_went_in_however_they_are_cut(
    messages: list[LeadAsk | PingAsk], cuts: list[int]
) -> None:
    data = b"".join(map(framed, messages))
    edges = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
    incoming = asks()
    found: list[LeadAsk | PingAsk] = []
    for begin, end in itertools.pairwise(edges):
        found += incoming.take(data[begin:end])
    assert found == messages


def test_an_answer_keeps_every_byte() -> None:
    answer = Answer(3, 201, "", "text/xml", {"Content-Language": "en"}, bytes(range(256)))
    assert Incoming(ANSWERS, longest=ASK_MAX).take(framed(answer)) == [answer]


@given(st.binary(min_size=1, max_size=200))
def test_any_bytes_are_messages_or_bad_or_wait_for_more(data: bytes) -> None:
    incoming = asks()
    with contextlib.suppress(BadFrame):
        assert all(isinstance(one, LeadAsk | PingAsk) for one in incoming.take(data))


def test_a_message_that_claims_to_be_too_long_is_refused_before_it_comes() -> None:
    with pytest.raises(BadFrame):
        asks().take((ASK_MAX + 1).to_bytes(4, "big"))


def test_an_answer_is_no_question() -> None:
    with pytest.raises(BadFrame):
        asks().take(framed(Answer(1)))
