"""What each vendor's shape says beside who it is about."""

from pathlib import Path

import pytest

from leadkeep.models import Facts
from leadkeep.sources.contact import ContactReader

SAMPLES = Path(__file__).parents[2] / "samples"
JSON = "application/json"
CERTIFICATE = "https://cert.trustedform.com/"


def facts(body: bytes, target: bytes = b"/", content_type: str = JSON) -> Facts:
    return ContactReader("US").read_all(content_type, target, body)[1]


def test_a_nested_lead_says_place_price_and_consent() -> None:
    assert facts((SAMPLES / "01_lqf_auto_nested.json").read_bytes()) == Facts(
        first_name="Marisol",
        last_name="Testerman",
        address="742 Sample Ave",
        city="Columbus",
        region="OH",
        postal_code="43215",
        campaign="1090001",
        price="4.25",
        trusted_form=CERTIFICATE + "0" * 39 + "1",
        jornaya="00000000-0000-4000-8000-000000000001",
        consent="By clicking, I consent to be contacted (synthetic text).",
        landing_page="https://quotes.example.com/auto?src=4000",
        ip_address="203.0.113.24",
    )


def test_parts_that_were_sent_as_texts_are_opened() -> None:
    found = facts(b'{"meta": "{\\"sell_price\\": \\"$12.50\\", \\"tcpa_compliant\\": true}"}')
    assert found == Facts(price="$12.50", consent="yes")


def test_a_form_and_the_query_behind_it_are_read() -> None:
    found = facts(
        b"contact[city]=Dayton&meta.zip=45402",
        b"/x?city=Elsewhere&cost=3",
        "application/x-www-form-urlencoded",
    )
    assert found == Facts(city="Dayton", postal_code="45402", price="3")


def test_the_nearest_to_the_root_counts() -> None:
    assert facts(b'{"a": {"price": 1}, "sell_price": 2, "price": 3}').price == "2"


@pytest.mark.parametrize(
    ("body", "is_test"),
    [
        (b'{"is_test": true}', True),
        (b'{"lp_test": "1"}', True),
        (b'{"testMode": 1}', True),
        (b'{"test": "data"}', False),
        (b'{"is_test": false, "test_lead": "no"}', False),
        (b'{"test": {"x": 1}}', False),
    ],
)
def test_what_the_sender_calls_a_test_is_one(body: bytes, is_test: bool) -> None:
    assert facts(body).is_test is is_test


@pytest.mark.parametrize(
    ("key", "value", "fits"),
    [
        ("xxTrustedFormCertUrl", CERTIFICATE + "a" * 40, True),
        ("xxTrustedFormCertUrl", CERTIFICATE + "a" * 80, True),
        ("xxTrustedFormCertUrl", CERTIFICATE + "0.abc", True),
        ("xxTrustedFormCertUrl", CERTIFICATE + "a" * 41, False),
        ("xxTrustedFormCertUrl", "https://evil.example/" + "a" * 40, False),
        ("leadid_code", "0" * 8 + "-0000-4000-8000-" + "0" * 12, True),
        ("leadid_code", "none", False),
        ("ip_address", "2001:db8::1", True),
        ("ip_address", "unknown", False),
        ("price", "4,50 EUR", True),
        ("price", "call us", False),
    ],
)
def test_a_value_that_cannot_be_what_its_key_says_is_left_out(
    key: str, value: str, fits: bool
) -> None:
    found = facts(f'{{"{key}": "{value}"}}'.encode())
    assert (found != Facts()) is fits


def test_other_drivers_names_and_lists_far_inside_are_not_read() -> None:
    body = b'{"data": {"drivers": [{"city": "Rome"}]}, "leads": [{"city": "Dayton"}]}'
    assert facts(body).city == "Dayton"


def test_control_characters_are_taken_out_and_long_texts_are_cut() -> None:
    found = facts(b'{"city": "Day\\u0000ton\\u202e", "consent_text": "' + b"x" * 9_000 + b'"}')
    assert found.city == "Day ton"
    assert len(found.consent) == 2_000
