"""What an alert looks like to the person who gets it."""

import shlex
from email import message_from_bytes
from email.message import EmailMessage

import msgspec

from leadkeep.alerts.incidents import Word
from leadkeep.alerts.letters import Writer, digest, letter, trial
from leadkeep.models import Incident, Notice
from tests.unit.alerts.problems import MINUTE, NOW, problem

WRITER = Writer(
    installation="production",
    sender="leadkeep@example.test",
    recipients=("owner@example.test", "night@example.test"),
    command=lambda *words: shlex.join(("leadkeep", *words)),
)
INCIDENT = Incident(
    incident_id=12,
    version=1,
    problem=problem(last_deploy="2026-08-15 09:00 UTC, completed"),
    fired_at_ms=NOW,
    seen_at_ms=NOW,
    told_at_ms=NOW,
    told=1,
)
FIRING = Notice(word=Word.FIRING, incident=INCIDENT, next_reminder_ms=NOW + 240 * MINUTE)


def text_of(message: EmailMessage) -> str:
    """The part in plain text."""
    part = message.get_body(("plain",))
    assert part is not None
    content: str = part.get_content()
    return content


def test_it_says_what_is_wrong_whether_leads_are_safe_and_what_comes_next() -> None:
    message = letter(WRITER, FIRING, now_ms=NOW)
    assert message["Subject"] == "[production] FIRING: crm refuses 3 leads, though it works"
    text = text_of(message)
    assert text.startswith("FIRING: crm refuses 3 leads, though it works.\n")
    for words in (
        "Are leads safe? Yes: each is stored.",
        "Scope            crm",
        "Since            2026-08-15 13:19 UTC (for 1 min)",
        "3 leads refused (told from: none should be)",
        "http_422",
        "2026-08-15 09:00 UTC, completed",
        "leadkeep leads list --destination crm",
        "leadkeep alerts acknowledge 12",
        "leadkeep alerts silence 12 --for 4h",
        "Next reminder    2026-08-15 17:20 UTC",
    ):
        assert words in text, words


def test_text_and_html_say_the_same() -> None:
    hostile = msgspec.structs.replace(INCIDENT, problem=problem(what="<b>crm</b> & others refuse"))
    message = letter(WRITER, Notice(word=Word.FIRING, incident=hostile), now_ms=NOW)
    rich = message.get_body(("html",))
    assert rich is not None
    content = rich.get_content()
    assert "&lt;b&gt;crm&lt;/b&gt; &amp; others refuse" in content
    assert "<b>crm" not in content
    assert "<b>crm</b> & others refuse" in text_of(message)


def test_no_machine_answers_it() -> None:
    message = letter(WRITER, FIRING, now_ms=NOW)
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["X-Auto-Response-Suppress"] == "All"
    assert message["To"] == "owner@example.test, night@example.test"


def test_all_mails_of_an_incident_are_one_thread() -> None:
    first = letter(WRITER, FIRING, now_ms=NOW)
    again = msgspec.structs.replace(INCIDENT, told=2)
    second = letter(WRITER, Notice(word=Word.STILL, incident=again), now_ms=NOW)
    assert first["References"] is None
    assert second["In-Reply-To"] == second["References"] == first["Message-ID"]
    assert second["Message-ID"] != first["Message-ID"]


def test_the_same_mail_sent_again_has_the_same_id() -> None:
    later = letter(WRITER, FIRING, now_ms=NOW + MINUTE)
    assert later["Message-ID"] == letter(WRITER, FIRING, now_ms=NOW)["Message-ID"]


def test_the_last_one_says_how_long_it_lasted() -> None:
    over = msgspec.structs.replace(INCIDENT, resolved_at_ms=NOW + 11 * MINUTE, told=2)
    message = letter(WRITER, Notice(word=Word.RESOLVED, incident=over), now_ms=NOW + 20 * MINUTE)
    assert message["Subject"].startswith("[production] RESOLVED after 12 min: crm refuses")
    assert "acknowledge" not in text_of(message)


def test_one_that_comes_and_goes_says_so() -> None:
    flapping = msgspec.structs.replace(FIRING, recurrences=3)
    assert "it had fired 3 times in the hour before" in text_of(
        letter(WRITER, flapping, now_ms=NOW)
    )
    assert "hour before" not in text_of(letter(WRITER, FIRING, now_ms=NOW))


def test_several_come_in_one_mail_that_says_how_many() -> None:
    over = msgspec.structs.replace(
        INCIDENT, problem=problem(subject="erp", what="erp does not work"), resolved_at_ms=NOW
    )
    notices = [FIRING, FIRING, Notice(word=Word.RESOLVED, incident=over)]
    message = digest(WRITER, notices, now_ms=NOW, number=5)
    assert message["Subject"] == "[production] 2 FIRING, 1 RESOLVED"
    assert text_of(message).count("FIRING: crm refuses") == 2
    assert "erp does not work" in text_of(message)


def test_a_trial_says_that_nothing_is_wrong() -> None:
    message = trial(WRITER, now_ms=NOW)
    assert message["Subject"] == "[production] TEST: alerts arrive here"
    assert "Nothing is wrong" in text_of(message)


def test_a_mail_is_what_other_programs_read() -> None:
    read = message_from_bytes(bytes(letter(WRITER, FIRING, now_ms=NOW)))
    assert read.get_content_type() == "multipart/alternative"
    assert not read.defects
