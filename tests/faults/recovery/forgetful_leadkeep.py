"""`leadkeep`, but a rebuild leaves pending what it should hold: the fault that tests must catch."""

import sys
from typing import Any

from leadkeep.cli import main
from leadkeep.states import Verb
from leadkeep.store.sqlite.store import SqliteStore

_apply = SqliteStore.apply


async def _apply_but_not_ours(self: SqliteStore, verb: Verb, *args: Any, **more: Any) -> int:
    ours = more["actor"] == "leadkeep rebuild"
    return 0 if ours else await _apply(self, verb, *args, **more)


SqliteStore.apply = _apply_but_not_ours  # type: ignore[method-assign, assignment]  # a fault, not a design

if __name__ == "__main__":
    sys.argv[0] = "leadkeep"
    main()
