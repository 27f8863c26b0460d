"""`leadkeep serve` as people start it: real processes, real sockets, a real application."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from leadkeep.supervisor.presence import read_state
from tests.integration.cli.installation import Installation
from tests.integration.cli.sink import a_sink

DEADLINE_SECONDS = 30.0
ADMIN_OFF = {"LEADKEEP_INTAKE__ADMIN_LISTEN": "off", "LEADKEEP_WORKER__ADMIN_LISTEN": "off"}


def wait_for(condition: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.02)


class Serving:
    """A running `leadkeep serve`."""

    def __init__(self, installation: Installation, *options: str) -> None:
        self.folder = installation.settings.run_folder
        self.log = installation.folder / "stderr"
        words = ["serve", "--listen", "127.0.0.1:0", "--data", str(installation.data), *options]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "leadkeep", *words],
                stderr=log,
                stdout=subprocess.DEVNULL,
                env={**os.environ, **ADMIN_OFF},
            )
        wait_for(self._ready, "both processes")

    def _ready(self) -> bool:
        assert self.process.poll() is None, self.said()
        state = read_state(self.folder)
        return state is not None and all(
            role in state["children"] and state["children"][role]["ready"]
            for role in ("intake", "worker")
        )

    def said(self) -> str:
        """What it printed for people so far."""
        return self.log.read_text("utf-8")

    def post(self, body: bytes) -> dict[str, object]:
        """Post as a vendor; the answer."""
        state = read_state(self.folder)
        assert state is not None
        request = urllib.request.Request(f"http://{state['listen'][0]}/webhook", data=body)
        with urllib.request.urlopen(request, timeout=10) as answer:
            told: dict[str, object] = json.loads(answer.read())
            return told

    def stop(self) -> int:
        """End it as systemd would; its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=DEADLINE_SECONDS)


@contextmanager
def serving(installation: Installation, *options: str) -> Iterator[Serving]:
    running = Serving(installation, *options)
    try:
        yield running
    finally:
        running.stop()


def test_a_posted_lead_is_delivered_and_status_says_so(installation: Installation) -> None:
    with a_sink() as sink, serving(installation, "--forward-to", sink.url) as running:
        answer = running.post(b'{"name": "Ada"}')
        wait_for(lambda: sink.bodies == [b'{"name": "Ada"}'], "the delivery")
        wait_for(lambda: installation.statuses() == ["completed"], "the record of it")
        result = installation.run("status", "--forward-to", sink.url)
        assert result.exit_code == 0, result.output
        assert "Processes: running since" in result.stdout
        assert "intake, worker" in result.stdout
        assert str(answer["lead_number"]) in installation.ok("leads", "list")
        assert running.stop() == 0


def test_it_tells_people_where_leads_come_in_go_and_stay(installation: Installation) -> None:
    with serving(installation, "--forward-to", "http://127.0.0.1:9/hook?key=s3cret") as running:
        said = running.said()
        assert "http://127.0.0.1:" in said
        assert "http://127.0.0.1:9/hook?••• (default)" in " ".join(said.split())
        assert str(installation.data) in said
        assert f"leadkeep status --data {installation.data}" in said
        assert "s3cret" not in said


def test_without_a_destination_leads_are_kept_and_it_says_how_to_add_one(
    installation: Installation,
) -> None:
    with serving(installation) as running:
        assert "--forward-to URL" in running.said()
        assert "[destinations.default]" in running.said()
        running.post(b'{"name": "Ada"}')
        wait_for(lambda: installation.statuses() == ["pending"], "the lead")
        assert installation.run("status").exit_code == 0
    with a_sink() as sink, serving(installation, "--forward-to", sink.url):
        wait_for(lambda: sink.bodies == [b'{"name": "Ada"}'], "the delivery")


def test_a_pushed_lead_is_delivered_by_the_running_worker(installation: Installation) -> None:
    with a_sink() as sink, serving(installation, "--forward-to", sink.url):
        installation.ok("push", "-", "--forward-to", sink.url, stdin=b'{"name": "Ada"}')
        wait_for(lambda: sink.bodies == [b'{"name": "Ada"}'], "the delivery")


def test_the_door_runs_alone_until_sigterm(installation: Installation) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"127.0.0.1:{free.getsockname()[1]}"
    with alone(installation, "intake", "--listen", address) as process:
        wait_for(lambda: _answers(f"http://{address}/livez"), "the door")
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=DEADLINE_SECONDS) == 0


def test_the_worker_runs_alone_until_sigterm(installation: Installation) -> None:
    with a_sink() as sink:
        installation.ok("push", "-", stdin=b'{"name": "Ada"}')
        with alone(installation, "worker", "--forward-to", sink.url) as process:
            wait_for(lambda: sink.bodies == [b'{"name": "Ada"}'], "the delivery")
            process.send_signal(signal.SIGTERM)
            assert process.wait(timeout=DEADLINE_SECONDS) == 0


@contextmanager
def alone(installation: Installation, *words: str) -> Iterator[subprocess.Popen[bytes]]:
    """One process without a supervisor."""
    installation.ok("migrate")
    process = subprocess.Popen(
        [sys.executable, "-m", "leadkeep", *words, "--data", str(installation.data)],
        env={**os.environ, **ADMIN_OFF},
        stderr=subprocess.DEVNULL,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def test_a_second_serve_on_the_same_folder_is_refused_with_words(
    installation: Installation,
) -> None:
    with serving(installation) as running:
        words = ["serve", "--listen", "127.0.0.1:0", "--data", str(installation.data)]
        done = subprocess.run(
            [sys.executable, "-m", "leadkeep", *words],
            capture_output=True,
            text=True,
            timeout=90,
            check=False,
        )
        assert done.returncode == 1
        assert "error: another supervisor" in done.stderr
        assert "hint: " in done.stderr
        assert "Traceback" not in done.stderr
        assert running.process.poll() is None


def test_handover_is_for_the_supervisor_alone(installation: Installation) -> None:
    for text in ("{}", "nonsense", '{"listen": [999], "admin": null}'):
        result = installation.run("intake", "--handover", text)
        assert result.exit_code == 2
        assert "--handover is not usable" in result.stderr
