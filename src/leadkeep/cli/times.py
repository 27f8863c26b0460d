"""Times as people type them: `2d`, `90min`, `yesterday`, `2026-08-15`, RFC 3339; spans and ends."""

import re
from datetime import UTC, date, datetime, time, timedelta

import click

_AGO = re.compile(
    r"(\d{1,6})\s*"
    r"(s|sec|seconds?|m|min|minutes?|h|hours?|d|days?|w|weeks?)"
    r"(?:\s+ago)?"
)
_UNIT = r"(?:s|sec|seconds?|m|min|minutes?|h|hours?|d|days?|w|weeks?)"
_PART = re.compile(rf"(\d{{1,6}})\s*({_UNIT})(?![a-z])")
_SPAN = re.compile(rf"(?:\d{{1,6}}\s*{_UNIT}(?![a-z])\s*)+")
_TIME_OF_DAY = re.compile(r"\d{2}:\d{2}(?::\d{2})?")
LONGEST_SPAN_SECONDS = 366 * 86_400
_SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}


def parse_when(text: str, now: datetime) -> datetime:
    """The aware time that `text` means.

    Args:
        text: a duration ago, `today` or `yesterday` (their midnight), a date, or a date and time;
            without a zone it is the terminal's.
        now: aware, in the terminal's zone.

    Raises:
        ValueError: it means no time.
    """
    wanted = text.strip().lower()
    ago = _AGO.fullmatch(wanted)
    if ago:
        try:
            return now - timedelta(seconds=int(ago[1]) * _SECONDS[ago[2][0]])
        except OverflowError:
            raise ValueError("that is before time began") from None
    if wanted in ("today", "yesterday"):
        day = now.date() - timedelta(days=wanted == "yesterday")
        return datetime.combine(day, time.min).astimezone()
    found = datetime.fromisoformat(text.strip())
    return found if found.tzinfo else found.astimezone()


class When(click.ParamType[int]):
    """A command-line value: milliseconds since 1970 UTC."""

    name = "time"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> int:
        """Parse it against the clock of now."""
        if isinstance(value, int):
            return value
        try:
            at = parse_when(str(value), datetime.now().astimezone())
            return int(at.timestamp() * 1_000)
        except (ValueError, OverflowError):
            self.fail(
                f"{value!r} is no time. Say 2d, 4h, 30min, today, yesterday, 2026-08-15 or "
                "2026-08-15T14:00:00Z.",
                param,
                ctx,
            )


def parse_span(text: str) -> float:
    """The seconds that `text` means: `90`, `90s`, `15m`, `1h30m`, `2 days`.

    Raises:
        ValueError: it means no span, or none at all.
    """
    wanted = text.strip().lower()
    if wanted.isdecimal() and int(wanted):
        return float(wanted)
    if not _SPAN.fullmatch(wanted):
        raise ValueError("no span")
    seconds = sum(int(number) * _SECONDS[unit[0]] for number, unit in _PART.findall(wanted))
    if not 0 < seconds <= LONGEST_SPAN_SECONDS:
        raise ValueError("out of range")
    return float(seconds)


def parse_until(text: str, now: datetime) -> datetime:
    """The aware time to come that `text` means.

    Args:
        text: a time of day (the next one), or a date and time; without a zone the terminal's.
        now: aware, in the terminal's zone.

    Raises:
        ValueError: it means no time, or one that is over.
    """
    wanted = text.strip()
    if _TIME_OF_DAY.fullmatch(wanted):
        today = datetime.combine(now.date(), time.fromisoformat(wanted)).astimezone()
        found = today if today > now else (today.replace(tzinfo=None) + timedelta(1)).astimezone()
    else:
        found = datetime.fromisoformat(wanted)
        found = found if found.tzinfo else found.astimezone()
    if not now < found <= now + timedelta(seconds=LONGEST_SPAN_SECONDS):
        raise ValueError("not a time to come")
    return found


class Span(click.ParamType[float]):
    """A command-line value: seconds."""

    name = "duration"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Parse it."""
        if isinstance(value, (int, float)):
            return float(value)
        try:
            return parse_span(str(value))
        except ValueError:
            self.fail(f"{value!r} is no duration. Say 90s, 15m, 1h30m or 2d.", param, ctx)


class Until(click.ParamType[int]):
    """A command-line value: how many milliseconds it is from now to a time to come."""

    name = "time"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> int:
        """Parse it against the clock of now."""
        if isinstance(value, int):
            return value
        now = datetime.now().astimezone()
        try:
            return max(1, int((parse_until(str(value), now) - now).total_seconds() * 1_000))
        except (ValueError, OverflowError):
            self.fail(
                f"{value!r} is no time to come. Say 15:30, 2026-08-15T14:00 or "
                "2026-08-15T14:00:00Z.",
                param,
                ctx,
            )


class UtcDay(click.ParamType[str]):
    """A command-line value: a UTC day as `YYYY-MM-DD`."""

    name = "day"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> str:
        """Parse it; `today` and `yesterday` are UTC days too."""
        wanted = str(value).strip().lower()
        if wanted in ("today", "yesterday"):
            return str(datetime.now(UTC).date() - timedelta(days=wanted == "yesterday"))
        try:
            return str(date.fromisoformat(wanted))
        except ValueError:
            self.fail(f"{value!r} is no day. Say 2026-08-15, today or yesterday.", param, ctx)
