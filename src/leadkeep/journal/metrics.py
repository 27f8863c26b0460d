"""What the journal counts. Never per lead: all of it moves once per segment or less."""

from prometheus_client import Counter

SEGMENTS_MADE = Counter("leadkeep_journal_segments_made_total", "Segments made.")
SEGMENTS_CUT_SHORT = Counter(
    "leadkeep_journal_segments_cut_short_total",
    "Segments that are smaller than usual because they were wanted before they were filled.",
)
SEGMENTS_POISONED = Counter(
    "leadkeep_journal_segments_poisoned_total",
    "Segments given up after an I/O error, or after a write that took too long.",
)
SEGMENTS_REFUSED = Counter(
    "leadkeep_journal_segments_refused_total", "Segments that could not be made (disk full, …)."
)
