"""What does not prove to be the vendor's is held with the reason, however late it is looked at."""

import hashlib
import hmac
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from leadkeep.absorber.making import LeadMaker
from leadkeep.models import NewLead, Position, RecordFlag
from leadkeep.settings.load import load
from leadkeep.sources.contact import ContactReader
from leadkeep.sources.routes import SourceTable
from leadkeep.sources.vendor import vendors_of
from leadkeep.states import Disposition
from tests.store.builders import RECEIVED_AT_US, a_record

TOML = """
[sources.stripe]
paths = ["/stripe"]
preset = "stripe"
secrets = "whsec_1"

[sources.open]
paths = ["/open"]

[destinations.brain]
url = "http://127.0.0.1:9/"
"""
BODY = b'{"id": "evt_1"}'


@pytest.fixture
def maker(tmp_path: Path) -> LeadMaker:
    file = tmp_path / "leadkeep.toml"
    file.write_text(TOML)
    settings = load(config=file, environ={}, flags={}, cwd=tmp_path)
    return LeadMaker(SourceTable.of(settings), ContactReader("US"), vendors_of(settings))


def _made(maker: LeadMaker, secret: bytes = b"whsec_1", **overrides: Any) -> NewLead:
    at = RECEIVED_AT_US // 1_000_000 - 100
    made = hmac.new(secret, b"%d." % at + BODY, hashlib.sha256).hexdigest()
    values: dict[str, Any] = {
        "source": "stripe",
        "headers": f"Stripe-Signature: t={at},v1={made}\r\n".encode(),
        "body": BODY,
    }
    record = a_record(**(values | overrides))
    return maker.lead(record, Position(UUID(int=1), 0), acknowledged=True)


def test_a_lead_that_proves_its_vendor_goes_where_the_source_sends(maker: LeadMaker) -> None:
    lead = _made(maker)
    assert (lead.disposition, lead.destinations, lead.hold_reason) == (
        *(Disposition.ROUTED, ("brain",), ""),
    )


def test_a_lead_that_does_not_is_held_and_keeps_its_way(maker: LeadMaker) -> None:
    lead = _made(maker, b"guess")
    assert (lead.disposition, lead.destinations) == (Disposition.QUARANTINED, ("brain",))
    assert lead.hold_reason == (
        "not proved to be from stripe: its signature does not fit what was sent and the secret"
    )


def test_a_program_of_ours_need_not_prove_itself(maker: LeadMaker) -> None:
    lead = _made(maker, headers=b"", flags=RecordFlag.PUSHED)
    assert lead.disposition is Disposition.ROUTED


def test_a_source_that_asks_for_nothing_is_not_asked(maker: LeadMaker) -> None:
    lead = _made(maker, source="open", headers=b"")
    assert lead.disposition is Disposition.ROUTED
