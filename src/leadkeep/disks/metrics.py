"""What is counted about room on the worker's disks."""

from prometheus_client import Counter, Gauge

FREE = Gauge("leadkeep_disk_free_bytes", "Room on a volume that the worker writes to.", ["folder"])
BALLAST = Gauge(
    "leadkeep_disk_ballast_bytes", "Ballast that stands on it; 0: thrown off, or none.", ["folder"]
)
THROWN_OFF = Counter(
    "leadkeep_disk_ballast_thrown_off_total", "How often the ballast was thrown off.", ["folder"]
)
