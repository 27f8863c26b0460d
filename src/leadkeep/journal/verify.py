"""Reading all journals and the archive once, to say whether everything acknowledged is there.

Changes nothing. What is wrong is named by file and offset.
"""

from uuid import UUID

import msgspec

from leadkeep.journal.survey import Survey


class Problem(msgspec.Struct, frozen=True):
    """A place that was acknowledged and cannot be read."""

    path: str
    reason: str
    segment: UUID | None = None
    offset: int | None = None
    end: int | None = None


class Cut(msgspec.Struct, frozen=True):
    """The last write of a writer that died."""

    path: str
    offset: int


class Verdict(msgspec.Struct):
    """What reading everything has found."""

    ok: bool = True
    segments: int = 0
    groups: int = 0
    records: int = 0
    unacknowledged_records: int = 0
    damage: list[Problem] = msgspec.field(default_factory=list)
    torn_tails: list[Cut] = msgspec.field(default_factory=list)


def verified(survey: Survey) -> Verdict:
    """Read every segment to its end.

    Raises:
        JournalUnavailable: a folder cannot be listed.
    """
    verdict = Verdict()
    for place in survey.places(archive=True):
        info, content = place.info, survey.content(place)
        path = str(info.path)
        verdict.segments += 1
        verdict.groups += content.groups
        verdict.records += content.records
        verdict.unacknowledged_records += content.unacknowledged
        verdict.damage += [
            Problem(path, damage.reason, info.segment, damage.offset, damage.end)
            for damage in content.damage
        ]
        if content.error:
            verdict.damage.append(Problem(path, content.error, info.segment))
        if content.torn is not None:
            verdict.torn_tails.append(Cut(path, content.torn))
    verdict.damage += [Problem(str(path), "its note is damaged") for path in survey.unreadable()]
    verdict.ok = not verdict.damage
    return verdict
