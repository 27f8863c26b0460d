"""ADF and other XML is read; a document that asks for a DTD or an entity is not."""

import pytest

from leadkeep.models import Contact
from leadkeep.sources.contact import ContactReader, read_contact
from leadkeep.sources.tree import Tree
from leadkeep.sources.xml import read_xml

ADF = b"""<?xml version="1.0" encoding="UTF-8"?>
<?ADF VERSION="1.0"?>
<adf><prospect>
  <id sequence="1" source="CarSite">1234</id>
  <vehicle interest="buy"><year>2020</year><make>Honda</make></vehicle>
  <customer><contact>
    <name part="first">Ann</name><name part="last">L\xc3\xa9e</name>
    <email>ann@example.com</email><phone type="voice">614-555-0142</phone>
    <address><street line="1">1 Main</street><city>Dayton</city>
      <regioncode>OH</regioncode><postalcode>45402</postalcode></address>
  </contact></customer>
  <vendor><contact><name part="full">Dealer Joe</name><phone>9995550000</phone></contact></vendor>
</prospect></adf>
"""
ANN = Contact(name="Ann Lée", phone="+16145550142", email="ann@example.com", vendor_lead_id="1234")


@pytest.mark.parametrize("content_type", ["application/x-adf+xml", "text/xml", "", "text/plain"])
def test_an_adf_prospect_is_its_customer_and_not_its_dealer(content_type: str) -> None:
    assert read_contact(content_type, b"/", ADF) == ANN


def test_an_adf_prospects_place_is_read() -> None:
    facts = ContactReader("US").read_all("text/xml", b"/", ADF)[1]
    assert (facts.address, facts.city, facts.region, facts.postal_code) == (
        *("1 Main", "Dayton", "OH", "45402"),
    )


def test_what_came_before_a_cut_is_read() -> None:
    cut = ADF[: ADF.index(b"<phone")]
    assert read_contact("text/xml", b"/", cut) == Contact(
        name="Ann Lée", email="ann@example.com", vendor_lead_id="1234"
    )


@pytest.mark.parametrize(
    ("body", "tree"),
    [
        (b'<r><field name="email">a@b</field></r>', {"r": {"email": "a@b"}}),
        (b'<x:r xmlns:x="urn:x"><x:a>1</x:a></x:r>', {"r": {"a": "1"}}),
        (b"<r><a>1</a><a>2</a></r>", {"r": {"a": ["1", "2"]}}),
        (b"<r>text<a>1</a></r>", {"r": {"a": "1"}}),
        (b"<r>only text</r>", {"r": "only text"}),
        (b"<r><![CDATA[<b>]]></r>", {"r": "<b>"}),
        ("<r>é</r>".encode("utf-16"), {"r": "é"}),
        (b"no document", None),
        (b"", None),
    ],
)
def test_elements_become_keys(body: bytes, tree: Tree) -> None:
    assert read_xml(body) == tree


@pytest.mark.parametrize(
    "prologue",
    [
        b'<!DOCTYPE r [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;&a;">]>',
        b'<!DOCTYPE r SYSTEM "file:///etc/passwd">',
        b'<!DOCTYPE r [<!ENTITY a SYSTEM "file:///etc/hostname">]>',
        b"<!DOCTYPE r>",
    ],
)
def test_no_dtd_and_no_entity_is_read(prologue: bytes) -> None:
    assert read_xml(prologue + b"<r><name>Ann</name></r>") is None


@pytest.mark.parametrize(
    "body",
    [
        b"<a>" * 100_000,
        b"<r>" + b"<a/>" * 100_000 + b"</r>",
        b"<r " + b" ".join(b'a%d="1"' % n for n in range(20_000)) + b"/>",
        b"<r>" + b"x" * 500_000 + b"</r>",
        b'<?xml version="1.0" encoding="no-such"?><r/>',
    ],
)
def test_a_hostile_document_is_read_within_bounds(body: bytes) -> None:
    tree = read_xml(body)
    assert tree is None or len(str(tree)) < 100_000
