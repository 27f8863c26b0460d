"""The store's file is overwritten, while Leadkeep is down or runs: part of `store-troubles`.

Leadkeep must not go on with it. Leads wait in the journal, `leadkeep status` names the rebuild, and
once a person has run it every lead is there and nothing was delivered again by itself.
"""

import itertools
import random
import signal
from collections.abc import Callable
from pathlib import Path

import apsw

from tests.faults.rig.brain import Brain
from tests.faults.rig.experiment import Findings
from tests.faults.rig.installation import FAULTY, Installation
from tests.faults.rig.judging import judge
from tests.faults.rig.recovering import let_go, nothing_is_under_way, unasked
from tests.faults.rig.vendors import Vendors
from tests.faults.rig.waiting import wait_until

_VENDORS = 3
_PAGE = 4096
_LEADS_BEFORE = 60
"""Few enough that the journal's first file, which is small, is not full before the damage: when it
is archived every lead in it is looked at, which would meet the damage before anything else did."""

Damage = Callable[[Installation, random.Random], None]


def _the_header(installation: Installation, chance: random.Random) -> None:
    """What says that it is a database, while nothing runs."""
    installation.stop()
    with installation.store.open("r+b") as file:
        file.write(chance.randbytes(100))
    installation.start(("intake",))


def _everything(installation: Installation, chance: random.Random) -> None:
    """Every page but the first, while nothing runs."""
    installation.stop()
    pages = range(2, installation.store.stat().st_size // _PAGE + 1)
    _overwrite(installation, list(pages), chance)
    installation.start(("intake",))


def under_the_worker(installation: Installation, chance: random.Random) -> None:
    """Pages that each worker needs, while it runs; what it has in memory hides it until it dies."""
    _checkpoint(installation)
    roots = _pages(installation, "SELECT rootpage FROM sqlite_schema WHERE name = 'deliveries'")
    others = _pages(installation, "SELECT pageno FROM dbstat WHERE pageno > 1")
    _overwrite(installation, roots + chance.sample(others, 5), chance)
    installation.signal("worker", signal.SIGKILL)


def an_old_page(installation: Installation, chance: random.Random) -> None:
    """One page of old leads, which the worker does not need; somebody who looks meets it."""
    _checkpoint(installation)
    leaves = "SELECT pageno FROM dbstat WHERE name = 'leads' AND pagetype = 'leaf'"
    oldest = _pages(installation, f"{leaves} ORDER BY path LIMIT 1")
    _overwrite(installation, oldest, chance)
    looked = installation.command("sql", "SELECT sum(length(body)) FROM leads")
    assert "is damaged" in looked.stderr
    assert "leadkeep rebuild --replace" in looked.stderr


DAMAGES: tuple[Damage, ...] = (_the_header, _everything, under_the_worker, an_old_page)


def damage_the_store(
    folder: Path, damage: Damage, chance: random.Random, *, careless: str = ""
) -> Findings:
    """Damage it, wait for the words, and do what they say.

    Args:
        careless: a control, which goes on at some time: the round ends only then.
    """
    with Brain() as brain, Installation(folder, brain, FAULTY) as installation:
        installation.faults = {"careless": careless}
        installation.start()
        numbers = itertools.count(1)
        vendors = Vendors(_VENDORS, installation.port, numbers)
        wait_until("leads were delivered", lambda: len(brain.received) >= _LEADS_BEFORE)
        answered = vendors.stop()
        posted = vendors.posted
        wait_until("all is delivered", lambda: not installation.waiting())
        damage(installation, chance)
        received = brain.received.copy()
        vendors = Vendors(_VENDORS, installation.port, numbers)
        wait_until(
            "a worker has refused it again, or goes on with it",
            lambda: (
                brain.received != received
                or (not careless and installation.said("the worker stops") >= 2)
            ),
        )
        if brain.received != received:
            answered += vendors.stop()
            posted, gone_on = posted + vendors.posted, len(brain.received) - len(received)
            return Findings(
                rounds=1, faults=1, posted=posted, answered=len(answered), unasked=gone_on
            )
        wait_until("a person is told to rebuild", lambda: _is_told(installation))
        vendors.wait_for_answers()
        installation.done("rebuild", "--replace", "--yes")
        installation.wait_until_they_serve()
        delivered = len(brain.received)
        wait_until("new leads are delivered", lambda: len(brain.received) > delivered + 20)
        answered += vendors.stop()
        posted += vendors.posted
        wait_until("nothing is under way", lambda: nothing_is_under_way(installation))
        installation.stop()
        by_itself = unasked(installation, received, brain.received)
        assert installation.done("verify")["ok"]
        let_go(installation)
        failed = posted - len(answered)
        found = judge(installation, brain, answered, posted=posted, faults=1, failed=failed)
        return found + Findings(unasked=by_itself)


def _is_told(installation: Installation) -> bool:
    """Whether `leadkeep status` names the rebuild."""
    _, told = installation.status()
    return any("rebuild --replace" in reason["command"] for reason in told["reasons"])


def _checkpoint(installation: Installation) -> None:
    """Bring everything into the file, so that what is overwritten there is not in the log too."""
    connection = apsw.Connection(str(installation.store))
    try:
        connection.set_busy_timeout(5_000)
        # Only a connection that has looked at the file knows that there is a log.
        connection.execute("SELECT count(*) FROM sqlite_schema").fetchall()
        connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
    finally:
        connection.close()


def _pages(installation: Installation, sql: str) -> list[int]:
    return [page for (page,) in installation.rows(sql)]


def _overwrite(installation: Installation, pages: list[int], chance: random.Random) -> None:
    with installation.store.open("r+b") as file:
        for page in pages:
            file.seek((page - 1) * _PAGE)
            file.write(chance.randbytes(_PAGE))
