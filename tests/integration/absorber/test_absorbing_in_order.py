"""Orders are read when leads are absorbed, as the settings say, from journal to line."""

from pathlib import Path

from leadkeep import app
from leadkeep.app.parts import make_absorber
from leadkeep.clock import SystemClock
from leadkeep.journal.disk import DiskJournal
from leadkeep.journal.records import encode
from leadkeep.models import Selection
from leadkeep.settings.load import load
from tests.store.builders import a_record

CONFIG = """
[destinations.brain]
url = "http://127.0.0.1:9/"

[sources.leads]
paths = ["/leads"]

[sources.calls]
paths = ["/calls"]
order_by = "call_id"

[sources.events]
paths = ["/events"]
depends_on = "lead_id"
depends_on_source = "leads"
order_wait_seconds = 60
"""


async def test_what_the_settings_say_becomes_lines(tmp_path: Path) -> None:
    (tmp_path / "leadkeep.toml").write_text(CONFIG)
    settings = load(config=None, environ={}, flags={}, cwd=tmp_path)
    journal = DiskJournal(settings.journal_folders[0], clock=SystemClock(), segment_bytes=2**20)
    headers = b"Content-Type: application/json\r\n"
    posts = [
        ("calls", b'{"call_id": "c-1", "event": "started"}'),
        ("calls", b'{"call_id": "c-1", "event": "ended"}'),
        ("calls", b'{"call_id": "c-2", "event": "started"}'),
        ("events", b'{"lead_id": "v-1", "event": "sold"}'),
        ("leads", b'{"lead_id": "v-1", "phone": "6145550142"}'),
    ]
    records = [a_record(source=source, body=body, headers=headers) for source, body in posts]
    journal.commit([encode(record) for record in records])
    journal.close()
    async with app.open_store(settings) as store:
        absorber = make_absorber(settings, store, on_absorbed=lambda: None)
        assert (await absorber.absorb_available()).leads == 5
        absorber.close()
        views = (await store.find(Selection(everything=True), limit=9))[::-1]
        numbers = [view.lead_number for view in views]
        assert [view.waits_for_lead for view in views] == [
            None,
            numbers[0],
            None,
            numbers[4],
            None,
        ]
