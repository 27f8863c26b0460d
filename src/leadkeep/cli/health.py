"""What state the queue is in, judged from what was found: pure, so that every case is tested.

Leads are *at risk* when somebody must act for them to arrive: this is what `leadkeep status` says
first and what its exit code tells.
"""

from collections.abc import Callable, Iterator, Sequence
from shlex import quote

import msgspec

from leadkeep.disks.survey import Rooms
from leadkeep.models import AtStake, Circuit, DestinationView, Outbox, Refused
from leadkeep.states import Status
from leadkeep.wording import count, duration, rough_size

LATE_AFTER_SECONDS = 15 * 60
"""A lead that has waited this long at a destination that is not held is a reason to look."""


class Processes(msgspec.Struct, frozen=True):
    """What `leadkeep serve` last wrote about itself."""

    running: bool
    pid: int | None = None
    since: str = ""
    children: tuple[str, ...] = ()
    dead: tuple[str, ...] = ()
    """Processes that ended by themselves and wait to be started again, with why."""


class Waiting(msgspec.Struct, frozen=True):
    """Leads that are accepted and not yet in the store."""

    leads: int
    bytes: int
    oldest_at_ms: int | None


class Found(msgspec.Struct, frozen=True):
    """Everything that was looked at."""

    now_ms: int
    counts: dict[Status, int]
    destinations: tuple[DestinationView, ...]
    configured: tuple[str, ...]
    """Names of the destinations in the configuration."""
    journal: Waiting | None
    """None: it could not be counted; if it could not be read, `journal_error` says why."""
    processes: Processes
    today: dict[Status, int] | None = None
    """Deliveries of leads received since midnight; None: not known."""
    damage: tuple[str, ...] = ()
    """Where acknowledged bytes cannot be read, in words."""
    store_error: str = ""
    store_mend: tuple[str, ...] = ("check",)
    """The command to type if there is such an error."""
    journal_error: str = ""
    worth: str = ""
    """What a 200 is worth, in a sentence; empty: it is on the disk of the journal."""
    worth_risks: tuple[str, ...] = ()
    """What is set so that leads can be lost."""
    rooms: Rooms = Rooms()
    certificates: AtStake = AtStake(0, None)
    """Leads that wait and whose certificate of consent is near its end."""
    refused: tuple[Refused, ...] = ()
    """Destinations that refuse leads as they are."""
    outbox: Outbox = Outbox()
    """What people are to be told and are not yet."""
    circuits: dict[str, Circuit] = {}
    """By destination; one that never opened is left out."""
    urls: dict[str, str] = {}
    """The urls in the configuration, by destination, without what may be secret."""

    def knows(self, destination: str) -> bool:
        """Whether somebody delivers to it; what runs may have been told more than this command."""
        return bool(destination) and (destination in self.configured or self.processes.running)


class Reason(msgspec.Struct, frozen=True):
    """Why leads are at risk, and what to type next."""

    what: str
    command: str


class Health(msgspec.Struct, frozen=True):
    """The judgement."""

    sentence: str
    safe: bool
    reasons: tuple[Reason, ...]
    """Why leads are at risk; empty if they are safe."""
    wishes: tuple[Reason, ...] = ()
    """What a person should decide some time; leads are safe meanwhile."""


def judge(found: Found, command: Callable[..., str]) -> Health:
    """Sentence and reasons for what was found.

    Args:
        command: makes a command to type from its words, for the same installation.
    """
    reasons = (*_broken(found, command), *_cramped(found.rooms), *_stuck(found, command))
    return Health(
        sentence=_sentence(found),
        safe=not reasons,
        reasons=reasons,
        wishes=tuple(_wishes(found, command)),
    )


def _wishes(found: Found, command: Callable[..., str]) -> Iterator[Reason]:
    homeless = next((view.counts for view in found.destinations if not view.name), {})
    held = homeless.get(Status.HELD, 0)
    if held:
        words = f"{count(held, 'lead is', 'leads are')} held because no source claims the path"
        yield Reason(words, command("leads", "release", "--help"))
    if homeless.get(Status.PENDING, 0) and not found.configured:
        words = "leads are kept until you say where they go"
        yield Reason(words, command("serve", "--forward-to", "URL"))
    if found.certificates.leads and found.certificates.first_at_ms is not None:
        seconds = (found.certificates.first_at_ms - found.now_ms) / 1_000
        words = (
            f"{count(found.certificates.leads, 'waiting lead has', 'waiting leads have')} a "
            f"certificate of consent that can be claimed for {duration(seconds)} or a little longer"
        )
        yield Reason(words, command("leads", "list", "--certificate-within", "12h"))
    for view in found.destinations:
        waiting = view.counts.get(Status.PENDING, 0)
        is_late = _is_late(found, view.oldest_waiting_at_ms)
        if view.held and view.hold_until_ms is None and is_late:
            words = f"{count(waiting, 'lead waits', 'leads wait')} until you resume {view.name}"
            yield Reason(words, command("resume", view.name))
    if found.outbox.waiting and found.outbox.last_error:
        unsent = count(found.outbox.waiting, "alert waits", "alerts wait")
        words = f"{unsent} to be mailed: {found.outbox.last_error}"
        yield Reason(words, command("alerts", "test"))
    full = [journal for journal in found.rooms.journals if journal.is_full]
    if len(full) < len(found.rooms.journals):
        for journal in full:
            words = f"there is no room for a new file in the journal {journal.folder}"
            yield Reason(f"{words}; leads go to another journal", f"df -h {quote(journal.folder)}")


def _sentence(found: Found) -> str:
    waiting, failed, held = _waiting(found), found.counts[Status.FAILED], found.counts[Status.HELD]
    if waiting:
        oldest = _oldest_ms(found)
        since = f", the oldest for {_age(found, oldest)}" if oldest is not None else ""
        return f"{count(waiting, 'lead is', 'leads are')} waiting{since}."
    if found.store_error:
        return "The store cannot be read: nothing is known about deliveries."
    if failed:
        return f"{count(failed, 'lead has', 'leads have')} failed and will not be tried again."
    if held:
        return f"{count(held, 'lead is', 'leads are')} held; no other waits."
    if not sum(found.counts.values()):
        return "No leads yet."
    return _delivered(found.today)


def _delivered(today: dict[Status, int] | None) -> str:
    if today is None:
        return "All leads are delivered."
    cancelled = today.get(Status.CANCELLED, 0)
    completed = today.get(Status.COMPLETED, 0)
    if cancelled:
        return f"Today {completed:,} delivered and {cancelled:,} cancelled; none waits."
    if completed:
        return (
            f"All {completed:,} leads today are delivered."
            if completed > 1
            else ("The one lead of today is delivered.")
        )
    return "All leads are delivered; none came today."


def _waiting(found: Found) -> int:
    in_store = found.counts[Status.PENDING] + found.counts[Status.PROCESSING]
    return in_store + (found.journal.leads if found.journal else 0)


def _oldest_ms(found: Found) -> int | None:
    times = [view.oldest_waiting_at_ms for view in found.destinations]
    if found.journal:
        times.append(found.journal.oldest_at_ms)
    return min((at for at in times if at is not None), default=None)


def _broken(found: Found, command: Callable[..., str]) -> Sequence[Reason]:
    reasons = []
    if found.store_error:
        reasons.append(
            Reason(f"the store cannot be read: {found.store_error}", command(*found.store_mend))
        )
    if found.journal_error:
        reasons.append(
            Reason(f"the journal cannot be read: {found.journal_error}", command("check"))
        )
    reasons += [Reason(words, command("check")) for words in found.worth_risks]
    reasons += [
        Reason(f"accepted leads may be damaged: {words}", command("journal", "verify"))
        for words in found.damage
    ]
    return reasons


def _cramped(rooms: Rooms) -> Iterator[Reason]:
    for room in rooms.worker:
        if room.is_scarce:
            stands = "" if room.ballast_bytes else " and no ballast left to throw off"
            yield Reason(
                f"the disk of {room.folder} has {rough_size(room.free_bytes)} left{stands}; "
                "free space on it, or leads will be answered 503",
                f"df -h {quote(room.folder)}",
            )
    if rooms.journals and all(journal.is_full for journal in rooms.journals):
        yield Reason(
            "no journal has room for a new file: leads are answered 503 once the present files are "
            "full; free space",
            " ".join(["df -h", *(quote(journal.folder) for journal in rooms.journals)]),
        )
    for words in rooms.unseen:
        yield Reason(f"the room on a disk cannot be told: {words}", "df -h")


def _stuck(found: Found, command: Callable[..., str]) -> Sequence[Reason]:
    reasons = []
    failed = found.counts[Status.FAILED]
    if failed:
        words = f"{count(failed, 'delivery', 'deliveries')} failed for good and wait for you"
        reasons.append(Reason(words, command("leads", "list", "--status", "failed")))
    if _waiting(found) and not found.processes.running:
        reasons.append(Reason("leads wait and no `leadkeep serve` runs here", command("serve")))
    reasons += [
        Reason(f"a process ended by itself and will be started again: {words}", command("check"))
        for words in found.processes.dead
    ]
    reasons += [_refused(refused, command) for refused in found.refused]
    for view in found.destinations:
        if _is_late(found, view.oldest_waiting_at_ms) and not view.held:
            reasons.append(_late(found, view, command))
    if found.journal and _is_late(found, found.journal.oldest_at_ms):
        reasons.append(
            Reason(
                f"{count(found.journal.leads, 'accepted lead')} not yet taken into the store, "
                f"the oldest for {_age(found, found.journal.oldest_at_ms)}",
                command("process-queue"),
            )
        )
    return reasons


def _refused(refused: Refused, command: Callable[..., str]) -> Reason:
    return Reason(
        f"{refused.destination} refuses {count(refused.deliveries, 'lead')} "
        f"({refused.error_class}): tried again, but somebody must mend something first",
        command("leads", "list", "--destination", refused.destination, "--status", "pending"),
    )


def _late(found: Found, view: DestinationView, command: Callable[..., str]) -> Reason:
    age = _age(found, view.oldest_waiting_at_ms)
    if found.knows(view.name):
        return Reason(
            f"{view.name} has not confirmed its oldest lead for {age}",
            command("leads", "list", "--destination", view.name, "--status", "pending"),
        )
    if view.name:
        why = f"their destination {view.name} is not in the configuration"
    elif found.configured:
        why = "they came while no destination was configured"
        return Reason(f"leads have waited for {age}: {why}", command("process-queue"))
    else:
        why = "no destination is configured"
    return Reason(f"leads have waited for {age}: {why}", command("config", "show"))


def _is_late(found: Found, at_ms: int | None) -> bool:
    return at_ms is not None and found.now_ms - at_ms > LATE_AFTER_SECONDS * 1_000


def _age(found: Found, at_ms: int | None) -> str:
    return duration((found.now_ms - (at_ms or found.now_ms)) / 1_000)
