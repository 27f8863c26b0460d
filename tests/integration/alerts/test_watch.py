"""From leads that are refused to the mail in somebody's box, and to the one that ends it."""

import socket
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from leadkeep.alerts.incidents import Policy
from leadkeep.alerts.letters import Writer
from leadkeep.alerts.lookout import Lookout
from leadkeep.alerts.mail import MailServer
from leadkeep.alerts.outbox import FIRST_PAUSE_MS, Outbox
from leadkeep.alerts.signs import Limits
from leadkeep.alerts.watch import AlertWatch
from leadkeep.disks.survey import Rooms
from leadkeep.settings.alerts import AlertSettings
from leadkeep.settings.row import Address
from leadkeep.states import Status
from leadkeep.store.sqlite.opening import open_sqlite
from leadkeep.store.sqlite.store import SqliteStore
from leadkeep.telemetry.admin import AdminListener
from tests.fakes.clock import FakeClock
from tests.integration.alerts.mailbox import Mailbox, a_mailbox
from tests.store.builders import a_batch, a_lead, an_outcome

CANARY = "Zachariah Canary"


class Bench:
    """A store, a mail server, and watches over them, with a clock that the test turns."""

    def __init__(self, store: SqliteStore, clock: FakeClock, box: Mailbox) -> None:
        self.store = store
        self.clock = clock
        self.box = box
        self.damaged: dict[str, object] = {}

    def watch(self, *, door: Address | None = None, mails_per_hour: int = 20) -> AlertWatch:
        """One more, as another worker would have it."""
        chosen = AlertSettings(
            mail_to=("owner@example.test",), smtp_port=self.box.port, smtp_security="none"
        )
        writer = Writer("test", chosen.sender, chosen.mail_to, lambda *words: " ".join(words))
        server = MailServer(chosen)
        return AlertWatch(
            self.store,
            Lookout(
                self.store,
                clock=self.clock,
                rooms=Rooms,
                damaged=lambda: self.damaged,
                door=door,
            ),
            limits=Limits(late_ms=900_000, down_ms=300_000),
            policy=Policy(remind_ms=4 * 3_600_000),
            outbox=Outbox(
                self.store, server, writer, clock=self.clock, mails_per_hour=mails_per_hour
            ),
        )

    async def try_lead(self, status: Status, **outcome: Any) -> None:
        """Have what is due first at the destination tried."""
        (claim,) = await self.store.claim(
            "default", limit=1, lease_ms=60_000, longest_wait_ms=900_000, worker="test"
        )
        await self.store.record([an_outcome(claim, status, **outcome)])


@pytest.fixture
def box() -> Iterator[Mailbox]:
    with a_mailbox() as running:
        yield running


@pytest.fixture
async def bench(tmp_path: Path, box: Mailbox) -> AsyncIterator[Bench]:
    clock = FakeClock()
    store = await open_sqlite(tmp_path / "leadkeep.db", clock=clock, busy_timeout_ms=5_000)
    yield Bench(store, clock, box)
    await store.close()


REFUSED = {
    "needs_mending": True,
    "error_class": "http_422",
    "response_status": 422,
    "response_body": CANARY.encode(),
}


async def test_somebody_is_told_that_leads_are_refused_and_when_it_is_over(bench: Bench) -> None:
    await bench.store.absorb(a_batch(a_lead(body=CANARY.encode())))
    watch = bench.watch()
    await watch.once()
    assert bench.box.subjects == []
    await bench.try_lead(Status.PENDING, **REFUSED)
    await watch.once()
    await watch.once()
    assert bench.box.subjects == ["[test] FIRING: default refuses 1 lead, though it works"]
    await bench.try_lead(Status.COMPLETED)
    bench.clock.advance(121)
    await watch.once()
    assert bench.box.subjects[1].startswith("[test] RESOLVED after ")
    assert bench.box.mails[1]["References"] == bench.box.mails[0]["Message-ID"]
    assert not any(CANARY in mail.as_string() for mail in bench.box.mails)


async def test_several_workers_tell_it_once(bench: Bench) -> None:
    await bench.store.absorb(a_batch(a_lead()))
    await bench.try_lead(Status.PENDING, **REFUSED)
    for watch in [bench.watch() for _ in range(3)]:
        await watch.once()
    assert len(bench.box.mails) == 1


async def test_a_mail_server_that_is_down_gets_it_once_it_is_up(bench: Bench) -> None:
    bench.box.refuses_data = True
    await bench.store.absorb(a_batch(a_lead()))
    await bench.try_lead(Status.PENDING, **REFUSED)
    await bench.watch().once()
    assert (await bench.store.outbox()).last_error.endswith("it answered 451")
    bench.box.refuses_data = False
    # Another process: what is to be told is in the store.
    await bench.watch().once()
    assert bench.box.mails == []
    bench.clock.advance(FIRST_PAUSE_MS / 1_000)
    await bench.watch().once()
    assert len(bench.box.mails) == 1


async def test_much_at_once_comes_in_one_mail(bench: Bench) -> None:
    leads = [a_lead(destinations=(f"d{number}",)) for number in range(5)]
    await bench.store.absorb(a_batch(*leads))
    bench.clock.advance(3_600)
    await bench.watch().once()
    assert bench.box.subjects == ["[test] 5 FIRING"]


async def test_no_more_mails_an_hour_than_are_allowed_and_nothing_is_left_out(
    bench: Bench,
) -> None:
    watch = bench.watch(mails_per_hour=2)
    for number in range(6):
        await bench.store.absorb(a_batch(a_lead(destinations=(f"d{number}",))))
        bench.clock.advance(901)
        await watch.once()
        assert len(bench.box.mails) == min(number + 1, max(2, number - 1))
    bench.clock.advance(3_600)
    await watch.once()
    told = "".join(str(mail.get_body(("plain",))) for mail in bench.box.mails)
    assert all(f"d{number};" in told for number in range(6))


async def test_damage_that_the_absorber_met_is_told(bench: Bench) -> None:
    bench.damaged = {"1a": [{"path": "/data/journal/1a"}, {"offset": 4096}]}
    await bench.watch().once()
    assert "cannot be read" in bench.box.subjects[0]


async def test_a_door_that_can_write_to_no_journal_is_told(bench: Bench) -> None:
    lane = {"journal": "/data/journal", "in_use": False, "last_error": "no space left"}
    sock = socket.create_server(("127.0.0.1", 0))
    address = Address("127.0.0.1", sock.getsockname()[1])
    with AdminListener(sock, lambda: {"journals": [lane]}):
        await bench.watch(door=address).once()
    assert "leads are answered 503" in bench.box.subjects[0]


async def test_a_door_that_does_not_answer_is_told_after_a_minute(bench: Bench) -> None:
    sock = socket.create_server(("127.0.0.1", 0))
    address = Address("127.0.0.1", sock.getsockname()[1])
    sock.close()
    watch = bench.watch(door=address)
    await watch.once()
    assert bench.box.mails == []
    bench.clock.advance(61)
    await watch.once()
    assert "the door does not answer" in bench.box.subjects[0]
