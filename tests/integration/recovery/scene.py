"""An installation with an application behind it, and what must be true of copies of it."""

import asyncio
import json
import os
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from click.testing import Result

from leadkeep.app.parts import make_absorber, make_archivist, wall_time
from leadkeep.app.store import open_store
from leadkeep.models import Selection
from leadkeep.store.base import Store
from tests.integration.cli.installation import Installation
from tests.integration.cli.sink import Sink

_REQUEST = (
    "lead_id, lead_number, source, received_at_ms, flags, answer_status, peer, method, target, "
    "headers, body"
)
CONFIG = """\
[destinations.brain]
url = "{url}"
[sources.vendor]
paths = ["/in"]
"""


class Scene:
    """One installation, and where copies of it are made."""

    def __init__(self, folder: Path, installation: Installation, sink: Sink) -> None:
        self.folder = folder
        self.here = installation
        self.sink = sink
        self._pushed = 0
        self.configure(CONFIG.format(url=sink.url))

    def configure(self, text: str) -> None:
        """Write the configuration of all installations of this scene."""
        (self.folder / "leadkeep.toml").write_text(text)

    def there(self, name: str = "elsewhere") -> Installation:
        """Another data folder with the same configuration."""
        other = Installation(self.folder)
        other.data = self.folder / name
        return other

    # ------------------------------------------------------------ doing

    def push(
        self,
        leads: int = 1,
        *,
        path: str = "/in",
        filling: int = 40,
        to: Installation | None = None,
    ) -> None:
        """Accept leads; all kinds of bytes are in them."""
        for _ in range(leads):
            self._pushed += 1
            body = b"%d \x00\xff" % self._pushed + os.urandom(filling)
            (to or self.here).ok("push", "-", "--target", f"{path}?n={self._pushed}", stdin=body)

    def deliver(self, at: Installation | None = None) -> Result:
        """Absorb and deliver everything that is due, once."""
        return (at or self.here).run("process-queue", "--json")

    def give_up(self) -> None:
        """Eight days go by for all that waits, and another try fails."""
        self.change(
            "UPDATE deliveries SET first_attempt_at_ms = first_attempt_at_ms - 691200000, "
            "next_attempt_at_ms = 0 WHERE status = 'pending' AND attempts > 0"
        )
        # Nor has the wall clock jumped in these days.
        watched = self.here.settings.data / "wall-time"
        seen = json.loads(watched.read_bytes())
        seen["steady_since_us"] -= 691_200_000_000
        watched.write_text(json.dumps(seen))
        self.deliver()

    def tidy(self) -> None:
        """What the worker does once a minute: absorbed segments go into the archive."""

        async def work() -> None:
            async with open_store(self.here.settings) as store:
                absorber = make_absorber(self.here.settings, store, on_absorbed=lambda: None)
                archivist = make_archivist(
                    self.here.settings,
                    store,
                    absorber,
                    wall_time(self.here.settings),
                    on_full=lambda folder: None,
                )
                await archivist.tidy()
                absorber.close()

        asyncio.run(work())

    def claim(self) -> None:
        """A worker takes one delivery that is due, and dies."""

        async def take(store: Store) -> None:
            (claim,) = await store.claim(
                "brain", limit=1, lease_ms=3_600_000, longest_wait_ms=900_000, worker="w"
            )
            assert claim.attempt

        self.here.in_store(take)

    def backup(self, name: str = "backup", *more: object) -> Path:
        """Make a backup that must succeed."""
        self.here.ok("backup", self.folder / name, *more)
        return self.folder / name

    def restore(self, backup: Path, name: str = "elsewhere") -> Installation:
        """Restore a backup into another folder; that must succeed."""
        there = self.there(name)
        there.ok("restore", backup)
        return there

    def lose_the_store(self) -> None:
        """The disk of the store is gone."""
        for path in self.here.data.glob("leadkeep.db*"):
            path.unlink()

    # ------------------------------------------------------------ seeing

    def requests(self, at: Installation | None = None) -> list[tuple[Any, ...]]:
        """Every lead's request as stored, read behind Leadkeep's back."""
        return self.rows(f"SELECT {_REQUEST} FROM leads ORDER BY lead_id", at)

    def standings(self, at: Installation | None = None) -> dict[int, str]:
        """Lead number → status of its one delivery."""
        return dict(
            self.rows(
                "SELECT l.lead_number, d.status FROM leads AS l JOIN deliveries AS d "
                "ON d.lead = l.id",
                at,
            )
        )

    def statuses(self, at: Installation | None = None) -> list[str]:
        """Status of each delivery, in the order of acceptance."""
        return [status for _, status in sorted(self.standings(at).items())]

    def rows(self, sql: str, at: Installation | None = None) -> list[tuple[Any, ...]]:
        """Ask the store."""
        database = sqlite3.connect((at or self.here).data / "leadkeep.db")
        try:
            return database.execute(sql).fetchall()
        finally:
            database.close()

    def change(self, *statements: str) -> None:
        """Change the store behind Leadkeep's back, guards and all."""
        database = sqlite3.connect(self.here.data / "leadkeep.db", isolation_level=None)
        triggers = database.execute(
            "SELECT name FROM sqlite_schema WHERE type = 'trigger' AND name LIKE 'refuse%'"
        ).fetchall()
        for (name,) in triggers:
            database.execute(f"DROP TRIGGER {name}")
        for statement in statements:
            database.execute(statement)
        database.close()

    def delivers_nothing_by_itself(self, at: Installation) -> bool:
        """Whether an installation leaves alone whatever it has, however often it is asked to."""
        before = len(self.sink.bodies)
        for _ in range(2):
            self.deliver(at)
        return len(self.sink.bodies) == before

    def lead_ids(self, statuses: Sequence[str] = ()) -> list[str]:
        """Ids of the leads here, in the order of acceptance."""

        async def find(store: Store) -> list[str]:
            found = await store.find(Selection(everything=True), limit=1_000)
            return [one.lead_id for one in found if not statuses or one.status in statuses][::-1]

        return self.here.in_store(find)


def told(result: Result) -> Any:
    """What a command with --json has printed."""
    assert result.stdout, result.stderr
    return json.loads(result.stdout)


def flip(path: Path, at: int) -> None:
    """Change one bit of a file."""
    content = bytearray(path.read_bytes())
    content[at] ^= 0x10
    path.write_bytes(content)
