"""How many durable answers a second the door gives, and how late, beside what else one might use.

`bin/benchmark door [--seconds 5] [--rounds 3] [--json FILE]`: every server gets the same
load in turn, several rounds of it, all in one run; figures are medians over the rounds.
"""

import argparse
import contextlib
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from benchmarks.harness import (
    Load,
    free_port,
    machine,
    median_load,
    server,
    table,
    write_report,
    wrk,
)

CONNECTIONS = (1, 64, 256)
QUIET = {
    "LEADKEEP_LOG_LEVEL": "error",
    "LEADKEEP_INTAKE__ADMIN_LISTEN": "off",
    "LEADKEEP_WORKER__ADMIN_LISTEN": "off",
    "LEADKEEP_WORKER__BALLAST_BYTES": "0",
}
UVICORN = ("-m", "uvicorn", "--loop", "uvloop", "--http", "httptools", "--no-access-log")


@dataclass(frozen=True)
class Subject:
    """A server to be measured."""

    name: str
    durable: bool


DOOR = Subject("Leadkeep, the door alone", durable=True)
WHOLE = Subject("Leadkeep, whole installation delivering", durable=True)
VOLATILE = Subject("(a) the same door without durability", durable=False)
CONSTANT = Subject("(b) uvicorn answering a constant", durable=False)
PLAIN = Subject("(c) FastAPI + SQLite, a commit per request", durable=True)
SUBJECTS = (DOOR, WHOLE, VOLATILE, CONSTANT, PLAIN)


@contextlib.contextmanager
def running(subject: Subject, scratch: Path) -> Iterator[str]:
    """The server, started for one round on an empty folder; gives the URL to post to."""
    port = free_port()
    origin = f"http://127.0.0.1:{port}"
    folder = Path(tempfile.mkdtemp(dir=scratch))
    leadkeep = [sys.executable, "-m", "leadkeep"]
    place = ["--listen", f"127.0.0.1:{port}", "--data", str(folder)]
    uvicorn = [sys.executable, *UVICORN, "--log-level", "error", "--port", str(port)]
    with ExitStack() as stack:
        environ = dict(QUIET)
        match subject:
            case _ if subject is DOOR:
                command = [*leadkeep, "intake", *place]
            case _ if subject is WHOLE:
                sink = stack.enter_context(sink_running())
                command = [*leadkeep, "serve", *place, "--forward-to", f"{sink}/webhook.php"]
            case _ if subject is VOLATILE:
                command = [sys.executable, "-m", "benchmarks.volatile_door", str(port), str(folder)]
                environ = {}
            case _ if subject is CONSTANT:
                command = [*uvicorn, "benchmarks.constant_app:app"]
            case _:
                command = [*uvicorn, "benchmarks.plain_endpoint:app"]
                environ = {"PLAIN_ENDPOINT_DB": str(folder / "plain.db")}
        stack.enter_context(server(command, url=f"{origin}/livez", environ=environ))
        # The folder stays until the end: freeing its blocks would slow the next server's disk.
        yield f"{origin}/hooks/lqf"


@contextlib.contextmanager
def sink_running() -> Iterator[str]:
    """A destination that confirms everything; gives its origin."""
    port = free_port()
    origin = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "benchmarks.sink", str(port)]
    with server(command, url=f"{origin}/livez"):
        yield origin


def measure(rounds: int, seconds: int) -> dict[Subject, dict[int, Load]]:
    """Every subject at every number of connections, round by round."""
    seen: dict[tuple[Subject, int], list[Load]] = {}
    with tempfile.TemporaryDirectory() as scratch:
        for turn in range(rounds):
            for subject in SUBJECTS:
                print(f"round {turn + 1} of {rounds}: {subject.name}", file=sys.stderr)
                with running(subject, Path(scratch)) as url:
                    for connections in CONNECTIONS:
                        load = wrk(
                            url, connections=connections, seconds=seconds, scratch=Path(scratch)
                        )
                        seen.setdefault((subject, connections), []).append(load)
    return {
        subject: {c: median_load(seen[subject, c]) for c in CONNECTIONS} for subject in SUBJECTS
    }


def show(figures: dict[Subject, dict[int, Load]]) -> str:
    """The figures as a table, and the ratios that the targets are about."""
    rows = [
        [
            subject.name,
            "yes" if subject.durable else "no",
            str(connections),
            f"{load.requests_per_second:,.0f}",
            f"{load.p50_ms:.2f}",
            f"{load.p99_ms:.2f}",
            f"{load.p999_ms:.2f}",
            str(load.errors),
        ]
        for subject, loads in figures.items()
        for connections, load in loads.items()
    ]
    headings = ["server", "durable", "connections", "answers/s", "p50 ms", "p99 ms", "p99.9 ms"]
    lines = [table([*headings, "errors"], rows), ""]
    against = {connections: ratios(figures, connections) for connections in CONNECTIONS}
    lines.append(
        table(
            ["connections", *map(str, CONNECTIONS)],
            [
                [name, *(f"{against[connections][name]:.2f}" for connections in CONNECTIONS)]
                for name in against[CONNECTIONS[0]]
            ],
        )
    )
    return "\n".join(lines)


def ratios(figures: dict[Subject, dict[int, Load]], connections: int) -> dict[str, float]:
    """The door against the others at a number of connections."""

    def rate(subject: Subject) -> float:
        return figures[subject][connections].requests_per_second

    return {
        "door / (a) without durability": rate(DOOR) / rate(VOLATILE),
        "door / (b) uvicorn, a constant": rate(DOOR) / rate(CONSTANT),
        "door / (c) FastAPI + SQLite": rate(DOOR) / rate(PLAIN),
        "whole installation / door": rate(WHOLE) / rate(DOOR),
    }


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=5, help="per server and connections")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path, help="write the figures here as well")
    asked = parser.parse_args()
    figures = measure(asked.rounds, asked.seconds)
    print(show(figures))
    write_report(
        asked.json,
        {
            "machine": machine(),
            "loads": {subject.name: loads for subject, loads in figures.items()},
            "ratios": {connections: ratios(figures, connections) for connections in CONNECTIONS},
        },
    )


if __name__ == "__main__":
    main()
