"""A process that migrates a database as soon as it is told to; prints what it ran.

Run as ``python -m tests.store.migrator_on_postgres URL``.
"""

import asyncio
import sys

from leadkeep.store.postgres.links import Target
from leadkeep.store.postgres.migrations import migrate


def say(word: object) -> None:
    sys.stdout.write(f"{word}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    say("ready")
    sys.stdin.readline()
    for one in asyncio.run(migrate(Target(sys.argv[1]))):
        say(one.number)
