"""What delivery counts. Counters move once per recorded batch, not once per lead."""

from prometheus_client import Counter, Gauge, Histogram

ATTEMPTS = Counter(
    "leadkeep_delivery_attempts_total",
    "Recorded attempts by destination and result: completed, retry_later, failed, or set_aside "
    "(held because it cannot be sent; no try).",
    ["destination", "result"],
)
FAILURES = Counter(
    "leadkeep_delivery_failures_total",
    "Recorded attempts that were not confirmed, by destination and class of error.",
    ["destination", "error"],
)
SECONDS = Histogram(
    "leadkeep_delivery_attempt_seconds",
    "Duration of an attempt, from connecting to the reply's end.",
    ["destination"],
    buckets=(0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60),
)
UNDER_WAY = Gauge(
    "leadkeep_delivery_under_way", "Attempts under way in this worker.", ["destination"]
)
UNRECORDED = Gauge(
    "leadkeep_delivery_outcomes_unrecorded", "Outcomes in memory that the store has not taken yet."
)
STALE = Counter(
    "leadkeep_delivery_stale_outcomes_total",
    "Outcomes whose lease was no longer ours when they were recorded.",
)
LEASES_LOST = Counter(
    "leadkeep_delivery_leases_lost_total", "Leases found lost when they were to be renewed."
)
RESCUED = Counter(
    "leadkeep_delivery_rescued_total", "Deliveries taken back from workers that were not heard of."
)
STOOD_IN = Counter(
    "leadkeep_delivery_stood_in_total",
    "Leads given to a fallback, by the destination that failed and the one that got them.",
    ["destination", "fallback"],
)
CIRCUIT = Gauge(
    "leadkeep_delivery_circuit",
    "1 for the state that a destination's circuit is in: closed, open, half_open or ramping.",
    ["destination", "state"],
)
CIRCUIT_MOVES = Counter(
    "leadkeep_delivery_circuit_moves_total",
    "Moves of circuits by this worker, by destination and the state moved to.",
    ["destination", "state"],
)


def error_label(error_class: str) -> str:
    """`http_503` becomes `http_5xx`, so that a destination cannot invent label values."""
    if error_class.startswith("http_") and len(error_class) == len("http_503"):
        return f"{error_class[:6]}xx"
    return error_class
