"""How fast leads get from the journal to the store, and from there to a destination.

`bin/benchmark queue [--leads 100000] [--json FILE]`: absorbing with and without phone
numbers that need normalising, and of a vendor that signs (each lead read, verified and compared
with earlier ones), draining a backlog to a destination on loopback beside what the bare
HTTP client posts in the same run, and the memory of an idle installation.
"""

import argparse
import contextlib
import hashlib
import hmac
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import uvloop

from benchmarks.door import QUIET, sink_running
from benchmarks.harness import (
    LEAD,
    ROOT,
    descendants,
    free_port,
    machine,
    pss_bytes,
    server,
    table,
    write_report,
)
from leadkeep import app
from leadkeep.app.parts import make_absorber
from leadkeep.clock import SystemClock
from leadkeep.journal.disk import DiskJournal
from leadkeep.journal.identity import LeadIds
from leadkeep.journal.records import encode_lead
from leadkeep.settings.load import load
from leadkeep.settings.model import Settings
from leadkeep.telemetry.logs import configure_logs

GROUP = 64
CONCURRENCY = 16
SAMPLE_PHONE = "6145550142"
FIRST_NUMBER = 1_790_000_000_000
SECRET = "a secret of the vendor and this door"
HEADERS = b"Host: door.example\r\nContent-Type: application/json\r\n"


def settings_in(folder: Path, destination: str | None = None) -> Settings:
    """An installation in `folder`."""
    flags: dict[str, object] = {"data": str(folder), "forward_to": destination}
    return load(config=None, environ={}, flags=flags, cwd=folder)


def signing_vendor_in(folder: Path) -> Settings:
    """An installation whose leads are signed, and compared with earlier ones."""
    config = folder / "leadkeep.toml"
    config.write_text(
        f'data = "{folder}"\n[destinations.default]\nurl = "http://127.0.0.1:9/in"\n'
        f'[sources.default]\npaths = ["*"]\npreset = "github"\nsecrets = "{SECRET}"\n'
    )
    return load(config=config, environ={}, flags={}, cwd=folder)


def unsigned(_body: bytes) -> bytes:
    """Headers of a vendor that signs nothing."""
    return HEADERS


def signed(body: bytes) -> bytes:
    """Headers of a vendor that signs the body."""
    made = hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
    return HEADERS + f"X-Hub-Signature-256: sha256={made}\r\n".encode()


def ten_digits(number: int) -> str:
    """A phone number of its own for each lead, as most vendors write it."""
    return f"614{2_000_000 + number % 7_999_999:07d}"


def written_out(number: int) -> str:
    """The same number, written so that it must be normalised."""
    digits = ten_digits(number)
    return f"+1 ({digits[:3]}) {digits[3:6]}-{digits[6:]}"


def fill_journal(
    settings: Settings,
    leads: int,
    phone: Callable[[int], str],
    headers: Callable[[bytes], bytes] = unsigned,
) -> None:
    """Accept `leads` leads, as the door would; each has a phone number of its own."""
    clock = SystemClock()
    ids = LeadIds(clock)
    before, after = (part.encode() for part in LEAD.split(SAMPLE_PHONE))
    journal = DiskJournal(
        settings.journal_folders[0], segment_bytes=settings.journal.segment_bytes, clock=clock
    )
    for first in range(0, leads, GROUP):
        now_us = clock.now_us()
        bodies = {
            number: before + phone(number).encode() + after
            for number in range(first, min(first + GROUP, leads))
        }
        journal.commit(
            [
                encode_lead(
                    ids.next(now_us),
                    FIRST_NUMBER + number,
                    now_us,
                    0,
                    b"default",
                    b"203.0.113.24",
                    b"POST",
                    b"/hooks/lqf",
                    headers(body),
                    body,
                    200,
                )
                for number, body in bodies.items()
            ]
        )
    journal.close()


async def absorb(settings: Settings) -> tuple[int, float]:
    """Absorb all that the journal holds; returns leads and seconds."""
    async with app.open_store(settings) as store:
        absorber = make_absorber(settings, store, on_absorbed=lambda: None)
        began = time.perf_counter()
        done = await absorber.absorb_available()
        seconds = time.perf_counter() - began
        absorber.close()
    return done.leads, seconds


def absorb_rate(scratch: Path, leads: int, phone: Callable[[int], str]) -> float:
    """Leads per second from journal to store."""
    settings = settings_in(Path(tempfile.mkdtemp(dir=scratch)))
    fill_journal(settings, leads, phone)
    absorbed, seconds = uvloop.run(absorb(settings))
    assert absorbed == leads
    return leads / seconds


def absorb_rate_of_signing_vendor(scratch: Path, leads: int) -> float:
    """The same where each lead is verified, and looked for among the earlier ones."""
    settings = signing_vendor_in(Path(tempfile.mkdtemp(dir=scratch)))
    fill_journal(settings, leads, ten_digits, signed)
    absorbed, seconds = uvloop.run(absorb(settings))
    assert absorbed == leads
    return leads / seconds


def delivery_rate(scratch: Path, sink: str, leads: int) -> float:
    """Deliveries per second, each with its outcome durable, from a backlog."""
    settings = settings_in(Path(tempfile.mkdtemp(dir=scratch)), f"{sink}/webhook.php")
    fill_journal(settings, leads, ten_digits)
    uvloop.run(absorb(settings))

    async def deliver() -> float:
        began = time.perf_counter()
        run = await app.process_queue(settings)
        assert run.completed == leads
        return time.perf_counter() - began

    return leads / uvloop.run(deliver())


def bare_client_rate(sink: str, posts: int) -> float:
    """Posts per second of the HTTP client alone, with the same concurrency."""
    command = [sys.executable, "-m", "benchmarks.bare_client", f"{sink}/webhook.php"]
    output = subprocess.run(
        [*command, str(posts), str(CONCURRENCY)], check=True, capture_output=True, cwd=ROOT
    ).stdout
    return float(output)


@contextlib.contextmanager
def idle_installation(scratch: Path) -> Iterator[int]:
    """`leadkeep serve` with nothing to do; gives its process id."""
    origin = f"127.0.0.1:{free_port()}"
    folder = tempfile.mkdtemp(dir=scratch)
    command = [sys.executable, "-m", "leadkeep", "serve", "--listen", origin, "--data", folder]
    with server(command, url=f"http://{origin}/livez", environ=QUIET) as process:
        time.sleep(2)  # Until the worker has started too and nothing is left to do.
        yield process.pid


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--leads", type=int, default=100_000)
    parser.add_argument("--json", type=Path, help="write the figures here as well")
    asked = parser.parse_args()
    configure_logs(level="error", form="auto", process="benchmark")
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        figures = {
            "absorb, ten-digit phones, leads/s": absorb_rate(folder, asked.leads, ten_digits),
            "absorb, phones to normalise, leads/s": absorb_rate(folder, asked.leads, written_out),
            "absorb, verified and compared, leads/s": absorb_rate_of_signing_vendor(
                folder, asked.leads
            ),
        }
        with sink_running() as sink:
            bare_before = bare_client_rate(sink, asked.leads // 4)
            figures["delivery, leads/s"] = delivery_rate(folder, sink, asked.leads)
            bare_after = bare_client_rate(sink, asked.leads // 4)
        figures["bare client, posts/s"] = (bare_before + bare_after) / 2
        figures["delivery / bare client"] = (
            figures["delivery, leads/s"] / figures["bare client, posts/s"]
        )
        with idle_installation(folder) as pid:
            figures["idle installation, MB (PSS)"] = sum(map(pss_bytes, descendants(pid))) / 1024**2
    print(table(["what", "figure"], [[name, f"{value:,.2f}"] for name, value in figures.items()]))
    write_report(asked.json, {"machine": machine(), "leads": asked.leads, "figures": figures})


if __name__ == "__main__":
    main()
