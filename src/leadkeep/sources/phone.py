"""Phone numbers in E.164, so that the same person's number is the same text however it was typed.

A number that cannot be normalised is kept as sent: a person may still read it.
"""

_LAYOUT = {ord(char): None for char in " -.()/\u00a0\u2010\u2011\u2012\u2013"}
_LONGEST = 40
_NORTH_AMERICA = frozenset(
    [
        *("AG", "AI", "AS", "BB", "BM", "BS", "CA", "DM", "DO", "GD", "GU", "JM", "KN"),
        *("KY", "LC", "MP", "MS", "PR", "SX", "TC", "TT", "US", "VC", "VG", "VI"),
    ]
)
"""Regions whose country code is 1 (North American Numbering Plan)."""


class PhoneNumbers:
    """Normalises phone numbers.

    Args:
        default_region: two-letter country of numbers without a country code; empty or unknown:
            those are left as sent.
    """

    def __init__(self, default_region: str) -> None:
        self._region = default_region.strip().upper()
        self._north_american = self._region in _NORTH_AMERICA

    def e164(self, sent: str) -> str:
        """`+16145550142` for `(614) 555-0142`; the number as sent where that is not possible."""
        digits = sent.translate(_LAYOUT)
        if self._north_american:
            # Nearly every number is one of these; the library takes fifty times as long.
            if len(digits) == 12 and digits.startswith("+1"):
                digits = digits[2:]
            elif len(digits) == 11 and digits[0] == "1":
                digits = digits[1:]
            if len(digits) == 10 and digits.isdecimal() and digits.isascii() and digits[0] > "1":
                return f"+1{digits}"
        return self._by_library(sent) if len(sent) <= _LONGEST else sent

    def _by_library(self, sent: str) -> str:
        # Loaded at the first number that needs it: it is large, and the door rarely sees one.
        import phonenumbers  # noqa: PLC0415

        try:
            number = phonenumbers.parse(sent, self._region or None)
        except phonenumbers.NumberParseException:
            return sent
        # Stricter than is_possible_number(), which takes numbers without their area code.
        judgement = phonenumbers.is_possible_number_with_reason(number)
        if judgement != phonenumbers.ValidationResult.IS_POSSIBLE:
            return sent
        return str(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164))
