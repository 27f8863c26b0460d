"""An installation for tests of commands: a data folder with a real store, and a way to run them."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

from click.testing import CliRunner, Result

from leadkeep.app import load_settings, open_store
from leadkeep.cli import main
from leadkeep.models import Claim, DeliveryView, NewLead, Selection
from leadkeep.settings.model import Settings
from leadkeep.states import Status
from leadkeep.store.base import Store
from tests.store.builders import a_batch, an_outcome

T = TypeVar("T")


class Installation:
    """One data folder. Commands run in this process, against the real store."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.data = folder / "data"

    @property
    def settings(self) -> Settings:
        """As a command would load them."""
        return load_settings(None, {"data": str(self.data)})

    def run(self, *args: object, stdin: str | bytes | None = None) -> Result:
        """Run a command; what it printed and its exit code."""
        words = ["--data", str(self.data), *map(str, args)]
        return CliRunner(env={"NO_COLOR": "1"}).invoke(main, words, input=stdin)

    def ok(self, *args: object, stdin: str | bytes | None = None) -> str:
        """Run a command that must succeed; what it printed on stdout."""
        result = self.run(*args, stdin=stdin)
        assert result.exit_code == 0, result.output
        return result.stdout

    def json(self, *args: object) -> Any:
        """Run a command that must succeed with --json; what it told."""
        return json.loads(self.ok(*args, "--json"))

    def in_store(self, use: Callable[[Store], Awaitable[T]]) -> T:
        """Do something in the store."""

        self.data.mkdir(exist_ok=True)

        async def work() -> T:
            async with open_store(self.settings) as store:
                return await use(store)

        return asyncio.run(work())

    def absorb(self, *leads: NewLead) -> list[DeliveryView]:
        """Put leads into the store; every delivery there, oldest first."""

        async def work(store: Store) -> list[DeliveryView]:
            await store.absorb(a_batch(*leads))
            return (await store.find(Selection(everything=True), limit=10_000))[::-1]

        return self.in_store(work)

    def attempt(self, destination: str, status: Status, **overrides: Any) -> Claim:
        """Claim what is due first and record an attempt that came to `status`."""

        async def work(store: Store) -> Claim:
            claims = await store.claim(
                destination, limit=1, lease_ms=60_000, longest_wait_ms=900_000, worker="test"
            )
            await store.record([an_outcome(claims[0], status, **overrides)])
            return claims[0]

        return self.in_store(work)

    def statuses(self) -> list[str]:
        """Status of each delivery, oldest first."""

        async def work(store: Store) -> list[str]:
            found = await store.find(Selection(everything=True), limit=10_000)
            return [view.status.value for view in reversed(found)]

        return self.in_store(work)
