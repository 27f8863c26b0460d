"""What was made to do harm is taken, kept, shown and delivered like any other lead.

One real installation for all of it: a source that asks for nothing, one whose vendor signs, and one
whose vendor sends a word in the body.
"""

import hashlib
import hmac
import json
import os
import pty
import subprocess
import sys
import threading
import unicodedata
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from click.testing import CliRunner, Result

from leadkeep.cli import main
from tests.faults.rig.installation import Installation
from tests.faults.rig.processes import free_port
from tests.faults.rig.waiting import wait_until
from tests.integration.hostile.corpus import CANARY, CORPUS, Payload
from tests.integration.hostile.site import Remembering, post

SECRET = "It's a Secret to Everybody"
_SOURCES = f"""
[sources.lqf]
paths = ["/open"]
preset = "leadsquotingfast"
[sources.signed]
paths = ["/signed"]
preset = "github"
secrets = "{SECRET}"
[sources.word]
paths = ["/word"]
preset = "google-ads"
secrets = "{SECRET}"
[sources.texting]
paths = ["/texting"]
preset = "twilio"
secrets = "{SECRET}"
verify.public_url = "https://leads.example.com"
"""


class Taken(NamedTuple):
    """One payload that was posted to one source, and answered."""

    source: str
    name: str
    number: int

    @property
    def payload(self) -> Payload:
        return CORPUS[self.name]


class Site(NamedTuple):
    """What was posted where, once all of it is settled."""

    installation: Installation
    application: Remembering
    taken: list[Taken]
    admins: list[int]

    def run(self, *words: object) -> Result:
        """Run a command against it, in this process."""
        told = ["--config", str(self.installation.config), *map(str, words)]
        return CliRunner(env={"NO_COLOR": "1"}).invoke(main, told)

    def ok(self, *words: object) -> str:
        """The same of a command that must succeed; what it printed."""
        result = self.run(*words)
        assert result.exit_code == 0, (words, result.output[-2_000:])
        assert "Traceback" not in result.output
        return result.stdout

    def of(self, source: str) -> list[Taken]:
        """What was posted to one source."""
        return [each for each in self.taken if each.source == source]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with Remembering() as application:
        folder = tmp_path_factory.mktemp("hostile")
        with Installation(folder, application) as installation:
            admins = _configured(installation)
            installation.log_level = "debug"
            installation.start()
            taken = [
                Taken(source, name, _posted(installation.port, source, payload))
                for source in ("open", "signed", "word", "texting")
                for name, payload in CORPUS.items()
            ]
            site = Site(installation, application, taken, admins)
            wait_until("all is absorbed", lambda: _count(installation, "leads") == len(taken))
            wait_until(
                "all is settled",
                lambda: (
                    _count(installation, "deliveries WHERE status = 'completed'") >= 2 * len(CORPUS)
                ),
            )
            yield site
            installation.stop()


def _configured(installation: Installation) -> list[int]:
    admins = [free_port(), free_port()]
    config = installation.config.read_text()
    for port in admins:
        config = config.replace('admin_listen = "off"', f'admin_listen = "127.0.0.1:{port}"', 1)
    config = config.replace('[sources.lqf]\npaths = ["*"]\n', _SOURCES)
    installation.config.write_text(config)
    return admins


def _posted(port: int, source: str, payload: Payload) -> int:
    made = hmac.new(SECRET.encode(), payload.body, hashlib.sha256).hexdigest()
    status, answer = post(
        port,
        f"/{source}".encode() + payload.query,
        f"Content-Type: {payload.content_type}\r\n".encode("latin-1")
        + f"X-Hub-Signature-256: sha256={made}\r\n".encode()
        + b"X-Twilio-Signature: AAAA\r\n"
        + payload.header,
        payload.body,
    )
    assert status == 200
    if source == "texting":
        return 0
    return int(json.loads(answer)["lead_id" if source == "open" else "lead_number"])


def _count(installation: Installation, where: str) -> int:
    ((count,),) = installation.rows(f"SELECT COUNT(*) FROM {where}")
    return int(count)


def _hash(taken: Taken) -> str:
    return hashlib.sha256(taken.payload.body).hexdigest()


def test_what_is_proved_or_need_not_be_is_delivered_byte_for_byte(site: Site) -> None:
    wanted = {each.number: _hash(each) for each in site.of("open") + site.of("signed")}
    assert {n: site.application.hashes[n] for n in wanted} == wanted
    assert all(site.application.received[number] == 1 for number in wanted)


def test_what_proves_nothing_is_kept_and_delivered_once_a_person_says_so(site: Site) -> None:
    held = site.of("word")
    assert not any(each.number in site.application.hashes for each in held)
    site.ok("leads", "release", "--source", "word", "--yes")
    wanted = {each.number: _hash(each) for each in held}
    wait_until("they are delivered", lambda: wanted.keys() <= site.application.hashes.keys())
    assert {number: site.application.hashes[number] for number in wanted} == wanted


def test_every_body_is_in_the_store_byte_for_byte(site: Site) -> None:
    wanted = sorted(_hash(each) for each in site.taken)
    rows = site.installation.rows("SELECT body FROM leads")
    stored = sorted(hashlib.sha256(_bytes(body)).hexdigest() for (body,) in rows)
    assert stored == wanted


def _bytes(body: bytes | str) -> bytes:
    return body.encode() if isinstance(body, str) else body


def test_lists_and_queries_show_all_of_them(site: Site) -> None:
    listed = site.ok("leads", "list", "--limit", "1000")
    assert len(listed.splitlines()) == len(site.taken) + 1
    assert len(json.loads(site.ok("leads", "list", "--limit", "1000", "--json"))) == len(site.taken)
    everything = "SELECT * FROM lead_queue"
    assert len(site.ok("sql", everything).splitlines()) == len(site.taken) + 1
    assert len(json.loads(site.ok("sql", "--json", everything))) == len(site.taken)
    bodies = json.loads(site.ok("sql", "--json", "SELECT target, headers, body FROM leads"))
    assert len(bodies) == len(site.taken)
    for line in [*listed.splitlines(), *site.ok("sql", everything).splitlines()]:
        _check_harmless(line.replace("\t", ""))


@pytest.mark.parametrize("name", CORPUS)
def test_each_is_shown_whole_and_harmlessly(site: Site, name: str) -> None:
    (taken,) = [each for each in site.of("open") if each.name == name]
    for words in (("show",), ("show", "--reveal"), ("preview",), ("preview", "--reveal")):
        page = site.ok("leads", words[0], taken.number, *words[1:])
        _check_harmless(page.replace("\n", "").replace("\t", ""))
        told = json.loads(site.ok("leads", words[0], taken.number, *words[1:], "--json"))
        assert isinstance(told, dict)
    result = site.run("leads", "show", taken.number, "--body")
    assert result.stdout_bytes == taken.payload.body
    lines = site.ok("journal", "cat", "--lead", f"{taken.number:013d}").splitlines()
    assert len(lines) == 1
    _check_harmless(lines[0])


def test_on_a_terminal_nothing_of_them_moves_the_cursor(site: Site) -> None:
    for name in (
        "raw control characters",
        "control and direction characters",
        "control bytes alone",
        "a query of everything",
        "SQL and markup",
    ):
        (taken,) = [each for each in site.of("open") if each.name == name]
        for words in (
            ("leads", "show", str(taken.number), "--reveal"),
            ("leads", "show", str(taken.number), "--body"),
            ("leads", "preview", str(taken.number), "--reveal"),
        ):
            _check_harmless(_on_a_terminal(site, *words).replace("\n", "").replace("\t", ""))
    _check_harmless(_on_a_terminal(site, "leads", "list").replace("\n", ""))


def _check_harmless(text: str) -> None:
    harmful = {char for char in text if unicodedata.category(char) in {"Cc", "Cf", "Zl", "Zp"}}
    assert not harmful, (sorted(map(ascii, harmful)), text[:300])


def _on_a_terminal(site: Site, *words: str) -> str:
    """What a command writes to a terminal that knows no colours."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "leadkeep", "--config", str(site.installation.config), *words],
        stdin=subprocess.DEVNULL,
        stdout=theirs,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "TERM": "dumb", "COLUMNS": "200"},
    )
    os.close(theirs)
    pieces: list[bytes] = []
    reading = threading.Thread(target=_drain, args=(ours, pieces))
    reading.start()
    assert process.wait(timeout=60) == 0
    reading.join()
    os.close(ours)
    return b"".join(pieces).decode().replace("\r\n", "\n")


def _drain(terminal: int, pieces: list[bytes]) -> None:
    # The kernel says EIO once nobody has the other end open.
    while True:
        try:
            piece = os.read(terminal, 65_536)
        except OSError:
            return
        if not piece:
            return
        pieces.append(piece)


def test_nothing_of_them_is_in_logs_or_metrics(site: Site) -> None:
    told = [
        urllib.request.urlopen(f"http://127.0.0.1:{port}/{page}", timeout=10).read().decode()
        for port in site.admins
        for page in ("metrics", "details")
    ]
    log = (Path(site.installation.folder) / "log").read_text()
    assert "delivered" in log
    assert [text for text in (log, *told) if CANARY in text or "Traceback" in text] == []
