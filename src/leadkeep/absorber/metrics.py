"""What the absorber and the archivist count, for Prometheus."""

from prometheus_client import Counter, Gauge, Histogram

LEADS = Counter("leadkeep_absorbed_leads_total", "Leads that came from a journal into the store.")
NOTICES = Counter(
    "leadkeep_absorbed_notices_total",
    "Probes, rejections, handshakes and pings absorbed.",
    ["kind"],
)
KNOWN = Counter(
    "leadkeep_absorb_known_total", "Leads found in a journal that were in the store already."
)
RENUMBERED = Counter(
    "leadkeep_absorb_renumbered_total", "Leads whose number was missing or taken and replaced."
)
UNACKNOWLEDGED = Counter(
    "leadkeep_absorb_unacknowledged_total", "Leads absorbed although their vendor was told no 2xx."
)
REFUSED = Counter(
    "leadkeep_absorb_refused_total", "Leads that the store refused and that were quarantined."
)
DAMAGE = Counter(
    "leadkeep_journal_damage_total", "Places in a journal that were acknowledged and are damaged."
)
ERRORS = Counter("leadkeep_absorb_errors_total", "Passes or segments that failed, and are retried.")
BATCH_SECONDS = Histogram(
    "leadkeep_absorb_batch_seconds",
    "Writing one batch into the store.",
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5),
)
AGE_SECONDS = Gauge(
    "leadkeep_absorb_age_seconds", "From acceptance to the store, of the lead absorbed last."
)
ARCHIVED = Counter("leadkeep_segments_archived_total", "Segments moved into the archive.")
PRUNED = Counter("leadkeep_segments_pruned_total", "Segments that left the archive.")
ARCHIVE_OVER = Gauge(
    "leadkeep_archive_over_bytes", "Archive beyond its size cap that may not be pruned yet."
)
