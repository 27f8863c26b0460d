"""Leads whose bytes a segment has lost although they were absorbed: why that is no riddle.

An I/O error keeps a group from being acknowledged; its leads go to the next journal and are
acknowledged there. The absorber may have read them from memory in the first file all the same, and
a power cut then takes these bytes away. The store has such a lead once, under the first segment. If
no journal took it, its vendor was refused, and the store alone has what the vendor will send again.

Invariant: an absent lead is explained by its own id in another segment, or by never having been
acknowledged, and by nothing else.
"""

from collections.abc import Sequence

from leadkeep.recovery.accounts import Settled
from leadkeep.recovery.tally import TallyRow


def explain_absent(accounts: Sequence[Settled]) -> None:
    """Count each absent lead that can be explained as received under the segment that lost it.

    Args:
        accounts: every segment; those that lost leads are changed.
    """
    copies: set[bytes] = set().union(*(settled.copies for settled in accounts))
    for settled in accounts:
        for lead in settled.absent:
            if settled.unknown[lead.cell] <= 0:
                continue
            row = TallyRow(*lead.cell, answers={lead.answer_status: 1})
            if lead.lead_id in copies:
                settled.taken_over += 1
            elif not lead.acknowledged:
                settled.never_answered += 1
                row.unacknowledged = 1
            else:
                continue
            settled.leads[lead.cell] += 1
            settled.unknown[lead.cell] -= 1
            settled.rows.append(row)
        settled.unknown = +settled.unknown
