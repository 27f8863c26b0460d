"""What is read from each vendor's shape, field by field."""

from pathlib import Path

import pytest

from leadkeep.models import Contact
from leadkeep.sources.contact import ContactReader, read_contact

SAMPLES = Path(__file__).parents[2] / "samples"
JSON = "application/json"
FORM = "application/x-www-form-urlencoded"


@pytest.mark.parametrize(
    ("sample", "content_type", "contact"),
    [
        (
            "01_lqf_auto_nested.json",
            JSON,
            Contact(
                name="Marisol Testerman",
                phone="+16145550142",
                email="marisol.testerman@example.com",
                vendor_lead_id="90000001",
            ),
        ),
        (
            "02_lqf_auto_flat_vendor_buyer.json",
            JSON,
            Contact(
                name="Dov Placeholder",
                phone="+16145550177",
                email="dov.placeholder@example.com",
                vendor_lead_id="100000123",
            ),
        ),
        (
            "03_lqf_auto_flat_string_fields.json",
            JSON,
            Contact(
                name="Perpetua Q Fakename",
                phone="+16145550123",
                email="perpetua@example.com",
                vendor_lead_id="90000003",
            ),
        ),
        (
            "04_lqf_home_nested.json",
            JSON,
            Contact(
                name="Ottoline Mockley",
                phone="+13345550188",
                email="ottoline@example.com",
                vendor_lead_id="90000004",
            ),
        ),
        (
            "05_home_property_object_single_name.json",
            JSON,
            Contact(name="Caspian Demo", phone="+15135550199", email="caspian@example.com"),
        ),
        (
            "10_twilio_sms.form",
            FORM,
            Contact(phone="+16145550142", vendor_lead_id="SM" + "0" * 32),
        ),
        ("12_provider_ping.json", JSON, Contact()),
    ],
)
def test_each_sample_is_read(sample: str, content_type: str, contact: Contact) -> None:
    body = (SAMPLES / sample).read_bytes()

    assert read_contact(content_type, b"/webhook", body) == contact


@pytest.mark.parametrize("content_type", ["", "text/plain", FORM, "application/xml", "nonsense;;="])
def test_a_content_type_that_lies_changes_nothing(content_type: str) -> None:
    body = (SAMPLES / "01_lqf_auto_nested.json").read_bytes()

    assert read_contact(content_type, b"/", body) == read_contact(JSON, b"/", body)


ANN = Contact(name="Ann Lee", phone="+16145550142", email="ann@example.com", vendor_lead_id="L-7")


@pytest.mark.parametrize(
    "body",
    [
        b'{"firstName":"Ann","lastName":"Lee","mobile":"614-555-0142","emailAddress":"ann@example.com"'
        b',"leadId":"L-7"}',
        b'{"First Name":"Ann","Last Name":"Lee","Phone Number":"1 614 555 0142",'
        b'"E-Mail":"ann@example.com","Lead ID":"L-7"}',
        b'{"fname":"Ann","lname":"Lee","phone1":6145550142,"email":"ann@example.com","id":"L-7"}',
        b'{"full_name":"Ann Lee","cell_phone":"614.555.0142","email":"ann@example.com",'
        b'"vendor_lead_id":"L-7","id":"other"}',
        b'{"data":{"contact":{"name":"Ann Lee","phone":"6145550142","email":"ann@example.com"}},'
        b'"lead_id":"L-7"}',
        b'{"lead":{"id":"L-7","customer":{"first_name":"Ann","last_name":"Lee",'
        b'"home_phone":"6145550142","email":"ann@example.com"}}}',
        b'{"event":"new","payload":"{\\"name\\":\\"Ann Lee\\",\\"phone\\":\\"6145550142\\",'
        b'\\"email\\":\\"ann@example.com\\",\\"id\\":\\"L-7\\"}"}',
        b'"{\\"name\\":\\"Ann Lee\\",\\"phone\\":\\"6145550142\\",'
        b'\\"email\\":\\"ann@example.com\\",\\"id\\":\\"L-7\\"}"',
        b'[{"name":"Ann Lee","phone":"6145550142","email":"ann@example.com","id":"L-7"}]',
        b'{"name":{"first":"Ann","last":"Lee"},"phone":{"area":"614","phone":"5550142"},'
        b'"email":{"address":"ann@example.com"},"id":"L-7"}',
        b'{"name":["Ann Lee"],"phone":["6145550142"],"email":["ann@example.com"],"id":["L-7"]}',
        b'{"webform_7":{"name":"Ann Lee","phone":"6145550142","email":"ann@example.com"},'
        b'"id":"L-7"}',
        # Google Ads.
        b'{"lead_id":"L-7","user_column_data":[{"column_id":"FULL_NAME","string_value":"Ann Lee"},'
        b'{"column_id":"EMAIL","string_value":"ann@example.com"},'
        b'{"column_id":"PHONE_NUMBER","string_value":"+1 614 555 0142"}]}',
        # Typeform.
        b'{"form_response":{"token":"L-7","answers":['
        b'{"type":"text","text":"Ann","field":{"id":"a","ref":"first_name"}},'
        b'{"type":"text","text":"Lee","field":{"id":"b","ref":"last_name"}},'
        b'{"type":"email","email":"ann@example.com","field":{"id":"c","ref":"x1"}},'
        b'{"type":"phone_number","phone_number":"+16145550142","field":{"id":"d","ref":"x2"}}]}}',
        # Elementor.
        b'{"id":"L-7","fields":{"name":{"id":"name","value":"Ann Lee"},'
        b'"email":{"id":"email","value":"ann@example.com"},"phone":{"value":"6145550142"}}}',
        # Broken: a comma too many; cut off; NaN; twice the same key; a raw line break.
        b'{"name":"Ann Lee","phone":"6145550142","email":"ann@example.com","id":"L-7",}',
        b'{"name":"Ann Lee","phone":"6145550142","email":"ann@example.com","id":"L-7","x":{"y',
        b'{"name":"Ann Lee","phone":"6145550142","email":"ann@example.com","id":"L-7","age":NaN}',
        b'{"name":"Bob","name":"Ann Lee","phone":"6145550142","email":"ann@example.com",'
        b'"id":"L-7"}',
        b'{"name":"Ann\nLee","phone":"6145550142","email":"ann@example.com","id":"L-7"}',
        b'\xef\xbb\xbf{"name":"Ann Lee","phone":"6145550142","email":"ann@example.com","id":"L-7"}',
        # Forms.
        b"name=Ann+Lee&phone=%28614%29+555-0142&email=ann%40example.com&id=L-7",
        b"contact[first_name]=Ann&contact[last_name]=Lee&contact[phone]=6145550142"
        b"&contact[email]=ann@example.com&lead_id=L-7",
        b"your-name=Ann+Lee&your-email=ann%40example.com&your-phone=6145550142&submission_id=L-7",
        b"data.json=%7B%22name%22%3A%5B%22Ann+Lee%22%5D%2C%22phone%22%3A%5B%226145550142%22%5D%2C"
        b"%22email%22%3A%5B%22ann%40example.com%22%5D%2C%22id%22%3A%22L-7%22%7D",
        b"First_Name=Ann&Last_Name=Lee&Email=ann@example.com&Phone=6145550142&Lead_ID=L-7&Key=secret",
    ],
)
def test_every_spelling_means_the_same_person(body: bytes) -> None:
    assert read_contact("", b"/", body) == ANN


def test_utf16_is_read() -> None:
    body = '{"name":"Ann Lee","phone":"6145550142","email":"ann@example.com","id":"L-7"}'

    assert read_contact(JSON, b"/", body.encode("utf-16")) == ANN


def test_a_declared_charset_is_used() -> None:
    body = '{"name":"Zoë Müller","phone":"6145550142"}'.encode("iso-8859-1")

    assert read_contact("application/json; charset=iso-8859-1", b"/", body).name == "Zoë Müller"
    assert read_contact(JSON, b"/", body).name == "Zoë Müller"


def test_multipart_fields_are_read_and_files_are_not() -> None:
    boundary = "----xyz"
    parts = {"q3_name[first]": "Ann", "q3_name[last]": "Lee", "q5_phone": "6145550142"}
    body = "".join(
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in parts.items()
    )
    body += (
        f'--{boundary}\r\nContent-Disposition: form-data; name="email"; filename="a.txt"\r\n'
        f"Content-Type: text/plain\r\n\r\nfile@example.com\r\n--{boundary}--\r\n"
    )

    declared = read_contact(f"multipart/form-data; boundary={boundary}", b"/", body.encode())
    lying = read_contact("text/plain", b"/", body.encode())

    assert declared == Contact(name="Ann Lee", phone="+16145550142")
    assert lying == declared


def test_the_query_of_a_lead_without_body_is_read() -> None:
    target = (
        b"/lead?first_name=Ann&last_name=Lee&phone=6145550142&email=ann@example.com&lead_id=L-7"
    )

    assert read_contact("", target, b"") == ANN


def test_the_query_fills_what_the_body_leaves_open_and_overrules_nothing() -> None:
    contact = read_contact(JSON, b"/lead?phone=6145550199&lead_id=L-7", b'{"phone":"6145550142"}')

    assert contact == Contact(phone="+16145550142", vendor_lead_id="L-7")


def test_vendors_buyers_and_drivers_are_not_mistaken_for_the_person() -> None:
    body = (
        b'{"vendor":{"name":"Vendor Co","phone":"6145550100"},"buyer":{"name":"Buyer LLC"},'
        b'"campaign":{"id":5,"name":"Ohio"},"form_id":"9","customer_id":"8",'
        b'"drivers":[{"name":"Dee Driver"}],"form_name":"Quote form"}'
    )

    assert read_contact(JSON, b"/", body) == Contact()


def test_a_persons_own_id_is_not_taken_for_the_leads() -> None:
    body = b'{"contact":{"id":"P-1","name":"Ann Lee"},"id":"L-7"}'

    assert read_contact(JSON, b"/", body).vendor_lead_id == "L-7"


def test_words_for_nothing_are_nothing() -> None:
    body = b'{"name":"null","first_name":"Ann","last_name":" ","phone":"N/A","email":"none",'
    body += b'"contact":{"phone":"yes","email":"yes"}}'

    assert read_contact(JSON, b"/", body) == Contact(name="Ann")


def test_the_region_decides_what_a_plain_number_means() -> None:
    body = b'{"phone":"020 7946 0018"}'

    assert ContactReader("GB").read(JSON, b"/", body).phone == "+442079460018"
    assert ContactReader("").read(JSON, b"/", body).phone == "020 7946 0018"
