"""What is shown of a contact: one line, cut, the same whichever way it was cleaned."""

import msgspec
from hypothesis import example, given
from hypothesis import strategies as st

from leadkeep.sources.contact import ContactReader

LONGEST_NAME = 200
ODD = st.sampled_from(
    [" ", "  ", "\t", "\n", "\u00a0", "\u202e", "\u200b", "\x00", "é", "日", "a", "b c", "x" * 50]
)


def plainly(text: str) -> str:
    """Character by character, without any short way."""
    kept = "".join(
        char if char.isprintable() else " "
        for char in text[: 4 * LONGEST_NAME]
        if char.isprintable() or char.isspace()
    )
    return " ".join(kept.split())[:LONGEST_NAME].rstrip()


@given(st.lists(ODD, max_size=300).map("".join).map(lambda text: f"x{text}"))
@example("x" * (LONGEST_NAME - 1) + " y")
@example("x" * 2_000)
def test_a_name_is_shown_as_one_line_without_what_cannot_be_printed(name: str) -> None:
    body = msgspec.json.encode({"full_name": name})
    shown = ContactReader().read("application/json", b"/", body).name
    assert shown == plainly(name[:1_000].strip())
