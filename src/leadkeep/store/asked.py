"""What live answers ask of a store, and what it keeps of pings."""

import msgspec


class LiveAsk(msgspec.Struct, frozen=True, gc=False):
    """A lead whose vendor waits for its destination's answer."""

    lead_id: str
    destination: str
    """Whose answer is wanted; empty: that of the first that the lead goes to."""


class LiveStanding(msgspec.Struct, frozen=True, gc=False):
    """Where the delivery that a vendor waits for stands."""

    lead_id: str
    destination: str
    """Where it goes; empty: that is not known."""
    delivery_id: int = 0
    """0: the lead is not absorbed yet, or has no such delivery."""
    reason: str = ""
    """Why nothing will be answered: `no_route`, `held` or `failed`; empty: it may be."""
    is_claimable: bool = False
    """It waits for its first try."""
    response_status: int | None = None
    """It is completed, and this is what its destination answered; None: it is not."""
    response_headers: bytes = b""
    response_body: bytes = b""


class PingWay(msgspec.Struct, frozen=True, gc=False):
    """Whether and where a ping to a destination may go now."""

    held: bool
    """Something holds the destination."""
    url: str
    """Where to instead of the configured url, since a deployment switched; empty: there."""


class PingOutcome(msgspec.Struct, frozen=True, gc=False):
    """What came of one ping."""

    ping_id: str
    destination: str
    started_at_ms: int
    duration_ms: int
    result: str
    """`answered`, or why the vendor got no bid, in a word: `timeout`, `held`, `http_503`, …"""
    message: str
    """The same in words; empty if it was answered."""
    response_status: int | None = None
    response_body: bytes = b""


class PingView(msgspec.Struct, frozen=True, gc=False):
    """One ping, as shown: what was asked by whom, and what came of it."""

    number: int
    """Of its row; grows."""
    ping_id: str
    source: str
    received_at_ms: int
    peer: str
    method: str
    path: str
    no_bid_status: int
    """What its vendor is answered when nobody bids."""
    result: str
    """As in `PingOutcome`; `unanswered`: no worker took it in time."""
    destination: str
    started_at_ms: int | None
    duration_ms: int | None
    message: str
    response_status: int | None
    response_body: bytes
