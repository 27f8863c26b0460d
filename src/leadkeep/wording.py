"""Numbers and spans in words, the same wherever people read them."""


def duration(seconds: float) -> str:
    """`4 min`, `2 h 5 min`, `3 days`: as precise as a person needs."""
    whole = max(0, int(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3_600:
        return f"{whole // 60} min"
    if whole < 2 * 86_400:
        hours, minutes = divmod(whole // 60, 60)
        return f"{hours} h {minutes} min" if minutes and hours < 10 else f"{hours} h"
    return f"{whole // 86_400} days"


def rough_size(size: float) -> str:
    """`79.3 GiB`, `512 KiB`: as exact as people want it."""
    for unit in ("B", "KiB", "MiB"):
        if size < 1024:
            return f"{size:.0f} {unit}"
        size /= 1024
    return f"{size:,.1f} GiB"


def count(number: int, one: str, many: str = "") -> str:
    """`1 lead`, `1,234 leads`."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"
