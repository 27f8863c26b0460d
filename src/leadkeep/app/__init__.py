"""The composition root: the only package that wires objects together.

`parts` and `journals` make each object from the settings, `processes` runs what stays, `commands`
does what ends.
Imports inside functions are late on purpose: each process loads only what it runs, the supervisor
no database, the door no HTTP client.
"""

from leadkeep.app.alerting import send_trial_mail
from leadkeep.app.commands import (
    QueueProgress,
    QueueRun,
    check_parts,
    journal_waiting,
    ledger,
    load_settings,
    open_pusher,
    process_queue,
    reroute,
)
from leadkeep.app.database import commit_worth, kept_in_inbox
from leadkeep.app.deploying import Deploying, check_addresses, open_deploying
from leadkeep.app.journals import journal_readers
from leadkeep.app.previewing import preview
from leadkeep.app.processes import run_intake, run_supervisor, run_worker
from leadkeep.app.store import (
    existing_store,
    has_store,
    make_data_folder,
    migrate_store,
    migrations_left,
    open_store,
    why_damaged,
    why_lost,
)

__all__ = [
    "Deploying",
    "QueueProgress",
    "QueueRun",
    "check_addresses",
    "check_parts",
    "commit_worth",
    "existing_store",
    "has_store",
    "journal_readers",
    "journal_waiting",
    "kept_in_inbox",
    "ledger",
    "load_settings",
    "make_data_folder",
    "migrate_store",
    "migrations_left",
    "open_deploying",
    "open_pusher",
    "open_store",
    "preview",
    "process_queue",
    "reroute",
    "run_intake",
    "run_supervisor",
    "run_worker",
    "send_trial_mail",
    "why_damaged",
    "why_lost",
]
