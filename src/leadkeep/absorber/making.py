"""From records to leads: whose each is, where it goes, who it is about, what it is like.

A group's records are taken step by step and not one by one: all of them read, then all judged, then
all put together. Each step's code and tables then stay in the processor's cache, which saves a
fifth. Invariant: a record becomes the same lead whatever stands beside it, and none is left out.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

from leadkeep.absorber.importing import as_it_stood
from leadkeep.models import (
    Contact,
    Facts,
    LeadPart,
    Likeness,
    NewLead,
    Position,
    Record,
    RecordFlag,
    is_imported,
)
from leadkeep.sources.contact import ContactReader
from leadkeep.sources.order import OrderReader
from leadkeep.sources.payload import content_type_of
from leadkeep.sources.readable import payload_text
from leadkeep.sources.routes import Route, SourceTable
from leadkeep.sources.routing import Request, Routes
from leadkeep.sources.several import WHOLE, seen_whole
from leadkeep.sources.vendor import Vendor, certificate_expires_at_ms
from leadkeep.states import Disposition

_NO_ROUTE = int(RecordFlag.NO_ROUTE)
"""A plain number: each operation on flags makes a new flag, slowly."""
_and = int.__and__


class _Judged(NamedTuple):
    """What became of a record by its source and its vendor."""

    contact: Contact
    facts: Facts
    route: Route
    likeness: Likeness | None = None
    parts: tuple[LeadPart, ...] = ()
    splits: bool = False
    unparted: str = ""


class LeadMaker:
    """Turns records into leads.

    Args:
        sources: which source's leads go where.
        contacts: reads payloads.
        vendors: what is known of each source's vendor.
        conditional: sources whose leads are routed one by one.
        orders: reads which leads stand in a line with others; None: none do.
    """

    def __init__(
        self,
        sources: SourceTable,
        contacts: ContactReader,
        vendors: Mapping[str, Vendor] = MappingProxyType({}),
        conditional: Mapping[str, Routes] | None = None,
        orders: OrderReader | None = None,
    ) -> None:
        self._sources = sources
        self._conditional = conditional or {}
        self._orders = orders
        self._contacts = contacts
        self._vendors = vendors
        self._routes: dict[str, Route] = {}

    def lead(self, record: Record, position: Position, *, acknowledged: bool) -> NewLead:
        """The record with what could be found out about it; never raises."""
        return self.leads((record,), position, acknowledged=acknowledged)[0]

    def leads(
        self, records: Sequence[Record], position: Position, *, acknowledged: bool
    ) -> list[NewLead]:
        """The records of one group, in their order; never raises."""
        kinds = [content_type_of(record.headers) for record in records]
        read = self._contacts.read_all
        said = [
            read(kind, record.target, record.body)
            for kind, record in zip(kinds, records, strict=True)
        ]
        judged = [
            self._judged(record, contact, facts)
            for record, (contact, facts) in zip(records, said, strict=True)
        ]
        orders = self._orders
        made = [
            NewLead(
                record=record,
                position=position,
                acknowledged=acknowledged,
                disposition=route.disposition,
                destinations=route.destinations,
                hold_reason=route.hold_reason,
                contact=contact,
                payload_text=payload_text(kind, record.target, record.body),
                facts=facts,
                certificate_expires_at_ms=(
                    certificate_expires_at_ms(record, facts) if facts.trusted_form else None
                ),
                likeness=likeness,
                order=None if orders is None else orders.read(record, contact),
                parts=parts,
                splits=splits,
                unparted=unparted,
            )
            for record, kind, (contact, facts, route, likeness, parts, splits, unparted) in zip(
                records, kinds, judged, strict=True
            )
        ]
        return [as_it_stood(lead) if is_imported(lead.record) else lead for lead in made]

    def _judged(self, record: Record, contact: Contact, facts: Facts) -> _Judged:
        route = self._route(record)
        vendor = self._vendors.get(record.source)
        if vendor is None:
            return _Judged(contact, facts, route)
        contact, facts = vendor.read(record, contact, facts)
        parted, splits = vendor.parts(record), False
        if parted is not WHOLE:
            contact, facts = seen_whole(parted, contact, facts)
            splits = vendor.splits(parted)
        route, proof = vendor.route(record, route, facts)
        route = vendor.whole(route, parted)
        likeness = vendor.likeness(record, route, proof)
        return _Judged(contact, facts, route, likeness, parted.parts, splits, parted.unparted)

    def _route(self, record: Record) -> Route:
        if _and(record.flags, _NO_ROUTE):
            return self._sources.route(record.source, record.flags, record.target)
        route = self._routes.get(record.source)
        if route is None:
            routes = self._conditional.get(record.source)
            if routes is not None:
                return routes.route(Request.of(record))
            route = self._sources.route(record.source, record.flags, record.target)
            # Of a source that is configured: any number of others may have been.
            if route.disposition is not Disposition.QUARANTINED:
                self._routes[record.source] = route
        return route
