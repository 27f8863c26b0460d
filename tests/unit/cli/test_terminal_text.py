"""What comes from outside cannot steer a terminal, and is masked unless asked for."""

import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from leadkeep.cli.masking import mask_email, mask_headers, mask_phone, mask_text
from leadkeep.cli.render import Cell, Column, as_json, show_table
from leadkeep.cli.visible import visible, visible_bytes


@pytest.mark.parametrize(
    ("hostile", "shown"),
    [
        ("\x1b[2J", "\\x1b[2J"),
        ("a\rb", "a\\x0db"),
        ("\u202egnp.exe", "\\u202egnp.exe"),
        ("\x9b31m", "\\x9b31m"),
        ("line\nline", "line\\x0aline"),
        ("José Ñandú 株式会社", "José Ñandú 株式会社"),
        ("\ud800", "\\ud800"),
        ("\U000e0041", "\\U000e0041"),
    ],
)
def test_characters_that_steer_a_terminal_are_shown_as_codes(hostile: str, shown: str) -> None:
    assert visible(hostile) == shown


@given(st.text())
def test_no_control_character_survives_and_nothing_else_changes(text: str) -> None:
    shown = visible(text)
    assert not any(ord(c) < 32 or 127 <= ord(c) < 160 for c in shown)
    if text.isprintable():
        assert shown == text


def test_bytes_that_are_no_utf8_are_shown_as_codes() -> None:
    assert visible_bytes(b"ok \xff\x00") == "ok \\xff\\x00"


@pytest.mark.parametrize(
    ("phone", "masked"),
    [
        ("+16145550142", "+1614•••0142"),
        ("6145550142", "614•••0142"),
        ("(614) 555-0142", "(614) •••0142"),
        ("+442071838750", "+44207•••8750"),
        ("0142", "•••"),
        ("call me at six", "•••"),
        ("", ""),
    ],
)
def test_a_phone_number_keeps_its_area_and_last_digits(phone: str, masked: str) -> None:
    assert mask_phone(phone) == masked


@pytest.mark.parametrize(
    ("email", "masked"),
    [
        ("marisol@example.com", "m•••@example.com"),
        ("not an address", "•••"),
        ("@x", "•••"),
        ("", ""),
    ],
)
def test_an_address_keeps_its_first_letter_and_domain(email: str, masked: str) -> None:
    assert mask_email(email) == masked


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        ('{"phone": "6145550142"}', "6145550142"),
        ('{"phone": "+1 (614) 555-0142"}', "555-0142"),
        ('{"email": "marisol.testerman@example.com"}', "marisol.testerman"),
        ("From=%2B16145550142&Body=hi", "16145550142"),
        ("email=marisol%40example.com", "marisol"),
        ('{"google_key": "s3cret\\"x"}', "s3cret"),
        ("lp_campaign_key=abcdef&zip=43215", "abcdef"),
        ('{"name": "Eve", "google_key": "s3cret', "s3cret"),
        ('{"Key": 4711471147, "a": 1}', "4711471147"),
        ('{"rawRequest": "{\\"lp_key\\":\\"s3cret\\"}"}', "s3cret"),
        ("<lead><Password kind='a'>s3cret</Password></lead>", "s3cret"),
        ('--b\r\nContent-Disposition: form-data; name="token"\r\n\r\ns3cret\r\n--b--', "s3cret"),
        ("email=zoë@example.com", "zoë"),
    ],
)
def test_phones_addresses_and_secrets_are_masked_within_any_payload(text: str, hidden: str) -> None:
    assert hidden in text
    assert hidden not in mask_text(text)
    assert "•••" in mask_text(text)


@pytest.mark.parametrize(
    "text",
    ["k" * 500_000, "a@" * 200_000, '"key":"' * 100_000, "%40" * 200_000, "(1 " * 200_000],
)
def test_a_text_that_was_made_to_take_long_is_masked_in_one_reading(text: str) -> None:
    # One that is read again from each of its letters takes hours.
    assert mask_text(text)


def test_what_is_no_contact_is_left_as_it_is() -> None:
    text = '{"zip_code": "43215", "sell_price": 4.25, "birth_date": "1991-03-14"}'
    assert mask_text(text) == text


def test_credentials_and_signatures_in_headers_are_hidden() -> None:
    lines = (
        "Host: x\r\nAuthorization: Bearer abc\r\nX-Hub-Signature-256: sha256=ff\r\nCookie: a=b\r\n"
    )
    masked = mask_headers(lines)
    assert "abc" not in masked
    assert "sha256" not in masked
    assert "a=b" not in masked
    assert "Host: x\r\n" in masked


def test_markup_in_a_lead_is_printed_and_not_obeyed() -> None:
    out = io.StringIO()
    target = Console(file=out, force_terminal=True, width=80, color_system=None, markup=False)
    show_table((Column("NAME"),), [("[bold red]Eve[/] :boom: \x1b[31m",)], target=target)
    assert "[bold red]Eve[/] :boom: \\x1b[31m" in out.getvalue()


def test_a_table_for_a_program_is_tab_separated_and_whole() -> None:
    out = io.StringIO()
    target = Console(file=out, force_terminal=False, width=20)
    show_table(
        (Column("A"), Column("B")), [("x" * 300, Cell("one\ttwo\nthree", "red"))], target=target
    )
    assert out.getvalue() == f"A\tB\n{'x' * 300}\tone\\x09two\\x0athree\n"


def test_a_column_that_must_be_whole_is_whole_on_a_narrow_terminal() -> None:
    out = io.StringIO()
    target = Console(file=out, force_terminal=True, width=40, color_system=None, markup=False)
    show_table(
        (Column("NUMBER", whole=True), Column("NAME")),
        [("1786800049001", "A very long name that does not fit here")],
        target=target,
    )
    assert "1786800049001" in out.getvalue()
    assert "…" in out.getvalue()


def test_a_terminal_too_narrow_for_all_columns_shows_the_most_important() -> None:
    def shown(width: int) -> list[str]:
        out = io.StringIO()
        target = Console(file=out, force_terminal=True, width=width, color_system=None)
        columns = (Column("NUMBER", whole=True), Column("SOURCE", spare=True), Column("STATUS"))
        show_table(columns, [("1786800049001", "leads quoting fast", "pending")], target=target)
        return out.getvalue().splitlines()

    assert shown(80)[1] == "1786800049001  leads quoting fast  pending"
    assert shown(32)[1] == "1786800049001  leads q…  pending"
    assert shown(24) == ["NUMBER         STATUS", "1786800049001  pending"]
    assert all(len(line) <= 30 for line in shown(30))


@given(st.text())
def test_json_is_printable_ascii_and_says_the_same(text: str) -> None:
    shown = as_json({"name": text})
    assert shown.isascii()
    assert shown.isprintable()
    assert json.loads(shown) == {"name": text}
