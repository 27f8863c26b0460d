"""The store protocol: every transition one verb, one transaction, whatever the engine.

All callers (worker, commands, API, pages) use these verbs and nothing else. An engine raises only
`StoreError`s and `UsageError`/`NotFound`; `StoreUnavailable` means that nothing was changed and the
call may be repeated.
"""

from typing import Protocol

from leadkeep.store.verbs.absorbing import AbsorbingStore
from leadkeep.store.verbs.alerting import AlertingStore
from leadkeep.store.verbs.asking import AskedStore
from leadkeep.store.verbs.counting import CountingStore
from leadkeep.store.verbs.deciding import DecidingStore
from leadkeep.store.verbs.delivering import DeliveringStore
from leadkeep.store.verbs.deploying import DeployingStore
from leadkeep.store.verbs.keeping import KeptStore
from leadkeep.store.verbs.looking import LookingStore
from leadkeep.store.verbs.recovering import RecoveringStore
from leadkeep.store.verbs.steering import SteeringStore


class Store(
    AbsorbingStore,
    DeliveringStore,
    AskedStore,
    SteeringStore,
    DecidingStore,
    DeployingStore,
    LookingStore,
    RecoveringStore,
    CountingStore,
    KeptStore,
    AlertingStore,
    Protocol,
):
    """The queue's truth: all roles in one."""

    async def close(self) -> None:
        """Finish what is under way and let go of the database."""
