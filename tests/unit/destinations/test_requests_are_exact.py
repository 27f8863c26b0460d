"""Whatever a vendor sends, its request goes out with the same bytes in the same order."""

import base64
import hashlib
import hmac
import string

from hypothesis import given
from hypothesis import strategies as st

from leadkeep.destinations.request import RequestForm
from leadkeep.settings.model import DestinationSettings, SignSettings
from tests.fakes.clock import FakeClock
from tests.integration.delivery.leads import LEAD_ID, a_claim

TOKEN = string.ascii_letters + string.digits + "!#$%&'*+-.^_`|~"
NOT_KEPT = {
    *("connection", "content-length", "expect", "host", "http2-settings", "keep-alive", "te"),
    *("trailer", "transfer-encoding", "upgrade", "idempotency-key"),
}
NAMES = st.text(TOKEN, min_size=1, max_size=20).filter(
    lambda name: (
        name.lower() not in NOT_KEPT and not name.lower().startswith(("leadkeep-", "proxy-"))
    )
)
VALUES = st.binary(max_size=40).map(
    lambda value: value.translate(None, b"\0\r\n").replace(b"onnection:", b"")
)
TARGETS = st.binary(max_size=60).map(
    lambda raw: bytes(byte for byte in raw if byte > 32 and byte != 127)
)
KEY = b"leadkeep's key for its own tests"


@given(
    st.text(TOKEN, min_size=1, max_size=12),
    TARGETS,
    st.lists(st.tuples(NAMES, VALUES), max_size=8),
    st.binary(max_size=200),
)
def test_method_query_headers_and_body_are_the_vendor_s(
    method: str, query: bytes, headers: list[tuple[str, bytes]], body: bytes
) -> None:
    sent = b"".join(b"%b: %b\r\n" % (name.encode(), value) for name, value in headers)
    form = RequestForm("brain", DestinationSettings(url="http://h/hook"), clock=FakeClock())
    claim = a_claim(method=method, target=b"/in?" + query, headers=sent, body=body)
    head = form.head(claim)
    assert head.startswith(
        b"%b /hook?%b HTTP/1.1\r\nHost: h\r\n%b" % (method.encode(), query, sent)
    )
    rest = head.partition(b"HTTP/1.1\r\nHost: h\r\n" + sent)[2].split(b"\r\n")
    if body or method in ("POST", "PUT", "PATCH"):
        assert rest.pop(0) == b"Content-Length: %d" % len(body)
    assert rest[0] == b"Idempotency-Key: " + LEAD_ID.encode()
    assert rest[-2:] == [b"", b""]


@given(st.binary(max_size=300))
def test_what_is_signed_is_the_body_that_is_sent(body: bytes) -> None:
    clock = FakeClock()
    settings = DestinationSettings(
        url="http://h/hook",
        sign=SignSettings(secrets=(f"whsec_{base64.b64encode(KEY).decode()}",)),
    )
    head = RequestForm("brain", settings, clock=clock).head(a_claim(body=body))
    signed = f"{LEAD_ID}.{clock.now_us() // 1_000_000}.".encode() + body
    expected = base64.b64encode(hmac.digest(KEY, signed, hashlib.sha256))
    assert head.endswith(b"\r\nLeadkeep-Signature: v1," + expected + b"\r\n\r\n")
