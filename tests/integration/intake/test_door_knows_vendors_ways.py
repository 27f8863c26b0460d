"""Handshakes are answered and recorded; what proves nothing is refused where a source asks so."""

import hashlib
import hmac
import json
from pathlib import Path

import pytest

from leadkeep.models import Record, RecordKind
from leadkeep.settings.load import load
from leadkeep.settings.source import SourceSettings
from tests.integration.intake.conftest import OpenDoor
from tests.integration.intake.rig import RunningDoor, records_in, request

SOURCES = """
[sources.meta]
paths = ["/meta"]
preset = "meta"
secrets = "app secret"
handshake.token = "our word"

[sources.linkedin]
paths = ["/linkedin"]
preset = "linkedin"
secrets = "client secret"

[sources.slack]
paths = ["/slack"]
preset = "slack"
secrets = "signing secret"

[sources.strict]
paths = ["/strict"]
preset = "github"
secrets = "shared"
verify.on_failure = "reject"
"""
JSON = ["Content-Type: application/json"]
ASKED = "/meta?hub.mode=subscribe&hub.challenge=1158201444&hub.verify_token="


def _sources(folder: Path) -> dict[str, SourceSettings]:
    file = folder / "leadkeep.toml"
    file.write_text(SOURCES, "utf-8")
    return dict(load(config=file, environ={}, flags={}, cwd=folder).sources)


@pytest.fixture
def door(open_door: OpenDoor, tmp_path: Path) -> RunningDoor:
    return open_door(sources=_sources(tmp_path))


def _handshakes(door: RunningDoor) -> list[Record]:
    records = records_in(door.folder / "journal")
    return [record for record in records if record.kind is RecordKind.HANDSHAKE]


def test_metas_challenge_is_echoed_as_text_and_recorded(door: RunningDoor) -> None:
    answer = door.ask(request("GET", ASKED + "our%20word"))
    assert (answer.status, answer.body) == (200, b"1158201444")
    assert answer.headers["content-type"].startswith("text/plain")
    assert [(one.answer_status, one.detail) for one in _handshakes(door)] == [(200, "answered")]
    assert door.leads() == []


def test_another_verify_token_is_refused_aloud_and_recorded(door: RunningDoor) -> None:
    answer = door.ask(request("GET", ASKED + "guess"))
    assert answer.status == 403
    assert b"1158201444" not in answer.body
    assert [one.answer_status for one in _handshakes(door)] == [403]
    assert "guess" not in _handshakes(door)[0].detail


def test_linkedins_challenge_is_answered_with_its_proof(door: RunningDoor) -> None:
    answer = door.ask(request("GET", "/linkedin?challengeCode=890e4665-4dfe-4ab1"))
    proof = hmac.new(b"client secret", b"890e4665-4dfe-4ab1", hashlib.sha256).hexdigest()
    assert answer.json == {
        "challengeCode": "890e4665-4dfe-4ab1",
        "challengeResponse": proof,
    }
    assert answer.headers["content-type"] == "application/json"


def test_slacks_question_in_a_body_is_answered(door: RunningDoor) -> None:
    asked = json.dumps({"token": "t", "challenge": "3eZbrw1a", "type": "url_verification"})
    answer = door.ask(request(target="/slack", body=asked.encode(), headers=JSON))
    assert answer.body == b"3eZbrw1a"
    assert door.leads() == []


@pytest.mark.parametrize(
    "raw",
    [
        request("GET", "/meta?hub.mode=unsubscribe&hub.challenge=1&hub.verify_token=our%20word"),
        request("GET", "/meta?name=Ada&phone=6145550142"),
        request("GET", "/meta?hub.mode=subscribe&hub.challenge=&hub.verify_token=our%20word"),
        request("GET", "/meta?hub.mode=subscribe&hub.challenge=%0d%0aX:1&hub.verify_token=x"),
        request(target=ASKED + "our%20word", body=b"{}", headers=JSON),
        request("GET", "/nobody?hub.mode=subscribe&hub.challenge=1"),
        request(target="/slack", body=b'{"challenge": "1", "type": "event"}', headers=JSON),
        request(target="/slack", body=b'{"challenge": 1, "type": "url_verification"}'),
        request(target="/slack", body=b'["challenge"]'),
        request(
            target="/slack",
            body=b'{"type": "url_verification", "challenge": "1", "x": "' + b"x" * 9_000 + b'"}',
        ),
    ],
)
def test_what_is_not_quite_the_question_is_a_lead(door: RunningDoor, raw: bytes) -> None:
    assert door.ask(raw).status == 200
    assert len(door.leads()) == 1
    assert _handshakes(door) == []


def _signed(body: bytes, secret: bytes) -> bytes:
    made = hmac.new(secret, body, hashlib.sha256).hexdigest()
    return request(
        target="/strict", body=body, headers=[*JSON, f"X-Hub-Signature-256: sha256={made}"]
    )


def test_what_is_proved_is_answered_as_any_lead(door: RunningDoor) -> None:
    answer = door.ask(_signed(b'{"a":1}', b"shared"))
    assert answer.status == 200
    assert answer.json["lead_number"] == str(door.leads()[0].lead_number)


def test_what_proves_nothing_is_refused_and_kept_all_the_same(door: RunningDoor) -> None:
    answer = door.ask(_signed(b'{"a":1}', b"guess"))
    assert answer.status == 401
    assert [lead.body for lead in door.leads()] == [b'{"a":1}']


def test_a_source_that_does_not_ask_for_refusal_answers_200(door: RunningDoor) -> None:
    assert door.ask(request(target="/meta", body=b"{}", headers=JSON)).status == 200


def test_once_much_that_proves_nothing_is_kept_no_more_of_it_is_but_proof_still_counts(
    open_door: OpenDoor, tmp_path: Path
) -> None:
    door = open_door(sources=_sources(tmp_path), unrouted_max_bytes_per_address=4_096)
    large = b"x" * 1_500
    statuses = [door.ask(_signed(large, b"guess")).status for _ in range(6)]
    assert statuses == [401] * 6
    kept = len(door.leads())
    assert kept == 2
    assert door.ask(_signed(large, b"shared")).status == 200
    assert len(door.leads()) == kept + 1
