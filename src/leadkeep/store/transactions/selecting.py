"""From a person's selection to the ids of deliveries, newest first, page by page.

Each page is one statement over an index, so that it costs the same at the start and at the end of
ten million rows.
"""

import json
import re
from collections.abc import Iterable
from typing import NamedTuple

import msgspec

from leadkeep.errors import UsageError
from leadkeep.models import Selection
from leadkeep.states import Status
from leadkeep.store.engine.session import Bindings, Session

_LEAD_ID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_LEAD_NUMBER = re.compile(r"[1-9][0-9]{12}")
_PART = re.compile(r"[1-9][0-9]{0,8}")
_BEYOND = 2**63 - 1


class Place(msgspec.Struct, frozen=True, order=True):
    """Where a delivery stands in the order of lists: by lead, then by delivery."""

    lead: int
    delivery: int


END = Place(_BEYOND, _BEYOND)
"""Before the newest."""


def is_lead_id(ref: str) -> bool:
    """True if it is a lead id, false if it is a lead number.

    Raises:
        UsageError: it is neither.
    """
    if _LEAD_ID.fullmatch(ref):
        return True
    if _LEAD_NUMBER.fullmatch(ref):
        return False
    raise UsageError(
        f"{ref[:50]!r} is neither a lead id nor a lead number",
        hint="a lead id is a UUID; a lead number has 13 digits",
    )


class Ref(NamedTuple):
    """What a person has named."""

    lead: str
    """A lead id in small letters, or a lead number."""
    part: int | None
    """Which lead of a request with several; None: the request, with all of them."""

    @property
    def is_id(self) -> bool:
        """By its id, not by its number."""
        return "-" in self.lead


def ref_of(text: str) -> Ref:
    """What a text names: `1795470000001`, a lead id, or one lead of several as `1795470000001/3`.

    Raises:
        UsageError: it names nothing.
    """
    lead, _, part = text.partition("/")
    if part and not _PART.fullmatch(part):
        raise UsageError(
            f"{text[:60]!r}: behind the / stands which lead of the request is meant, from 1",
            hint="`leadkeep leads show` lists the leads of a request",
        )
    by_id = is_lead_id(lead)
    return Ref(lead.lower() if by_id else lead, int(part) if part else None)


class Picker:
    """Finds the deliveries of one selection, page by page.

    Made on a reader's session; which leads lie in the selection's window is settled then.

    Raises:
        UsageError: a reference is neither a lead id nor a lead number.
    """

    def __init__(
        self, session: Session, selection: Selection, *, routed_only: bool = False
    ) -> None:
        self._by_refs = bool(selection.refs)
        refs = [ref_of(ref) for ref in selection.refs]
        parts = [f"{ref.lead}/{ref.part}" for ref in refs if ref.part is not None]
        whole = [ref.lead for ref in refs if ref.part is None]
        since, before = selection.received_from_ms, selection.received_before_ms
        window: Bindings = {
            "received_from_ms": since or 0,
            "received_before_ms": _BEYOND if before is None else before,
        }
        first, last = 0, _BEYOND
        if since is not None or before is not None:
            first, last = _leads_between(session, window)
        self._last_lead = last
        self._conditions: Bindings = {
            **window,
            "first_lead": first,
            "lead_ids": json.dumps([ref.lead for ref in refs if ref.is_id]),
            "lead_numbers": json.dumps([int(ref.lead) for ref in refs if not ref.is_id]),
            "parts": json.dumps(parts) if parts else None,
            "whole": json.dumps(whole),
            "routed_only": routed_only,
            "held_because": selection.held_because,
            "certificate_before_ms": selection.certificate_before_ms,
            "sources": _listed(selection.sources),
            "destinations": _listed(selection.destinations),
        }

    def page(
        self, session: Session, status: Status | None, after: Place, limit: int
    ) -> list[Place]:
        """The next places after `after`, newest first.

        Args:
            status: only deliveries in it; None: in any.
        """
        statement = "pick_any" if status is None else "pick_by_status"
        if self._by_refs:
            statement = "pick_by_refs"
        rows = session.rows(
            statement,
            {
                **self._conditions,
                "status": status,
                "last_lead": min(self._last_lead, after.lead),
                "after_lead": after.lead,
                "after_id": after.delivery,
                "limit": limit,
            },
        )
        return [Place(lead, delivery) for lead, delivery in rows]

    def newest(
        self, session: Session, statuses: Iterable[Status], after: Place, limit: int
    ) -> list[Place]:
        """The next places over several statuses; none named: over all of them."""
        wanted = set(statuses)
        if not wanted:
            return self.page(session, None, after, limit)
        pages = [place for status in wanted for place in self.page(session, status, after, limit)]
        return sorted(pages, reverse=True)[:limit]


def place_of(session: Session, delivery: int) -> Place:
    """Where a delivery stands; one that is gone stands before the newest."""
    lead = session.value("lead_of_delivery", {"delivery": delivery})
    return END if lead is None else Place(lead, delivery)


def _leads_between(session: Session, window: Bindings) -> tuple[int, int]:
    """The first and last lead of a window of time; an empty range if there is none."""
    row = session.row("leads_between", window)
    if row is None or row[0] is None:
        return _BEYOND, 0
    return row[0], row[1]


def _listed(names: tuple[str, ...]) -> str | None:
    return json.dumps(names) if names else None
