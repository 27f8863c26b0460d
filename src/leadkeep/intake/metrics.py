"""What the door counts, and how Prometheus sees it.

The counts are plain numbers that the loop adds to, and are turned into metrics only when somebody
asks: counting costs the door next to nothing. No label ever holds anything from a request but its
source's name.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterator

from prometheus_client import REGISTRY, CollectorRegistry
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

_SECONDS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.25, 0.75, 2.5)
_LIVE_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 3.0, 5.0, 10.0, 30.0)
_SIZES = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0)


class Histogram:
    """Counts by upper bound; only one thread observes."""

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def observe(self, value: float) -> None:
        """Count one value."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value

    def buckets(self) -> list[tuple[str, float]]:
        """Cumulated, as Prometheus wants them."""
        cumulated, buckets = 0, []
        for bound, count in zip((*map(str, self.bounds), "+Inf"), self.counts, strict=True):
            cumulated += count
            buckets.append((bound, float(cumulated)))
        return buckets


class Counts:
    """Everything that one door has seen since it started."""

    def __init__(self) -> None:
        self.leads: Counter[str] = Counter()
        """Durable leads by source; a path that nobody claims counts under ``""``."""
        self.records: Counter[str] = Counter()
        """Other records made durable, by kind."""
        self.answers: Counter[int] = Counter()
        """Answers by HTTP status."""
        self.refused: Counter[str] = Counter()
        """Requests that did not become a lead, by reason."""
        self.uncounted_notices = 0
        """Probes and rejections that were answered and not recorded: too many at once."""
        self.unnumbered = 0
        """Leads taken while no lead number was left."""
        self.fallback_commits = 0
        self.journal_failures = 0
        self.connections = 0
        self.connections_seen = 0
        self.commit_seconds = Histogram(_SECONDS)
        self.commit_records = Histogram(_SIZES)
        self.commit_bytes = 0
        self.live_asked: Counter[str] = Counter()
        """Questions put to the worker, by kind: `lead` or `ping`."""
        self.live_answers: Counter[tuple[str, str]] = Counter()
        """Their ends, by kind and result: `relayed`, or why nothing was."""
        self.live_seconds = Histogram(_LIVE_SECONDS)

    def note_commit(self, seconds: float, records: int, size: int) -> None:
        """One commit that succeeded."""
        self.commit_seconds.observe(seconds)
        self.commit_records.observe(records)
        self.commit_bytes += size


class DoorCollector(Collector):
    """Shows a door's counts to Prometheus.

    Args:
        lanes: journal → is it trusted now.
    """

    def __init__(self, counts: Counts, lanes: Callable[[], dict[str, bool]]) -> None:
        self._counts = counts
        self._lanes = lanes

    def collect(self) -> Iterator[Metric]:
        """All metrics of the door."""
        counts = self._counts
        yield _by_label("leadkeep_intake_leads", "Leads made durable.", "source", counts.leads)
        yield _by_label(
            "leadkeep_intake_records", "Other records made durable.", "kind", counts.records
        )
        yield _by_label("leadkeep_intake_answers", "Answers.", "status", counts.answers)
        yield _by_label(
            "leadkeep_intake_refused", "Requests that became no lead.", "reason", counts.refused
        )
        yield _by_label("leadkeep_intake_live_asked", "Live questions.", "kind", counts.live_asked)
        ends = CounterMetricFamily(
            "leadkeep_intake_live_answers",
            "Ends of live questions: relayed, or why the vendor got the queued answer or no bid.",
            labels=["kind", "result"],
        )
        for (kind, result), number in dict(counts.live_answers).items():
            ends.add_metric([kind, result], number)
        yield ends
        for name, help_text, value in (
            (
                "notices_not_recorded",
                "Probes and rejections only counted.",
                counts.uncounted_notices,
            ),
            ("leads_unnumbered", "Leads taken without a lead number.", counts.unnumbered),
            (
                "fallback_commits",
                "Commits that went past the first journal.",
                counts.fallback_commits,
            ),
            ("journal_failures", "Commits that failed or took too long.", counts.journal_failures),
            ("connections_accepted", "Connections seen.", counts.connections_seen),
            ("commit_bytes", "Bytes of records made durable.", counts.commit_bytes),
        ):
            yield CounterMetricFamily(f"leadkeep_intake_{name}", help_text, value=value)
        yield GaugeMetricFamily(
            "leadkeep_intake_connections", "Connections open.", value=counts.connections
        )
        trusted = GaugeMetricFamily(
            "leadkeep_intake_journal_trusted", "1: this journal is in use.", labels=["journal"]
        )
        for journal, is_trusted in self._lanes().items():
            trusted.add_metric([journal], float(is_trusted))
        yield trusted
        for name, help_text, histogram in (
            ("commit_seconds", "How long commits took.", counts.commit_seconds),
            ("commit_records", "Records in one commit.", counts.commit_records),
            ("live_seconds", "How long vendors waited for live answers.", counts.live_seconds),
        ):
            yield HistogramMetricFamily(
                f"leadkeep_intake_{name}",
                help_text,
                buckets=histogram.buckets(),
                sum_value=histogram.total,
            )

    def describe(self) -> Iterator[Metric]:
        """Nothing beforehand: the registry asks when it is scraped."""
        return iter(())

    def register(self, registry: CollectorRegistry = REGISTRY) -> None:
        """Be shown from now on."""
        registry.register(self)

    def unregister(self, registry: CollectorRegistry = REGISTRY) -> None:
        """Be shown no longer."""
        registry.unregister(self)


def _by_label(
    name: str, help_text: str, label: str, values: "Counter[str] | Counter[int]"
) -> CounterMetricFamily:
    family = CounterMetricFamily(name, help_text, labels=[label])
    # A copy: the loop may add a key while this thread reads.
    for key, count in dict(values).items():
        family.add_metric([str(key)], count)
    return family
