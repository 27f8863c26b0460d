"""What a person must know of, judged from one look: pure, so that every case is tested.

Each rule says in plain words what is wrong, whether leads are safe, and which command comes next.
Nothing of a lead or a reply appears: names of destinations, numbers, classes of errors.
"""

from collections.abc import Callable, Iterator

from leadkeep.alerts.signs import DoorSign, Limits, Signs
from leadkeep.models import CERTIFICATE_NEAR_MS, Circuit, DestinationView, Problem
from leadkeep.states import CircuitState, Status
from leadkeep.wording import count, duration, rough_size

Rule = Callable[[Signs, Limits], Iterator[Problem]]

RULE_KINDS = (
    "damage",
    "durability",
    "journal",
    "door",
    "refused",
    "down",
    "late",
    "paused",
    "failed",
    "certificate",
    "storage",
    "held",
)
"""Every kind that a rule may find, in the order in which they are told."""

STICKY = frozenset({"damage"})
"""Kinds that are over only when a person says so: not to see them any more proves nothing."""

_KEPT = "Yes: each is stored and"
_DOWN = frozenset({CircuitState.OPEN, CircuitState.HALF_OPEN})


def judge(signs: Signs, limits: Limits) -> list[Problem]:
    """Everything that is wrong, what is urgent first."""
    found = [problem for rule in RULES for problem in rule(signs, limits)]
    return sorted(found, key=lambda problem: not problem.urgent)


def unseen(signs: Signs) -> frozenset[str]:
    """Kinds that this look could not judge: what was wrong there must be taken to be so still."""
    blind: set[str] = set()
    if signs.rooms.unseen:
        blind.add("storage")
    if signs.door is None or signs.door.silent_for_ms:
        blind.add("journal")
    return frozenset(blind)


def _refused(signs: Signs, _limits: Limits) -> Iterator[Problem]:
    for refused in signs.refused:
        name = refused.destination
        leads = count(refused.deliveries, "lead")
        yield Problem(
            kind="refused",
            subject=name,
            urgent=True,
            what=f"{name} refuses {leads}, though it works",
            safe=f"{_KEPT} tried again, more and more slowly. They arrive once somebody has mended "
            f"what {name} objects to.",
            since_ms=refused.since_ms,
            measured=f"{leads} refused",
            threshold="none should be",
            command=("leads", "list", "--destination", name, "--status", "pending"),
            newest_error=refused.error_class,
            last_deploy=signs.deployments.get(name, ""),
        )


def _down(signs: Signs, limits: Limits) -> Iterator[Problem]:
    for view in signs.destinations:
        circuit = signs.circuits.get(view.name, Circuit())
        if not _is_down(signs, view, limits):
            continue
        since_ms = circuit.opened_at_ms or signs.now_ms
        yield Problem(
            kind="down",
            subject=view.name,
            urgent=True,
            what=f"{view.name} does not work; {_waiting_leads(view)}",
            safe=f"{_KEPT} waits without using up tries. {view.name} is tried once a minute at "
            "least, and they go as soon as it works.",
            since_ms=since_ms,
            measured=f"down for {_span(signs, since_ms)}",
            threshold=duration(limits.down_ms / 1_000),
            command=("status",),
            newest_error=circuit.reason,
            last_deploy=signs.deployments.get(view.name, ""),
        )


def _late(signs: Signs, limits: Limits) -> Iterator[Problem]:
    for view in signs.destinations:
        oldest_ms = view.oldest_waiting_at_ms
        if oldest_ms is None or signs.now_ms - oldest_ms <= limits.late_ms:
            continue
        if view.held:
            if view.hold_until_ms is None and view.deployment is None:
                yield _forgotten(signs, view, oldest_ms, limits)
        elif not _is_down(signs, view, limits):
            yield _not_confirmed(signs, view, oldest_ms, limits)


def _forgotten(signs: Signs, view: DestinationView, since_ms: int, limits: Limits) -> Problem:
    return Problem(
        kind="paused",
        subject=view.name,
        urgent=False,
        what=f"{_waiting_leads(view)} until somebody resumes {view.name}",
        safe=f"{_KEPT} waits, because a person holds {view.name}.",
        since_ms=since_ms,
        measured=f"the oldest for {_span(signs, since_ms)}",
        threshold=duration(limits.late_ms / 1_000),
        command=("resume", view.name),
    )


def _not_confirmed(signs: Signs, view: DestinationView, since_ms: int, limits: Limits) -> Problem:
    where = f"to {view.name}" if view.name else "anywhere: no destination takes them"
    return Problem(
        kind="late",
        subject=view.name,
        urgent=True,
        what=f"leads are not delivered {where}; {_waiting_leads(view)}",
        safe=f"{_KEPT} waits.",
        since_ms=since_ms,
        measured=f"the oldest for {_span(signs, since_ms)}",
        threshold=duration(limits.late_ms / 1_000),
        command=("leads", "list", "--destination", view.name, "--status", "pending")
        if view.name
        else ("status",),
        last_deploy=signs.deployments.get(view.name, ""),
    )


def _failed(signs: Signs, _limits: Limits) -> Iterator[Problem]:
    for view in signs.destinations:
        failed = view.counts.get(Status.FAILED, 0)
        if failed:
            yield Problem(
                kind="failed",
                subject=view.name,
                urgent=True,
                what=f"{count(failed, 'delivery', 'deliveries')} to {view.name} failed for good",
                safe=f"{_KEPT} kept for ever, but nothing tries them again before you say so.",
                since_ms=signs.now_ms,
                measured=count(failed, "delivery", "deliveries"),
                threshold="none should be",
                command=("leads", "list", "--destination", view.name, "--status", "failed"),
                last_deploy=signs.deployments.get(view.name, ""),
            )


def _held(signs: Signs, _limits: Limits) -> Iterator[Problem]:
    for view in signs.destinations:
        held = view.counts.get(Status.HELD, 0)
        if held:
            leads = count(held, "lead is", "leads are")
            whither = f" for {view.name}" if view.name else ""
            yield Problem(
                kind="held",
                subject=view.name,
                urgent=False,
                what=f"{leads} held{whither} and a person must look at them",
                safe=f"{_KEPT} kept, and not delivered before you decide.",
                since_ms=signs.now_ms,
                measured=f"{leads} held",
                threshold="none should be",
                command=("leads", "list", "--status", "held"),
            )


def _certificates(signs: Signs, _limits: Limits) -> Iterator[Problem]:
    stake = signs.certificates
    if stake.leads and stake.first_at_ms is not None:
        left = duration((stake.first_at_ms - signs.now_ms) / 1_000)
        yield Problem(
            kind="certificate",
            subject="",
            urgent=True,
            what=f"certificates of consent run out while "
            f"{count(stake.leads, 'lead waits', 'leads wait')}",
            safe="The leads are. Their proof of consent is not: it must be claimed before it ends.",
            since_ms=signs.now_ms,
            measured=f"the first ends in {left}",
            threshold=duration(CERTIFICATE_NEAR_MS / 1_000),
            command=("leads", "list", "--certificate-within", "12h"),
        )


def _storage(signs: Signs, _limits: Limits) -> Iterator[Problem]:
    for room in signs.rooms.worker:
        if room.is_scarce:
            stands = "ballast is left" if room.ballast_bytes else "no ballast is left"
            yield _no_room(signs, room.folder, f"{rough_size(room.free_bytes)} free, {stands}")
    full = [room for room in signs.rooms.journals if room.is_full]
    beside = "" if len(full) == len(signs.rooms.journals) else "; another is used"
    for journal in full:
        yield _no_room(signs, journal.folder, f"no new journal file fits{beside}")


def _no_room(signs: Signs, folder: str, measured: str) -> Problem:
    return Problem(
        kind="storage",
        subject=_here(signs, folder),
        urgent=True,
        what=f"the disk of {_here(signs, folder)} is nearly full",
        safe="What was taken, yes. Once it is full, new leads are answered 503.",
        since_ms=signs.now_ms,
        measured=measured,
        threshold="what the worker needs to go on",
        command=("status",),
    )


def _journals(signs: Signs, limits: Limits) -> Iterator[Problem]:
    if signs.door is None:
        return
    if signs.door.silent_for_ms > limits.silent_ms:
        yield _silent(signs, signs.door, limits)
    away = [journal for journal in signs.door.journals if not journal.in_use]
    none_left = len(away) == len(signs.door.journals)
    for journal in away:
        yield Problem(
            kind="journal",
            subject=_here(signs, journal.journal),
            urgent=none_left,
            what=f"{_here(signs, 'no journal')} can be written: leads are answered 503"
            if none_left
            else f"the journal {_here(signs, journal.journal)} cannot be written: leads go to "
            "another",
            safe="No: a vendor who does not try again loses what it sends now."
            if none_left
            else "Yes: the door writes them to the next journal before it answers.",
            since_ms=signs.now_ms,
            measured=f"{len(away)} of {count(len(signs.door.journals), 'journal')} not in use",
            threshold="all should be",
            command=("status",),
            newest_error=journal.last_error,
        )


def _silent(signs: Signs, door: DoorSign, limits: Limits) -> Problem:
    return Problem(
        kind="door",
        subject=signs.node,
        urgent=True,
        what=f"{_here(signs, 'the door')} does not answer: vendors may be refused",
        safe="What was taken, yes. What vendors send now may not be taken.",
        since_ms=signs.now_ms - door.silent_for_ms,
        measured=f"silent for {duration(door.silent_for_ms / 1_000)}",
        threshold=duration(limits.silent_ms / 1_000),
        command=("status",),
    )


def _damage(signs: Signs, _limits: Limits) -> Iterator[Problem]:
    for found in signs.damage:
        yield Problem(
            kind="damage",
            subject=found.segment,
            urgent=True,
            what="a part of the journal that was acknowledged cannot be read",
            safe="Not all: leads may be in these bytes and nowhere else. The file is kept.",
            since_ms=signs.now_ms,
            measured=found.path,
            threshold="no byte should be",
            command=("journal", "verify"),
        )


def _durability(signs: Signs, _limits: Limits) -> Iterator[Problem]:
    if signs.undurable:
        yield Problem(
            kind="durability",
            subject="database",
            urgent=True,
            what="the database is not set to keep what it takes",
            safe="Not as they should be, until its settings are mended.",
            since_ms=signs.now_ms,
            measured=signs.undurable,
            threshold="fsync, full_page_writes and synchronous_commit on, writable",
            command=("status",),
        )


RULES: tuple[Rule, ...] = (
    _damage,
    _durability,
    _journals,
    _refused,
    _down,
    _late,
    _failed,
    _certificates,
    _storage,
    _held,
)
"""In the order in which their problems are told."""


def _here(signs: Signs, what: str) -> str:
    """A part of this machine, by which of several it is told."""
    return f"{what} on {signs.node}" if signs.node else what


def _is_down(signs: Signs, view: DestinationView, limits: Limits) -> bool:
    circuit = signs.circuits.get(view.name, Circuit())
    opened_ms = circuit.opened_at_ms
    return (
        circuit.state in _DOWN
        and opened_ms is not None
        and signs.now_ms - opened_ms >= limits.down_ms
    )


def _waiting_leads(view: DestinationView) -> str:
    waiting = view.counts.get(Status.PENDING, 0) + view.counts.get(Status.PROCESSING, 0)
    return count(waiting, "lead waits", "leads wait")


def _span(signs: Signs, since_ms: int) -> str:
    return duration(max(signs.now_ms - since_ms, 0) / 1_000)
