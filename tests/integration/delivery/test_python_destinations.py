"""Whatever a Python function does, it costs its own attempt and nothing else."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from leadkeep.clock import SystemClock
from leadkeep.destinations.base import Reply
from leadkeep.destinations.python import PythonDestination
from leadkeep.destinations.schemes import make_destination
from leadkeep.errors import SettingsError
from leadkeep.settings.model import DestinationSettings, PythonSettings
from tests.integration.delivery.leads import BODY, LEAD_ID, a_claim
from tests.integration.delivery.workbench import eventually

CANARY = "canary-personal"
CODE = """
import asyncio, ctypes, os, subprocess, sys, threading, time
from leadkeep import Lead, Refused, RetryLater

def where(lead: Lead):
    return {"process": os.getpid(), "folder": os.getcwd(), "argv": sys.argv}

def echo(lead: Lead):
    return {
        "key": lead.idempotency_key, "number": lead.lead_number, "source": lead.source,
        "attempt": lead.attempt, "received_at": lead.received_at.isoformat(),
        "method": lead.method, "path": lead.path, "query": lead.query,
        "headers": lead.headers, "body": lead.body.hex(), "payload": lead.payload(),
    }

async def later(lead: Lead):
    await asyncio.sleep(0.01)
    return {"loop": id(asyncio.get_running_loop())}

async def never(lead: Lead):
    await asyncio.Event().wait()

def nothing(lead): return None
def yes(lead): return True
def no(lead): return False
def number(lead): return 200
def strange(lead):
    found = {"when": object(), (1, 2): 3}
    found["self"] = found
    return found

def bug(lead):
    print("about to fail for", lead.payload()["contact"]["first_name"])
    raise KeyError(lead.payload()["contact"]["first_name"])

def busy(lead): raise RetryLater(90, "the CRM is full")
def refuse(lead): raise Refused("no phone")
def leave(lead): sys.exit(0)
def vanish(lead):
    os.write(1, b"last words\\n")
    os._exit(3)
def crash(lead): os.kill(os.getpid(), 11)
def hang(lead):
    subprocess.Popen(["sleep", "1000"])
    open("hung", "w").write(str(os.getpid()))
    while True:
        time.sleep(1000)
def leak(lead): return {"kept": bytearray(1024**3) and ""}
def flood(lead):
    for _ in range(2000):
        print("x" * 1000)
        os.write(1, b"y" * 1000)
    return {"flooded": True}
def impolite(lead):
    threading.Thread(target=time.sleep, args=(1000,)).start()
def fork_and_die(lead):
    if os.fork() == 0:
        time.sleep(12)  # it holds open what we would have to wait for
    os._exit(0)
class Crm:
    @staticmethod
    def take(lead): return {"nested": True}
crm = Crm()
not_a_function = 3
"""

Make = Callable[..., PythonDestination]


@pytest.fixture
async def calling(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Make]:
    """Make destinations that call functions of CODE; closed after the test."""
    (tmp_path / "crm_code.py").write_text(CODE)
    monkeypatch.chdir(tmp_path)
    made: list[PythonDestination] = []

    def make(function: str, *, python: dict[str, Any] | None = None, **options: Any) -> Any:
        settings = DestinationSettings(
            url=f"python:{function if ':' in function else f'crm_code:{function}'}",
            python=PythonSettings(**(python or {})),
            **{"timeout_seconds": 20.0, **options},
        )
        destination = make_destination("brain", settings, clock=SystemClock())
        assert isinstance(destination, PythonDestination)
        made.append(destination)
        return destination

    yield make
    for destination in made:
        await destination.close()


def said(reply: Reply) -> tuple[bool, str, str]:
    return reply.confirmed, reply.error_class, reply.error_message


async def test_a_function_is_given_everything_that_was_received(calling: Make) -> None:
    body, headers = bytes(range(256)), b"X-A: 1\r\nx-a: caf\xe9\r\n"
    claim = a_claim(method="PATCH", target=b"/in//%7E?x=%61", headers=headers, body=body, attempt=3)
    reply = await calling("echo").attempt(claim)
    assert reply.confirmed
    assert reply.headers == b"Content-Type: application/json\r\n"
    assert json.loads(reply.body) == {
        "key": LEAD_ID,
        "number": 1_700_000_000_001,
        "source": "quotes",
        "attempt": 3,
        "received_at": "2026-08-15T14:00:49.123000+00:00",
        "method": "PATCH",
        "path": "/in//%7E",
        "query": "x=%61",
        "headers": [["X-A", "1"], ["x-a", "café"]],
        "body": body.hex(),
        "payload": None,
    }


async def test_large_bodies_arrive_whole(calling: Make) -> None:
    reply = await calling("echo", reply_max_bytes=100).attempt(a_claim(body=b"\x00" * 20_000_000))
    assert (reply.confirmed, len(reply.body)) == (True, 100)


@pytest.mark.parametrize(
    ("function", "confirmed", "body"),
    [
        ("nothing", True, b""),
        ("yes", True, b""),
        ("Crm.take", True, b'{"nested": true}'),
        ("crm.take", True, b'{"nested": true}'),
        ("strange", True, b'{"reply": "a dict that contains itself"}'),
        ("no", False, b""),
        ("number", False, b""),
    ],
)
async def test_none_true_and_a_dict_confirm_and_nothing_else(
    calling: Make, function: str, confirmed: bool, body: bytes
) -> None:
    reply = await calling(function).attempt(a_claim())
    assert (reply.confirmed, reply.body) == (confirmed, body)


async def test_an_async_function_has_one_loop_for_all_leads(calling: Make) -> None:
    destination = calling("later")
    replies = [await destination.attempt(a_claim()) for _ in range(3)]
    assert all(reply.confirmed for reply in replies)
    assert len({reply.body for reply in replies}) == 1


async def test_what_is_raised_is_kept_with_the_attempt_and_told_nowhere_else(
    calling: Make,
) -> None:
    body = b'{"contact":{"first_name":"%b"}}' % CANARY.encode()
    with capture_logs() as logs:
        reply = await calling("bug").attempt(a_claim(body=body))
    assert said(reply) == (False, "raised", "brain raised KeyError")
    trace = reply.body.decode()
    assert trace.startswith(f"Printed:\nabout to fail for {CANARY}\n\nTraceback")
    assert 'crm_code.py", line' in trace
    assert "callee.py" not in trace
    assert trace.endswith(f"KeyError: '{CANARY}'\n")
    assert CANARY not in str(logs) + reply.error_class + reply.error_message


async def test_the_end_of_a_long_traceback_is_kept(calling: Make) -> None:
    reply = await calling("bug", reply_max_bytes=20).attempt(a_claim())
    assert len(reply.body) == 20
    assert reply.body.endswith(b"\nKeyError: 'Ada'\n")


async def test_a_function_can_ask_for_time_or_refuse(calling: Make) -> None:
    reply = await calling("busy").attempt(a_claim())
    assert said(reply) == (False, "retry_later", "brain asked to be tried again later")
    assert reply.retry_after_seconds == 90.0
    assert b"the CRM is full" in reply.body
    reply = await calling("refuse").attempt(a_claim())
    assert said(reply) == (False, "refused", "brain refused the lead")


@pytest.mark.parametrize(
    ("function", "error_class", "words", "body"),
    [
        ("leave", "exited", "brain called sys.exit()", b"SystemExit: 0\n"),
        ("vanish", "crashed", "ended before it returned (exit code 3)", b"last words\n"),
        ("crash", "crashed", "ended before it returned (killed by SIGSEGV)", b""),
        ("leak", "memory", "memory_max_bytes", b"MemoryError\n"),
        ("fork_and_die", "crashed", "ended before it returned (exit code 0)", b""),
    ],
)
async def test_a_process_that_dies_is_a_failed_attempt_and_the_next_lead_has_a_new_one(
    calling: Make, function: str, error_class: str, words: str, body: bytes
) -> None:
    destination = calling(
        function,
        timeout_seconds=6.0,
        python={"memory_max_bytes": 256 * 1024**2, "processes": 1},
    )
    for _ in range(2):
        reply = await destination.attempt(a_claim())
        assert (reply.confirmed, reply.error_class) == (False, error_class)
        assert words in reply.error_message
        assert reply.body.endswith(body)


async def test_a_hanging_function_is_killed_with_all_it_has_started_and_its_slot_is_free(
    calling: Make, tmp_path: Path
) -> None:
    destination = calling("hang", timeout_seconds=0.5, python={"processes": 1})
    for _ in range(2):
        reply = await destination.attempt(a_claim())
        assert said(reply) == (False, "timeout", "brain did not return within 0.5 s")
    group = int((tmp_path / "hung").read_text())
    await eventually(lambda: not processes_of(group))


def processes_of(group: int) -> list[int]:
    """Living processes of a process group."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
        except (OSError, ValueError):
            continue
        if fields[0] != "Z" and int(fields[2]) == group:
            found.append(int(entry.name))
    return found


async def test_an_async_function_that_never_ends_is_killed_too(calling: Make) -> None:
    reply = await calling("never", timeout_seconds=0.5).attempt(a_claim())
    assert reply.error_class == "timeout"


async def test_an_attempt_that_is_cancelled_leaves_nobody_behind(
    calling: Make, tmp_path: Path
) -> None:
    destination = calling("hang")
    attempt = asyncio.create_task(destination.attempt(a_claim()))
    await eventually(lambda: (tmp_path / "hung").exists() and (tmp_path / "hung").read_text())
    attempt.cancel()
    with pytest.raises(asyncio.CancelledError):
        await attempt
    group = int((tmp_path / "hung").read_text())
    await destination.close()
    await eventually(lambda: not processes_of(group))


async def test_what_is_printed_hurts_nobody(calling: Make) -> None:
    reply = await calling("flood").attempt(a_claim())
    assert (reply.confirmed, reply.body) == (True, b'{"flooded": true}')


async def test_a_process_is_kept_for_the_next_lead_and_replaced_after_so_many(
    calling: Make, tmp_path: Path
) -> None:
    destination = calling("where", python={"calls_per_process": 2, "processes": 1})
    told = [json.loads((await destination.attempt(a_claim())).body) for _ in range(4)]
    first, second, third, fourth = (one["process"] for one in told)
    assert first == second != third == fourth
    assert os.getpid() not in (first, third)
    assert told[0]["folder"] == str(tmp_path)


async def test_an_idle_process_that_was_killed_costs_no_lead(calling: Make) -> None:
    destination = calling("where", python={"processes": 1})
    first = json.loads((await destination.attempt(a_claim())).body)["process"]
    os.kill(first, signal.SIGKILL)
    await eventually(lambda: not processes_of(first))
    reply = await destination.attempt(a_claim())
    assert reply.confirmed or reply.error_class == "crashed"
    assert (await destination.attempt(a_claim())).confirmed


async def test_no_more_processes_than_configured_work_at_once(calling: Make) -> None:
    destination = calling("where", python={"processes": 2})
    replies = await asyncio.gather(*(destination.attempt(a_claim()) for _ in range(12)))
    assert all(reply.confirmed for reply in replies)
    assert len({json.loads(reply.body)["process"] for reply in replies}) <= 2


async def test_a_process_that_will_not_end_is_ended(calling: Make) -> None:
    destination = calling("impolite")
    assert (await destination.attempt(a_claim())).confirmed
    await destination.close()


@pytest.mark.parametrize(
    ("where", "words", "detail"),
    [
        ("no_such_module:take", "no_such_module cannot be imported", "No module named"),
        ("crm_code:no_such", "crm_code has no `no_such`", "no attribute"),
        ("crm_code:not_a_function", "that cannot be called (type int)", ""),
        ("broken_code:take", "broken_code cannot be imported (SyntaxError)", "SyntaxError"),
        ("leaving_code:take", "leaving_code cannot be imported (SystemExit)", "SystemExit"),
    ],
)
async def test_a_function_that_is_not_there_is_said_by_check_and_by_each_attempt(
    calling: Make, tmp_path: Path, where: str, words: str, detail: str
) -> None:
    (tmp_path / "broken_code.py").write_text("def take(lead:\n")
    (tmp_path / "leaving_code.py").write_text("raise SystemExit\n")
    destination = calling(where)
    reply = await destination.attempt(a_claim())
    assert (reply.confirmed, reply.error_class) == (False, "import")
    assert words in reply.error_message
    with pytest.raises(SettingsError, match=r"destinations\.brain\.url") as refused:
        await destination.examine()
    assert words in str(refused.value)
    assert detail in str(refused.value)
    assert str(tmp_path) in refused.value.hint


async def test_a_module_that_kills_its_process_is_said_as_well(
    calling: Make, tmp_path: Path
) -> None:
    (tmp_path / "killing_code.py").write_text("import os\nos._exit(9)\n")
    destination = calling("killing_code:take")
    reply = await destination.attempt(a_claim())
    assert reply.error_class == "import"
    assert "exit code 9" in reply.error_message
    with pytest.raises(SettingsError, match="exit code 9"):
        await destination.examine()


async def test_code_that_is_mended_is_used_without_a_restart(calling: Make, tmp_path: Path) -> None:
    destination = calling("mended_code:take")
    assert (await destination.attempt(a_claim())).error_class == "import"
    (tmp_path / "mended_code.py").write_text("def take(lead): return {'mended': True}\n")
    assert (await destination.attempt(a_claim())).body == b'{"mended": true}'


async def test_modules_are_looked_for_in_the_configured_folders(
    calling: Make, tmp_path: Path
) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "crm_code.py").write_text("def take(lead): return {'here': 1}\n")
    there = calling("take", python={"path": (tmp_path / "elsewhere",)})
    assert (await there.attempt(a_claim())).body == b'{"here": 1}'
    await there.examine()


@pytest.mark.parametrize("url", ["python:", "python:module", "python:a b:c", "python:a:b:c"])
def test_a_url_that_names_no_function_is_refused_at_once(url: str) -> None:
    with pytest.raises(SettingsError, match=r"destinations\.brain\.url"):
        make_destination("brain", DestinationSettings(url=url), clock=SystemClock())


WORKER = """
import asyncio, sys
from leadkeep.clock import SystemClock
from leadkeep.destinations.schemes import make_destination
from leadkeep.settings.model import DestinationSettings
from tests.integration.delivery.leads import a_claim
settings = DestinationSettings(url="python:crm_code:hang")
asyncio.run(make_destination("brain", settings, clock=SystemClock()).attempt(a_claim()))
"""


async def test_a_process_dies_with_its_worker_even_if_it_hangs(
    calling: Make, tmp_path: Path
) -> None:
    root = Path(__file__).resolve().parents[3]
    worker = subprocess.Popen(
        [sys.executable, "-c", WORKER],
        env={**os.environ, "PYTHONPATH": f"{root}:{root / 'src'}"},
        cwd=tmp_path,
    )
    await eventually(lambda: (tmp_path / "hung").exists() and (tmp_path / "hung").read_text())
    callee = int((tmp_path / "hung").read_text())
    worker.kill()
    worker.wait()
    await eventually(lambda: callee not in processes_of(callee))
    for left in processes_of(callee):
        os.kill(left, signal.SIGKILL)  # the `sleep` that it had started


def test_the_lead_of_the_tests_is_what_the_code_expects() -> None:
    assert json.loads(BODY)["contact"]["first_name"] == "Ada"
