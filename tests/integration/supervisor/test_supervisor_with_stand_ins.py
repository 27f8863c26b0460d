"""The supervisor keeps the door open: over deaths, new settings, stopping, and its own death."""

import contextlib
import os
import signal
import socket
import subprocess
import threading
from functools import partial
from pathlib import Path

from tests.integration.waiting import free_port, wait_until

from .conftest import Installation


def test_both_children_are_started_and_the_door_answers(installation: Installation) -> None:
    installation.start_and_wait()
    pid, text = installation.ask()
    assert pid == installation.pid("intake")
    assert "# first" in text
    state = installation.state()
    assert state is not None
    assert state["listen"] == [f"127.0.0.1:{installation.port}"]


def test_a_child_that_is_killed_is_started_again_and_no_connection_is_refused(
    installation: Installation,
) -> None:
    installation.start_and_wait()
    first = installation.pid("intake")
    assert first is not None
    os.kill(first, signal.SIGKILL)
    # The socket stays open in the supervisor: this waits in its queue for the next intake.
    pid, _ = installation.ask()
    assert pid != first
    assert installation.heard("killed by SIGKILL")


def test_a_child_that_keeps_dying_is_started_ever_more_slowly(installation: Installation) -> None:
    installation.order("worker", "dies")
    installation.start()
    wait_until("four starts", lambda: installation.happened("worker", "starts") >= 4)
    waits = [line["again_in_seconds"] for line in installation.said() if "again_in_seconds" in line]
    assert waits[:3] == [0.1, 0.2, 0.4]
    assert installation.happened("intake", "starts") == 1
    installation.order("worker", "dies", off=True)
    wait_until("the worker serves", installation.is_serving)


def test_sigterm_stops_the_door_first_and_the_worker_when_the_door_is_gone(
    installation: Installation,
) -> None:
    supervisor = installation.start_and_wait()
    supervisor.terminate()
    assert supervisor.wait(20) == 0
    order = [(role, what) for role, _, what in installation.events() if what.startswith("le")]
    assert order == [
        ("intake", "leaves"),
        ("intake", "left"),
        ("worker", "leaves"),
        ("worker", "left"),
    ]
    assert installation.state() is None


def test_a_child_that_does_not_leave_is_killed_aloud(installation: Installation) -> None:
    installation.order("intake", "stays")
    supervisor = installation.start_and_wait()
    supervisor.terminate()
    assert supervisor.wait(20) == 0
    assert installation.heard("intake did not leave in time and is killed")
    assert installation.happened("intake", "left") == 0
    assert installation.happened("worker", "left") == 1


def test_a_second_signal_hurries(installation: Installation) -> None:
    installation.configure(more="")
    text = installation.config.read_text()
    installation.config.write_text(text.replace("drain_seconds = 0\n[", "drain_seconds = 600\n["))
    installation.order("intake", "stays")
    supervisor = installation.start_and_wait()
    supervisor.send_signal(signal.SIGINT)
    wait_until("the door leaves", lambda: installation.happened("intake", "leaves") == 1)
    supervisor.send_signal(signal.SIGINT)
    assert supervisor.wait(20) == 0
    assert installation.heard("hurrying")


def test_sighup_brings_new_settings_without_refusing_a_connection(
    installation: Installation,
) -> None:
    supervisor = installation.start_and_wait()
    old = installation.pid("intake")
    stop, answers, failures = threading.Event(), [0], list[str]()

    def post() -> None:
        while not stop.is_set():
            try:
                installation.ask()
                answers[0] += 1
            except (OSError, ValueError) as error:
                failures.append(repr(error))

    poster = threading.Thread(target=post)
    poster.start()
    try:
        installation.configure(mark="second")
        supervisor.send_signal(signal.SIGHUP)
        wait_until("the old ones left", lambda: installation.happened("worker", "left") == 1)
        wait_until("the old door left", lambda: installation.happened("intake", "left") == 1)
    finally:
        stop.set()
        poster.join()
    pid, text = installation.ask()
    assert (pid != old, "# second" in text) == (True, True)
    assert (failures, answers[0] > 0) == ([], True)
    ready_before_leaving = [what for role, _, what in installation.events() if role == "intake"]
    assert ready_before_leaving == ["starts", "ready", "starts", "ready", "leaves", "left"]


def test_sighup_with_a_wrong_configuration_keeps_the_old_one_and_says_why(
    installation: Installation,
) -> None:
    supervisor = installation.start_and_wait()
    before = installation.pid("intake")
    installation.configure(mark="second", more='[journal]\narchive_days = "often"\n')
    supervisor.send_signal(signal.SIGHUP)
    wait_until("it says why", lambda: installation.heard("journal.archive_days"))
    assert installation.ask()[0] == before
    # A child that dies meanwhile starts with the settings that were validated, not with the file.
    assert before is not None
    os.kill(before, signal.SIGKILL)
    assert "# first" in installation.ask()[1]


def test_sighup_keeps_the_old_one_when_the_check_refuses(installation: Installation) -> None:
    supervisor = installation.start_and_wait()
    before = installation.pid("intake")
    installation.order("check", "refuses")
    supervisor.send_signal(signal.SIGHUP)
    wait_until("it says why", lambda: installation.heard("the stars are not right"))
    assert installation.pid("intake") == before
    assert installation.happened("intake", "starts") == 1


def test_sighup_keeps_the_old_ones_when_a_new_one_dies(installation: Installation) -> None:
    supervisor = installation.start_and_wait()
    before = installation.pid("intake"), installation.pid("worker")
    installation.order("worker", "dies")
    installation.configure(mark="second")
    supervisor.send_signal(signal.SIGHUP)
    wait_until("it says so", lambda: installation.heard("the new worker ended"))
    wait_until("the new door left", lambda: installation.heard("intake has left"))
    assert (installation.pid("intake"), installation.pid("worker")) == before
    assert "# first" in installation.ask()[1]


def test_sighup_moves_the_door_to_a_new_address(installation: Installation) -> None:
    supervisor = installation.start_and_wait()
    port = free_port()
    installation.configure(port=port)
    supervisor.send_signal(signal.SIGHUP)
    wait_until("the old door left", lambda: installation.happened("intake", "left") == 1)
    assert installation.ask(port)[0] == installation.pid("intake")
    with socket.socket() as sock:
        assert sock.connect_ex(("127.0.0.1", installation.port)) != 0


def test_sighup_to_a_busy_address_keeps_the_old_one(installation: Installation) -> None:
    supervisor = installation.start_and_wait()
    with socket.create_server(("127.0.0.1", 0)) as other:
        installation.configure(port=other.getsockname()[1])
        supervisor.send_signal(signal.SIGHUP)
        wait_until("it says why", lambda: installation.heard("another program listens there"))
    assert installation.ask()[0] == installation.pid("intake")


def test_when_the_supervisor_is_killed_its_children_drain_and_a_new_one_takes_over(
    installation: Installation,
) -> None:
    supervisor = installation.start_and_wait()
    supervisor.kill()
    supervisor.wait()
    installation.start()
    wait_until("both orphans left", lambda: installation.happened("worker", "orphaned") == 1)
    wait_until("a new door is ready", lambda: installation.happened("intake", "ready") == 2)
    wait_until("the new one serves", installation.is_serving)
    assert installation.ask()[0] == installation.pid("intake")
    assert installation.happened("intake", "orphaned") == 1


def test_a_new_supervisor_waits_for_the_port_while_an_orphan_still_holds_it(
    installation: Installation,
) -> None:
    supervisor = installation.start_and_wait()
    orphan = installation.pid("intake")
    assert orphan is not None
    os.kill(orphan, signal.SIGSTOP)
    supervisor.kill()
    supervisor.wait()
    installation.start()
    wait_until("it says that it waits", lambda: installation.heard("waiting for it to leave"))
    os.kill(orphan, signal.SIGCONT)
    wait_until("the new one serves", installation.is_serving)
    assert installation.ask()[0] != orphan


def test_a_second_supervisor_on_the_same_data_is_refused(installation: Installation) -> None:
    first = installation.start_and_wait()
    second = installation.start()
    assert second.wait(20) != 0
    told = (installation.folder / "stderr-1").read_text()
    assert f"AlreadyRunning: another supervisor (pid {first.pid}) runs on" in told
    assert installation.is_serving()


def test_a_new_supervisor_waits_for_one_that_is_stopping(installation: Installation) -> None:
    installation.order("intake", "stays")
    first = installation.start_and_wait()
    first.terminate()
    wait_until("the door leaves", lambda: installation.happened("intake", "leaves") == 1)
    installation.start()
    wait_until("it says that it waits", lambda: installation.heard("waiting for it"))
    installation.order("intake", "stays", off=True)
    assert first.wait(20) == 0
    wait_until("the new one serves", installation.is_serving)


def test_the_sockets_of_systemd_are_used_and_its_variables_stay_with_the_supervisor(
    installation: Installation,
) -> None:
    # The shell does what systemd does: socket at descriptor 3, LISTEN_PID that of the program.
    notified = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    notified.bind(str(installation.folder / "notify"))
    notified.settimeout(20)
    with notified, socket.create_server(("127.0.0.1", 0)) as given:
        script = 'exec 3<&"$1"; shift; export LISTEN_PID=$$ LISTEN_FDS=1; exec "$@"'
        shell = ["bash", "-c", script, "sh", str(given.fileno())]
        with (installation.folder / "stderr-0").open("wb") as stderr:
            supervisor = subprocess.Popen(
                [*shell, *installation.command()],
                env={
                    **os.environ,
                    "STAND_IN_FOLDER": str(installation.folder),
                    "NOTIFY_SOCKET": str(installation.folder / "notify"),
                },
                stderr=stderr,
                pass_fds=(given.fileno(),),
            )
        installation.supervisors.append(supervisor)
        wait_until("it serves", installation.is_serving)
        assert installation.ask(given.getsockname()[1])[0] == installation.pid("intake")
        assert notified.recv(100) == b"READY=1"
    variables = Path(f"/proc/{installation.pid('intake')}/environ").read_bytes()
    assert b"LISTEN_" not in variables
    assert b"NOTIFY_SOCKET" not in variables


def test_no_child_inherits_the_lock_or_the_write_end_of_the_parents_pipe(
    installation: Installation,
) -> None:
    installation.start_and_wait()
    for role in ("intake", "worker"):
        process = Path(f"/proc/{installation.pid(role)}")
        links = [str(descriptor.readlink()) for descriptor in (process / "fd").iterdir()]
        assert not [link for link in links if link.endswith("supervisor.lock")]
        # Both roles keep only read ends: `ready` is closed just after it was said.
        wait_until(f"{role} keeps no write end", partial(keeps_no_write_end, process))


def keeps_no_write_end(process: Path) -> bool:
    """It has no pipe, beside the standard ones, into which it may write."""
    for descriptor in (process / "fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # closed meanwhile
            flags = (process / "fdinfo" / descriptor.name).read_text().split("flags:")[1]
            is_pipe = str(descriptor.readlink()).startswith("pipe:")
            may_write = int(flags.split()[0], 8) & os.O_ACCMODE != os.O_RDONLY
            if is_pipe and may_write and int(descriptor.name) > 2:
                return False
    return True
