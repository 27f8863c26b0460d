"""What another system's queue knew of a lead that was imported from it.

It travels in the record's `detail`, so that whoever absorbs the record, also years later into a
rebuilt store, knows as much as the first time.
"""

import msgspec

from leadkeep.models.records import Record, RecordFlag
from leadkeep.states import Status

ERROR_LONGEST = 4_000
"""Characters that are kept of another queue's error message."""
NAME_LONGEST = 200
"""Characters that are kept of a name, a phone number, a status or a row's id."""


class Origin(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """One row of another system's queue, beside its payload, its source and its time."""

    queue: str
    """Which queue: its address, without user, password and options."""
    row: str
    """The row's id there."""
    standing: Status
    """Where its delivery begins here: pending, completed, failed, or held for a person."""
    status: str = ""
    """The word for it there."""
    source: str = ""
    """What its source was called there."""
    attempts: int = 0
    error: str = ""
    processed_at_us: int | None = None
    destination: str = ""
    """Where it goes, whatever the routes of its source say; empty: as they say."""
    name: str = ""
    """Read there; used where nothing is found in the payload. `phone` likewise."""
    phone: str = ""

    def detail(self) -> str:
        """As it stands in a record."""
        return _encoder.encode(self).decode()


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Origin)


def is_imported(record: Record) -> bool:
    """Whether a record came from another system's queue."""
    # With plain numbers: each operation on flags makes a new flag, slowly.
    return bool(int.__and__(record.flags, RecordFlag.IMPORTED))


def origin_of(record: Record) -> Origin | None:
    """What is known of an imported record's row; None: that cannot be read."""
    try:
        return _decoder.decode(record.detail)
    except msgspec.MsgspecError:
        return None
