"""Points in time as people type them: `2d`, `90min`, `yesterday`, `2026-08-15`, RFC 3339."""

import re
from datetime import UTC, date, datetime, time, timedelta

import click

_AGO = re.compile(
    r"(\d{1,6})\s*"
    r"(s|sec|seconds?|m|min|minutes?|h|hours?|d|days?|w|weeks?)"
    r"(?:\s+ago)?"
)
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


class Ahead(click.ParamType[int]):
    """A command-line value: a duration from now, as milliseconds since 1970 UTC."""

    name = "duration"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> int:
        """Parse it against the clock of now."""
        if isinstance(value, int):
            return value
        ahead = _AGO.fullmatch(str(value).strip().lower())
        if ahead is None or "ago" in ahead[0]:
            self.fail(f"{value!r} is no duration. Say 12h, 90min or 2d.", param, ctx)
        now = datetime.now(UTC)
        return int(now.timestamp() * 1_000) + int(ahead[1]) * _SECONDS[ahead[2][0]] * 1_000


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
