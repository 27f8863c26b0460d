"""Which reply belongs to which source and path, with the built-in ones of the drop-in URLs.

A vendor that was set up for the system that Leadkeep replaces keeps its URL and gets the reply it
knows. A source's own reply always wins.
"""

from collections.abc import Mapping

from leadkeep.intake.replies import FixedReply, Reply, ReplyTemplate
from leadkeep.settings.model import ReplySettings, Settings
from leadkeep.settings.replies import NoBidSettings

_TYPED = (
    '{{"success":true,"message":"Lead received","lead_id":"{{{{lead_number}}}}",'
    '"external_lead_id":"{{{{lead_number}}}}","type":"{kind}"}}'
)

DROP_INS: Mapping[bytes, ReplySettings] = {
    b"/api-webhook": ReplySettings(
        body='{"success":true,"message":"Lead received","lead_id":"{{lead_number}}"}'
    ),
    b"/webhook.php": ReplySettings(
        status=201,
        body='{"success":true,"message":"Lead received","lead_id":"{{lead_number}}",'
        '"name":"{{name}}","timestamp":"{{received_at}}"}',
    ),
    b"/webhook/auto": ReplySettings(body=_TYPED.format(kind="auto")),
    b"/webhook/home": ReplySettings(body=_TYPED.format(kind="home")),
    b"/webhook-failsafe.php": ReplySettings(
        body='{"success":true,"message":"Lead queued for processing","timestamp":"{{received_at}}"}'
    ),
}
"""Path → what is answered there to a lead of a source without a reply of its own."""

PROBE = FixedReply(200, b'{"status":"ready"}')
OPTIONS = FixedReply(
    200,
    b'{"status":"ready"}',
    headers={"Allow": "GET, HEAD, OPTIONS, POST, PUT, PATCH, DELETE"},
)
ALIVE = FixedReply(200, b'{"status":"alive"}')
READY = FixedReply(200, b'{"status":"ready"}')
_AGAIN = {"Retry-After": "5"}
NOT_READY = FixedReply(503, b'{"status":"not ready"}', headers=_AGAIN)


def _no(status: int, message: str, *, again: bool = False) -> FixedReply:
    body = f'{{"success": false, "message": "{message}"}}'.encode()
    return FixedReply(status, body, headers=_AGAIN if again else None)


UNAVAILABLE = _no(503, "The lead could not be made durable; please send it again", again=True)
BUSY = _no(503, "Too much at once; please send it again", again=True)
OVER_QUOTA = _no(503, "Too much for a path that is not set up; please send it again", again=True)
STOPPING = _no(503, "Restarting; please send it again", again=True)
MALFORMED = _no(400, "The request is malformed")
CUT_OFF = _no(400, "The request was cut off")
TOO_SLOW = _no(408, "The request did not arrive in time")
TOO_LARGE = _no(413, "The request is too large")
HEADERS_TOO_LARGE = _no(431, "The request's headers are too large")


class ReplyTable:
    """All replies to leads, compiled."""

    def __init__(
        self,
        sources: Mapping[str, Reply],
        default: Reply,
        no_bids: Mapping[str, Reply] | None = None,
    ) -> None:
        self._sources = sources
        self._no_bids = no_bids or {}
        self._default = default
        self._drop_ins = {
            path: ReplyTemplate(settings, key=f"built in for {path.decode()}")
            for path, settings in DROP_INS.items()
        }

    @classmethod
    def of(cls, settings: Settings) -> "ReplyTable":
        """The replies of every source.

        Raises:
            SettingsError: a reply has an unknown placeholder or an impossible header.
        """
        plain = ReplySettings()
        own: dict[str, Reply] = {
            name: ReplyTemplate(source.reply, key=f"sources.{name}.reply")
            for name, source in settings.sources.items()
            if source.reply != plain
        }
        no_bids: dict[str, Reply] = {
            name: ReplyTemplate(_as_reply(source.no_bid), key=f"sources.{name}.no_bid")
            for name, source in settings.sources.items()
            if source.ping_paths
        }
        return cls(own, ReplyTemplate(plain, key="reply"), no_bids)

    def for_lead(self, source: str | None, path: bytes) -> Reply:
        """The reply to a lead.

        Args:
            source: the source that claims the path; None: nobody does.
            path: as received, without query.
        """
        if source is not None and (own := self._sources.get(source)) is not None:
            return own
        return self._drop_ins.get(_plain(path), self._default)

    def for_ping(self, source: str) -> Reply:
        """What a ping of this source is answered when nobody bids."""
        return self._no_bids[source]


def _as_reply(no_bid: NoBidSettings) -> ReplySettings:
    return ReplySettings(
        status=no_bid.status,
        content_type=no_bid.content_type,
        headers=no_bid.headers,
        body=no_bid.body,
    )


def _plain(path: bytes) -> bytes:
    """A path without what makes no difference: scheme and host, fragment, case, a last slash."""
    path = path.partition(b"#")[0]
    if not path.startswith(b"/") and b"://" in path:
        path = b"/" + path.partition(b"://")[2].partition(b"/")[2]
    return path.lower().rstrip(b"/")
