"""Leads that one segment has lost and another holds: they are no leads that nobody knows.

An I/O error keeps a group from being acknowledged; its leads go to the next journal and are
acknowledged there. The absorber may have read them from memory in the first file all the same, and
a power cut then takes these bytes away. The store has such a lead once, under the first segment.

Invariant: a lead is explained by its own id in another segment, and by nothing else.
"""

from collections.abc import Sequence

from leadkeep.recovery.accounts import Settled
from leadkeep.recovery.tally import TallyRow


def explain_by_copies(accounts: Sequence[Settled]) -> None:
    """Count each absent lead that is a copy in any segment as received under the one that lost it.

    Args:
        accounts: every segment; those that lost leads are changed.
    """
    copies: set[bytes] = set().union(*(settled.copies for settled in accounts))
    for settled in accounts:
        for lead in settled.absent:
            if lead.lead_id in copies and settled.unknown[lead.cell] > 0:
                settled.taken_over += 1
                settled.leads[lead.cell] += 1
                settled.unknown[lead.cell] -= 1
                settled.rows.append(TallyRow(*lead.cell, answers={lead.answer_status: 1}))
        settled.unknown = +settled.unknown
