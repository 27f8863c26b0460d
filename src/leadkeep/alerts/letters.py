"""Notices as mails: text and HTML of the same, in a thread for each incident.

Pure, but for the Date header's clock. No personal data: a notice holds none.
"""

import html
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import format_datetime
from typing import NamedTuple

from leadkeep.alerts.incidents import COMES_AND_GOES, Word
from leadkeep.models import Incident, Notice
from leadkeep.wording import count, duration

Command = Callable[..., str]
"""Makes a command to type from its words, for this installation."""

_DIGEST_HEADING = "Several things have changed:"


class Writer(NamedTuple):
    """What every mail of an installation has in common."""

    installation: str
    """Its name, for subjects."""
    sender: str
    recipients: tuple[str, ...]
    command: Command


def letter(writer: Writer, notice: Notice, *, now_ms: int) -> EmailMessage:
    """One notice as a mail."""
    incident = notice.incident
    message = _envelope(writer, now_ms)
    message["Subject"] = f"[{writer.installation}] {_headline(notice)}"
    root = _root_id(writer, incident)
    if incident.told <= 1:
        message["Message-ID"] = root
    else:
        message["Message-ID"] = _message_id(writer, f"{_stem(incident)}-{incident.told}")
        message["In-Reply-To"] = root
        message["References"] = root
    _fill(message, [_paragraphs(writer, notice, now_ms)], heading="")
    return message


def digest(writer: Writer, notices: Sequence[Notice], *, now_ms: int, number: int) -> EmailMessage:
    """Several notices as one mail.

    Args:
        number: of the first notice; makes the mail's id, the same each time it is tried.
    """
    message = _envelope(writer, now_ms)
    told = {
        word: sum(1 for notice in notices if notice.word == word)
        for word in (Word.FIRING, Word.STILL, Word.RESOLVED)
    }
    words = ", ".join(f"{n} {word}" for word, n in told.items() if n)
    message["Subject"] = f"[{writer.installation}] {words}"
    message["Message-ID"] = _message_id(writer, f"digest-{number}-{len(notices)}")
    _fill(
        message,
        [_paragraphs(writer, notice, now_ms) for notice in notices],
        heading=_DIGEST_HEADING,
    )
    return message


def trial(writer: Writer, *, now_ms: int) -> EmailMessage:
    """A mail that says that mails arrive."""
    message = _envelope(writer, now_ms)
    message["Subject"] = f"[{writer.installation}] TEST: alerts arrive here"
    message["Message-ID"] = _message_id(writer, f"test-{now_ms}")
    said = _Paragraphs(
        "TEST: alerts of Leadkeep arrive here.", "Nothing is wrong. Somebody asked for this mail."
    )
    _fill(message, [said], heading="")
    return message


class _Paragraphs(NamedTuple):
    """One notice, ready to be set as text or as HTML."""

    headline: str
    safe: str
    facts: tuple[tuple[str, str], ...] = ()
    commands: tuple[tuple[str, str], ...] = ()


def _paragraphs(writer: Writer, notice: Notice, now_ms: int) -> _Paragraphs:
    problem = notice.incident.problem
    facts = [
        ("Since", f"{_utc(problem.since_ms)} ({_lasted(notice, now_ms)})"),
        ("Found", f"{problem.measured} (told from: {problem.threshold})"),
    ]
    if problem.subject:
        facts.insert(0, ("Scope", problem.subject))
    if problem.newest_error:
        facts.append(("Newest error", problem.newest_error))
    if problem.last_deploy:
        facts.append(("Last deployment", problem.last_deploy))
    if notice.recurrences >= COMES_AND_GOES:
        times = count(notice.recurrences, "time")
        facts.append(("Comes and goes", f"it had fired {times} in the hour before"))
    if notice.word == Word.RESOLVED:
        return _Paragraphs(_headline(notice) + ".", "", tuple(facts))
    remind = "never" if notice.next_reminder_ms is None else _utc(notice.next_reminder_ms)
    facts.append(("Next reminder", remind))
    commands = [("Next step", writer.command(*problem.command))]
    if notice.incident.incident_id:
        number = str(notice.incident.incident_id)
        commands.append(("Acknowledge", writer.command("alerts", "acknowledge", number)))
        commands.append(("Silence", writer.command("alerts", "silence", number, "--for", "4h")))
    safe = f"Are leads safe? {problem.safe}"
    return _Paragraphs(_headline(notice) + ".", safe, tuple(facts), tuple(commands))


def _headline(notice: Notice) -> str:
    problem = notice.incident.problem
    if notice.word != Word.RESOLVED or notice.incident.resolved_at_ms is None:
        return f"{notice.word}: {problem.what}"
    lasted = duration((notice.incident.resolved_at_ms - problem.since_ms) / 1_000)
    return f"{notice.word} after {lasted}: {problem.what}"


def _lasted(notice: Notice, now_ms: int) -> str:
    ended_ms = notice.incident.resolved_at_ms or now_ms
    return f"for {duration(max(ended_ms - notice.incident.problem.since_ms, 0) / 1_000)}"


def _envelope(writer: Writer, now_ms: int) -> EmailMessage:
    message = EmailMessage()
    message["From"] = writer.sender
    message["To"] = ", ".join(writer.recipients)
    message["Date"] = format_datetime(datetime.fromtimestamp(now_ms / 1_000, UTC))
    # RFC 3834: no answering machine answers it.
    message["Auto-Submitted"] = "auto-generated"
    message["X-Auto-Response-Suppress"] = "All"
    return message


def _fill(message: EmailMessage, parts: Sequence[_Paragraphs], *, heading: str) -> None:
    text = "\n\n".join(filter(None, (heading, *map(_text, parts))))
    rich = f"<p>{html.escape(heading)}</p>" * bool(heading) + "".join(map(_html, parts))
    message.set_content(text + "\n")
    message.add_alternative(f"<!DOCTYPE html><html><body>{rich}</body></html>", subtype="html")


def _text(said: _Paragraphs) -> str:
    width = max((len(name) for name, _ in (*said.facts, *said.commands)), default=0)
    rows = "\n".join(f"{name:<{width}}  {value}" for name, value in said.facts)
    commands = "\n".join(f"{name:<{width}}  {value}" for name, value in said.commands)
    return "\n\n".join(filter(None, (said.headline, said.safe, rows, commands)))


def _html(said: _Paragraphs) -> str:
    def row(name: str, value: str, tag: str) -> str:
        shown = f"<{tag}>{html.escape(value)}</{tag}>"
        return f"<tr><th align=left>{html.escape(name)}</th><td>{shown}</td></tr>"

    rows = "".join(row(name, value, "span") for name, value in said.facts)
    rows += "".join(row(name, value, "code") for name, value in said.commands)
    safe = f"<p>{html.escape(said.safe)}</p>" if said.safe else ""
    table = f"<table cellpadding=3>{rows}</table>" if rows else ""
    return f"<h3>{html.escape(said.headline)}</h3>{safe}{table}"


def _utc(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1_000, UTC).strftime("%Y-%m-%d %H:%M UTC")


def _stem(incident: Incident) -> str:
    # When it fired, too: another store begins with number 1 again.
    return f"{incident.incident_id}-{incident.fired_at_ms}"


def _root_id(writer: Writer, incident: Incident) -> str:
    return _message_id(writer, f"{_stem(incident)}-1")


def _message_id(writer: Writer, stem: str) -> str:
    return f"<leadkeep-{stem}@{writer.sender.rpartition('@')[2]}>"
