"""Every error that Leadkeep raises on purpose, in one tree.

::

    LeadkeepError                 something failed; `hint` says what to do about it
    ├── SettingsError             a setting is missing, unknown, or has a value that is not allowed
    ├── UsageError                a command or call was asked for something that makes no sense
    ├── NotFound                  no lead, delivery, source or destination has this name or number
    ├── JournalError
    │   ├── JournalUnavailable    this journal cannot take the batch; the next one may
    │   ├── JournalLocked         another process writes to this folder
    │   └── JournalDamaged        bytes that were acknowledged can no longer be read
    ├── StoreError
    │   ├── StoreUnavailable      the store cannot be reached or written now; it may be later
    │   │   ├── StoreFull         its disk has no room; nothing is wrong with what is on it
    │   │   └── StoreUncertain    lost while it committed: the change may have been made
    │   ├── StoreUnsafe           the store must not be used as it is (unsafe library, poisoned)
    │   │   └── StoreDamaged      its file is not whole: only a rebuild helps
    │   ├── RecordRefused         a constraint refuses these leads; the batch must be bisected
    │   └── MigrationFailed       the schema could not be brought up to date; nothing was changed
    ├── RecoveryError             a backup, a restore or a rebuild cannot be done, or not here
    │   └── BackupDamaged         a backup is not what was written, and must not be relied on
    ├── QueueUnreadable           the queue of another system cannot be read, for an import
    ├── AlertsUndelivered         a mail server did not take what people shall be told
    └── AlreadyRunning            another process does this job on this data folder

Foreign errors (OSError, apsw.Error, …) are mapped to these at one boundary: the module that called
the foreign library. None is swallowed.
"""


class LeadkeepError(Exception):
    """Base of all. `str(error)` says what failed and for which lead or setting.

    Args:
        message: what failed, naming the lead, setting, file or destination. No personal data.
        hint: one sentence that tells a person what to do; empty when there is nothing to do.
    """

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class SettingsError(LeadkeepError):
    """A setting is missing, unknown, or has a value that is not allowed."""


class UsageError(LeadkeepError):
    """A command or call was asked for something that makes no sense."""


class NotFound(LeadkeepError):
    """No lead, delivery, source or destination has this name or number."""


class JournalError(LeadkeepError):
    """Base of what goes wrong where acceptance becomes durable."""


class JournalUnavailable(JournalError):
    """This journal cannot take the batch; the next one in the list may."""


class JournalLocked(JournalError):
    """Another process writes to this journal folder."""


class JournalDamaged(JournalError):
    """Bytes that were acknowledged can no longer be read."""


class StoreError(LeadkeepError):
    """Base of what goes wrong in the store."""


class StoreUnavailable(StoreError):
    """The store cannot be reached or written now; it may be later."""


class StoreFull(StoreUnavailable):
    """The store's disk has no room: nothing was changed, and it goes on once there is some."""


class StoreUncertain(StoreUnavailable):
    """The store was lost while it committed: the change was made, or not; it may be repeated.

    Every verb can be: what has been absorbed, recorded or decided is not so a second time, and a
    claim that nobody knows of ends with its lease.
    """


class StoreUnsafe(StoreError):
    """The store must not be used as it is: unsafe library version, or poisoned by an I/O error."""


class StoreDamaged(StoreUnsafe):
    """The store's file is not whole, and must not be written any more: a rebuild makes another."""


class RecordRefused(StoreError):
    """A constraint refuses these leads; whoever sent the batch bisects it and quarantines one."""


class MigrationFailed(StoreError):
    """The schema could not be brought up to date; nothing was changed."""


class RecoveryError(LeadkeepError):
    """A backup, a restore or a rebuild cannot be done, or not here; nothing was changed."""


class BackupDamaged(RecoveryError):
    """A backup is not what was written: a file of it is missing, or its bytes have changed."""


class QueueUnreadable(LeadkeepError):
    """The queue of another system, from which leads are imported, cannot be read."""


class AlertsUndelivered(LeadkeepError):
    """A mail server did not take what people shall be told."""


class AlreadyRunning(LeadkeepError):
    """Another process does this job on this data folder."""
