"""`leadkeep leads`: what it shows, and what it changes."""

import json
import subprocess
import sys
import time
from typing import Any

import pytest

from leadkeep.models import Contact
from leadkeep.states import Status
from tests.integration.cli.installation import Installation
from tests.store.builders import RECEIVED_AT_US, a_lead, a_quarantined_lead

HOUR_US = 3_600_000_000


def now_us() -> int:
    return time.time_ns() // 1_000


def test_an_empty_installation_has_no_leads_and_that_is_no_error(
    installation: Installation,
) -> None:
    result = installation.run("leads", "list")
    assert result.exit_code == 0
    assert "No lead matches." in result.stderr
    assert installation.json("leads", "list") == []
    assert not installation.data.exists()


@pytest.mark.usefixtures("new_york")
def test_a_list_shows_number_local_time_name_and_masked_phone(installation: Installation) -> None:
    (view,) = installation.absorb(a_lead())
    header, row = installation.ok("leads", "list").splitlines()
    assert header.split("\t")[0] == "NUMBER"
    cells = row.split("\t")
    assert cells[0] == str(view.lead_number)
    assert cells[1] == "2026-08-15 10:00:49 EDT"
    assert cells[2:8] == ["Ada Example", "+1614•••0142", "default", "default", "… pending", "0"]


def test_reveal_shows_phones_whole(installation: Installation) -> None:
    installation.absorb(a_lead())
    assert "+16145550142" not in installation.ok("leads", "list", "--json")
    assert "+16145550142" in installation.ok("leads", "list", "--reveal")


def test_pages_follow_each_other_without_gap_or_repeat(installation: Installation) -> None:
    numbers = [view.lead_number for view in installation.absorb(*(a_lead() for _ in range(7)))]
    seen: list[int] = []
    after: list[object] = []
    for _ in range(10):
        result = installation.run("leads", "list", "--limit", 3, "--json", *after)
        page = json.loads(result.stdout)
        seen += [row["lead_number"] for row in page]
        if "--after" not in result.stderr:
            break
        after = ["--after", result.stderr.split("--after ")[1].strip()]
    assert seen == numbers[::-1]


def test_filters_hold_together(installation: Installation) -> None:
    installation.absorb(
        a_lead(source="lqf", destinations=("brain", "dialer")),
        a_lead(source="meta", destinations=("brain",)),
        a_lead(source="lqf", destinations=("brain",), received_at_us=now_us()),
        a_quarantined_lead(),
    )

    def found(*filters: object) -> list[tuple[str, Any]]:
        rows = installation.json("leads", "list", *filters)
        return sorted((row["source"], row["destination"]) for row in rows)

    assert found("--source", "lqf", "--destination", "dialer") == [("lqf", "dialer")]
    assert found("--since", "1h", "--source", "lqf") == [("lqf", "brain")]
    assert len(found("--source", "lqf", "--source", "meta")) == 4
    assert len(found("--status", "held")) == 1
    assert found("--status", "failed") == []
    assert len(found("--before", "2026-08-15T14:00:50Z", "--since", "2026-08-15T14:00:49Z")) == 4


def test_a_time_that_is_none_is_a_usage_error(installation: Installation) -> None:
    result = installation.run("leads", "list", "--since", "soon")
    assert result.exit_code == 2
    assert "'soon' is no time" in result.stderr


def test_escape_sequences_in_a_lead_never_reach_the_terminal(installation: Installation) -> None:
    hostile = "\x1b[2J\x1b]0;owned\x07[red]Eve\u202e"
    (view,) = installation.absorb(
        a_lead(
            contact=Contact(name=hostile, phone=hostile, email=hostile, vendor_lead_id=hostile),
            target=b"/\x1b[31m",
            headers=b"X: \x1b[31m\r\n",
            body=hostile.encode(),
        )
    )
    for command in (["list"], ["list", "--json"], ["show", view.lead_id]):
        for reveal in ([], ["--reveal"]):
            output = installation.run("leads", *command, *reveal).output
            assert "\x1b" not in output
            assert "\x07" not in output
            assert "\u202e" not in output
    assert "\\x1b[2J\\x1b]0;owned\\x07[red]Eve\\u202e" in installation.ok("leads", "list")


def test_show_tells_the_whole_story_of_a_lead(installation: Installation) -> None:
    (view,) = installation.absorb(a_lead())
    installation.attempt("default", Status.PENDING, next_attempt_at_ms=RECEIVED_AT_US // 1_000)
    installation.attempt("default", Status.COMPLETED)
    text = installation.ok("leads", "show", view.lead_number)
    story = [
        "received",
        "durable, and answered 200",
        "taken into the store",
        "default: try 1",
        "the destination answered 503 (HTTP 503)",
        "default: try 2",
        "confirmed (HTTP 200)",
        "✓ completed",
        "POST /webhook.php?campaign=7",
        "Content-Type: application/json",
        '"first_name": "Ada"',
    ]
    places = [text.find(part) for part in story]
    assert -1 not in places, dict(zip(story, places, strict=True))
    assert places == sorted(places)


def test_show_hides_contacts_and_secrets_until_asked(installation: Installation) -> None:
    (view,) = installation.absorb(
        a_lead(
            headers=b"Authorization: Bearer s3cret\r\n",
            body=b'{"phone": "(614) 555-0142", "email": "ada@example.test",'
            b' "google_key": "s3cret"}',
        )
    )
    for form in ([], ["--json"]):
        masked = installation.ok("leads", "show", view.lead_id, *form)
        for private in ("555-0142", "5550142", "ada@", "s3cret"):
            assert private not in masked
        whole = installation.ok("leads", "show", view.lead_id, "--reveal", *form)
        for private in ("555-0142", "+16145550142", "ada@example.test", "s3cret"):
            assert private in whole


def test_show_body_writes_the_exact_bytes(installation: Installation) -> None:
    body = bytes(range(256)) + b"\r\n\x00"
    (view,) = installation.absorb(a_lead(body=body, payload_text="binary"))
    result = installation.run("leads", "show", view.lead_id, "--body")
    assert result.exit_code == 0
    assert result.stdout_bytes == body


def test_a_payload_is_shown_as_sent_where_indenting_would_change_it(
    installation: Installation,
) -> None:
    for body in (b'{"a": 1, "a": 2}', b'{"price": 4.250}', b'{"n": NaN'):
        view = installation.absorb(a_lead(body=body))[-1]
        assert body.decode() in installation.ok("leads", "show", view.lead_id, "--reveal")


def test_an_unknown_lead_is_exit_code_5(installation: Installation) -> None:
    for _ in range(2):  # without a store, and with one
        for verb in ("show", "retry", "cancel"):
            result = installation.run("leads", verb, "1786800049001")
            assert result.exit_code == 5, result.output
            assert result.stderr.startswith("error: ")
        installation.absorb(a_lead())


def test_one_unknown_lead_among_many_changes_none(installation: Installation) -> None:
    (view,) = installation.absorb(a_lead())
    result = installation.run("leads", "cancel", "--yes", view.lead_id, "1786800049001")
    assert result.exit_code == 5
    assert installation.statuses() == ["pending"]


def test_one_lead_is_retried_without_being_asked(installation: Installation) -> None:
    (view,) = installation.absorb(a_lead())
    installation.attempt("default", Status.FAILED)
    assert installation.statuses() == ["failed"]
    assert installation.ok("leads", "retry", view.lead_id) == "1 delivery due at once\n"
    assert installation.statuses() == ["pending"]


def test_many_are_not_changed_before_somebody_said_yes(installation: Installation) -> None:
    installation.absorb(a_lead(), a_lead(), a_lead(destinations=("other",)))
    result = installation.run("leads", "cancel", "--destination", "default")
    assert result.exit_code == 2
    assert "cancel concerns 2 deliveries" in result.stderr
    assert installation.statuses() == ["pending"] * 3

    assert installation.json("leads", "cancel", "--destination", "default", "--dry-run") == {
        "verb": "cancel",
        "deliveries": 2,
        "dry_run": True,
    }
    assert installation.statuses() == ["pending"] * 3

    installation.ok("leads", "cancel", "--destination", "default", "--yes", "--reason", "test")
    assert installation.statuses() == ["cancelled", "cancelled", "pending"]


@pytest.mark.parametrize(("answer", "after"), [("n\n", "pending"), ("y\n", "cancelled")])
def test_on_a_terminal_the_person_is_asked(
    installation: Installation, monkeypatch: pytest.MonkeyPatch, answer: str, after: str
) -> None:
    installation.absorb(a_lead(), a_lead())
    monkeypatch.setattr("leadkeep.cli.deciding._somebody_is_there", lambda: True)
    result = installation.run("leads", "cancel", "--status", "pending", stdin=answer)
    assert "Cancel 2 deliveries?" in result.stderr
    assert installation.statuses() == [after] * 2


def test_a_forgotten_filter_never_means_everything(installation: Installation) -> None:
    installation.absorb(a_lead())
    result = installation.run("leads", "cancel", "--yes")
    assert result.exit_code == 2
    assert "--everything" in result.stderr
    assert installation.statuses() == ["pending"]
    installation.ok("leads", "cancel", "--yes", "--everything")
    assert installation.statuses() == ["cancelled"]


def test_limit_changes_no_more_than_that(installation: Installation) -> None:
    installation.absorb(*(a_lead() for _ in range(5)))
    installation.ok("leads", "hold", "--everything", "--limit", 2, "--yes")
    assert sorted(installation.statuses()) == ["held"] * 2 + ["pending"] * 3


def test_a_verb_that_is_not_allowed_says_why(installation: Installation) -> None:
    (view,) = installation.absorb(a_lead())
    installation.attempt("default", Status.COMPLETED)
    result = installation.run("leads", "retry", view.lead_number)
    assert result.exit_code == 1
    assert f"{view.lead_number} is completed" in result.stderr
    assert "cancelled, failed, pending" in result.stderr


def test_held_leads_are_resumed(installation: Installation) -> None:
    (view,) = installation.absorb(a_lead())
    installation.ok("leads", "hold", view.lead_id, "--reason", "waiting for legal")
    assert "waiting for legal" in installation.ok("leads", "list")
    installation.ok("leads", "resume", view.lead_id)
    assert installation.statuses() == ["pending"]


def test_a_pipe_that_closes_early_is_no_traceback(installation: Installation) -> None:
    installation.absorb(*(a_lead() for _ in range(300)))
    words = [sys.executable, "-m", "leadkeep", "leads", "list", "--limit", "300"]
    command = " ".join([*words, "--data", str(installation.data)])
    done = subprocess.run(
        ["/bin/sh", "-c", f"{command} | head -n 1"], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("NUMBER")
    assert "Traceback" not in done.stderr
