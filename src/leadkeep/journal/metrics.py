"""What the journal counts. Never per lead: all of it moves once per segment or less."""

from prometheus_client import Counter

SEGMENTS_MADE = Counter("leadkeep_journal_segments_made_total", "Segments made.")
SEGMENTS_POISONED = Counter(
    "leadkeep_journal_segments_poisoned_total", "Segments given up after an I/O error."
)
SEGMENTS_REFUSED = Counter(
    "leadkeep_journal_segments_refused_total", "Segments that could not be made (disk full, …)."
)
