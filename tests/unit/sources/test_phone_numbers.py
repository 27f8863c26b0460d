"""One number, however it was typed."""

import phonenumbers
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from leadkeep.sources.phone import PhoneNumbers

us = PhoneNumbers("US")


@pytest.mark.parametrize(
    "sent",
    [
        *("6145550142", "(614) 555-0142", "614-555-0142", "614.555.0142", "614 555 0142"),
        *("16145550142", "1-614-555-0142", "+16145550142", "+1 (614) 555-0142", "+1.614.555.0142"),
        *("614\u2011555\u20110142", "+1\u00a0614\u00a0555\u00a00142", "614-555-0142 x12"),
    ],
)
def test_a_number_is_the_same_however_it_is_typed(sent: str) -> None:
    assert us.e164(sent) == "+16145550142"


@pytest.mark.parametrize(
    "sent", ["555-0142", "call me", "12", "614555014", "x" * 100, "+", "0" * 60]
)
def test_what_is_no_number_is_kept_as_sent(sent: str) -> None:
    assert us.e164(sent) == sent


def test_a_country_code_overrules_the_region() -> None:
    assert us.e164("+44 20 7946 0018") == "+442079460018"
    assert us.e164("+61 2 5550 1234") == "+61255501234"


@pytest.mark.parametrize("region", ["", "XX", "nonsense"])
def test_without_a_region_only_international_numbers_are_understood(region: str) -> None:
    numbers = PhoneNumbers(region)

    assert numbers.e164("6145550142") == "6145550142"
    assert numbers.e164("+1 614 555 0142") == "+16145550142"


@given(
    st.text(alphabet="0123456789+-(). x", max_size=16)
    | st.from_regex(r"\+?1?[-. (]{0,2}[0-9]{3}[-. )]{0,2}[0-9]{3}[-. ]?[0-9]{4}", fullmatch=True)
)
@example("0115550142")
@settings(max_examples=1_000, deadline=None)
def test_the_fast_path_says_what_the_library_says(sent: str) -> None:
    try:
        parsed = phonenumbers.parse(sent, "US")
    except phonenumbers.NumberParseException:
        expected = sent
    else:
        judgement = phonenumbers.is_possible_number_with_reason(parsed)
        possible = judgement == phonenumbers.ValidationResult.IS_POSSIBLE
        e164 = phonenumbers.PhoneNumberFormat.E164
        expected = phonenumbers.format_number(parsed, e164) if possible else sent

    assert us.e164(sent) == expected
