"""A span of time that ends by itself, whatever the wall clock does meanwhile.

Pure. Within the boot in which it began a term ends by the boot clock, which nobody can set, so a
jump of the wall clock neither prolongs nor shortens it. In another boot only the wall clock can
tell how much is left, and it is believed for no more than the whole span: a term that was begun
never lasts for ever.
"""

import msgspec

from leadkeep.clock import Clock


class Term(msgspec.Struct, frozen=True, gc=False):
    """From some moment on, for a while. Kept in the store as these four values."""

    span_ms: int
    """How long it lasts in all."""
    until_ms: int
    """When it ends by the wall clock of its beginning; milliseconds since 1970."""
    boot_id: str
    """The boot whose clock `until_boot_ms` is read on."""
    until_boot_ms: int
    """When it ends, in milliseconds of that boot."""


def term_of(span_ms: int, clock: Clock) -> Term:
    """A term that begins now.

    Args:
        span_ms: how long it lasts; more than 0.
    """
    now_ms = clock.now_us() // 1_000
    return Term(span_ms, now_ms + span_ms, clock.boot_id, clock.boottime_ms() + span_ms)


def left_ms(term: Term, clock: Clock) -> int:
    """How much of a term is left; 0 or less: it is over."""
    if term.boot_id == clock.boot_id:
        return term.until_boot_ms - clock.boottime_ms()
    return min(term.until_ms - clock.now_us() // 1_000, term.span_ms)


def ends_at_ms(term: Term, clock: Clock) -> int:
    """When it ends, by the wall clock as it is now; for people."""
    return clock.now_us() // 1_000 + left_ms(term, clock)


def of_this_boot(term: Term, clock: Clock) -> Term:
    """The same term as read on the clock of this boot, from now on safe from the wall clock."""
    if term.boot_id == clock.boot_id:
        return term
    left = left_ms(term, clock)
    return Term(
        term.span_ms, clock.now_us() // 1_000 + left, clock.boot_id, clock.boottime_ms() + left
    )
