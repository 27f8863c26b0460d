"""Settings of duplicates: which lead is the same delivery again, and which the same person."""

from dataclasses import dataclass

from leadkeep.settings.row import setting


@dataclass(frozen=True, kw_only=True)
class DuplicatesSettings:
    """Leads that are like an earlier one; none is ever dropped."""

    same_delivery: bool = setting(
        True,
        "A request that came before, byte for byte, is linked to that and not delivered again.",
        kind="yes_no",
    )
    delivery_window_seconds: float = setting(
        3 * 86_400.0,
        "How long ago that may have been; vendors repeat for up to three days.",
        kind="seconds",
        minimum=1,
        maximum=90 * 86_400,
    )
    same_person: bool = setting(
        True,
        "A lead with the phone or email of an earlier one is marked, and delivered.",
        kind="yes_no",
    )
    person_window_seconds: float = setting(
        30 * 86_400.0,
        "How long ago that may have been.",
        kind="seconds",
        minimum=1,
        maximum=366 * 86_400,
    )
    across_sources: bool = setting(
        True, "The same person is looked for in the leads of other sources, too.", kind="yes_no"
    )
