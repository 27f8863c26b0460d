"""What every benchmark needs: servers in processes of their own, wrk, a table and JSON.

Figures are compared within one run only: the machine, its load and its disk are then the same.
"""

import contextlib
import json
import os
import platform
import signal
import socket
import statistics
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LEAD = (ROOT / "benchmarks" / "lead.json").read_text("utf-8").strip()


@dataclass(frozen=True)
class Load:
    """What wrk saw in one run."""

    requests_per_second: float
    p50_ms: float
    p99_ms: float
    p999_ms: float
    errors: int
    """Answers that are no 2xx, and socket errors."""


WRK_SCRIPT = """
wrk.method = "POST"
wrk.body = [==[{body}]==]
wrk.headers["Content-Type"] = "application/json"
function done(summary, latency, requests)
  local e = summary.errors
  io.write(string.format(
    '\\nRESULT {{"requests":%d,"seconds":%.6f,"p50":%.3f,"p99":%.3f,"p999":%.3f,"errors":%d}}\\n',
    summary.requests, summary.duration / 1e6, latency:percentile(50) / 1000,
    latency:percentile(99) / 1000, latency:percentile(99.9) / 1000,
    e.connect + e.read + e.write + e.status + e.timeout))
end
"""


def free_port() -> int:
    """A TCP port on loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wrk(url: str, *, connections: int, seconds: int, scratch: Path) -> Load:
    """Post the sample lead over `connections` kept-alive connections for `seconds`."""
    script = scratch / "post.lua"
    script.write_text(WRK_SCRIPT.format(body=LEAD), "utf-8")
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "-s", str(script), url]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    line = next(line for line in output.splitlines() if line.startswith("RESULT "))
    seen = json.loads(line.removeprefix("RESULT "))
    return Load(
        requests_per_second=seen["requests"] / seen["seconds"],
        p50_ms=seen["p50"],
        p99_ms=seen["p99"],
        p999_ms=seen["p999"],
        errors=seen["errors"],
    )


def median_load(loads: Sequence[Load]) -> Load:
    """Each figure's median over several runs; errors are summed."""
    return Load(
        requests_per_second=statistics.median(load.requests_per_second for load in loads),
        p50_ms=statistics.median(load.p50_ms for load in loads),
        p99_ms=statistics.median(load.p99_ms for load in loads),
        p999_ms=statistics.median(load.p999_ms for load in loads),
        errors=sum(load.errors for load in loads),
    )


@contextlib.contextmanager
def server(
    command: Sequence[str], *, url: str, environ: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """A server in its own process, until it answers; ended with its own children at the end."""
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": f"{ROOT / 'src'}:{ROOT}", **(environ or {})},
        stderr=subprocess.PIPE if os.environ.get("QUIET") else None,
    )
    try:
        _wait_until_it_answers(process, url)
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_until_it_answers(process: subprocess.Popen[bytes], url: str) -> None:
    give_up_at = time.monotonic() + 30
    while True:
        try:
            with urllib.request.urlopen(url, timeout=2):
                return
        except urllib.error.HTTPError as answered:
            answered.close()
            return
        except OSError as not_yet:
            if process.poll() is not None or time.monotonic() > give_up_at:
                raise RuntimeError(f"{process.args!r} does not answer at {url}") from not_yet
            time.sleep(0.05)


def pss_bytes(pid: int) -> int:
    """Proportional set size of one process: shared pages are counted once over all sharers."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text("ascii").splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError(f"no Pss for process {pid}")


def descendants(pid: int) -> list[int]:
    """A process and all below it."""
    found = [pid]
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text("ascii").split():
            found += descendants(int(child))
    return found


def machine() -> dict[str, str | int]:
    """What the figures were measured on."""
    return {
        "cpus": os.cpu_count() or 0,
        "kernel": platform.release(),
        "python": platform.python_version(),
    }


def write_report(path: Path | None, report: Mapping[str, object]) -> None:
    """The figures as JSON, to a file or not at all."""
    if path is not None:
        path.write_text(json.dumps(report, indent=2, default=asdict_or_text) + "\n", "utf-8")
        print(f"figures written to {path}", file=sys.stderr)


def asdict_or_text(value: object) -> object:
    """Dataclasses as objects, anything else as text."""
    return asdict(value) if isinstance(value, Load) else str(value)


def table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table with aligned columns."""
    widths = [max(len(row[i]) for row in (headings, *rows)) for i in range(len(headings))]
    lines = [headings, ["-" * width for width in widths], *rows]
    return "\n".join(
        "| "
        + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        + " |"
        for line in lines
    )
