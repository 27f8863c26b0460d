"""What vendors call things: each key's spelling → its meaning.

A table and one lookup. Keys are compared without case and without anything but letters and digits,
so `first_name`, `firstName`, `First Name` and `first-name` are one spelling here. The order inside
a list is the order of preference when a payload has several.
"""

import re
from enum import IntEnum
from functools import lru_cache
from typing import NamedTuple


class Means(IntEnum):
    """What a key stands for."""

    NOTHING = 0
    """Nothing we read, and no person is below it."""
    UNKNOWN = 1
    """Nothing we know; a person may be below it."""
    FIRST = 2
    LAST = 3
    FULL = 4
    PHONE = 5
    EMAIL = 6
    VENDOR_ID = 7
    BELOW = 8
    """A part of the payload that holds fields."""


class Meaning(NamedTuple):
    """A key's meaning and how good a place it is: the lowest rank wins."""

    means: Means
    rank: int


PERSON_RANK = 40
"""Below this a container is about a person, and its `id` is that person's and not the lead's."""
ROOT_RANK = 100
UNKNOWN_RANK = 400
WEAK_RANK = 20
"""From this rank on a key often means something else: its value must look right."""

_FIELDS: dict[Means, str] = {
    Means.FIRST: """firstname fname givenname forename namefirst firstnm applicantfirst firstn
        prenom vorname nombre first given""",
    Means.LAST: """lastname lname surname familyname namelast lastnm lastn secondname apellido
        nachname last family""",
    Means.FULL: """name fullname contactname leadname customername yourname applicantname
        prospectname displayname personname completename namefull callername full""",
    Means.PHONE: """phone phonenumber phone1 primaryphone mobile mobilephone mobilenumber cell
        cellphone phonecell phonemobile phonehome homephone telephone tel telefono dayphone
        daytimephone phoneday phoneprimary contactnumber contactphone customerphonenumber
        callernumber callerphone phoneno phonenum workphone phonework eveningphone phoneevening
        phone2 altphone secondaryphone""",
    Means.EMAIL: """email emailaddress email1 mail emailid primaryemail contactemail useremail
        customeremail workemail emailwork eaddress correo""",
    Means.VENDOR_ID: """vendorleadid leadid externalleadid id leadgenid externalid submissionid
        leaduuid uniqueid leadref leadreference janglid messagesid callsid transactionid responseid
        leadgenformresponse
        eventid requestid resourceid uuid tcpaleadid""",
}
_WEAK: dict[Means, str] = {
    Means.PHONE: "from cid callerid caller fromnumber ani sourcenumber number",
    Means.EMAIL: "fromemail replyto",
    Means.VENDOR_ID: "token",
}
_BELOW: dict[int, str] = {
    0: "contact contactinfo contactinformation contactdetails contactdata",
    5: "customer person applicant primaryapplicant consumer prospect insured primaryinsured",
    10: "personal personalinfo personalinformation personaldetails primarycontact profile",
    PERSON_RANK: "lead leaddata leadinfo leaddetails formresponse",
    # Beside the root's own fields, these are second.
    200: """data payload body event entry record submission attributes properties result request
        message object details info user client rawrequest datajson json dataxml xml params adf""",
    210: """fields fielddata formdata answers usercolumndata questionsandanswers customfields
        responses columns questions values form customdata formfields""",
}
_PREFIXES = re.compile(
    r"contact|customer|applicant|person|consumer|prospect|insured|primary|your|lead|data|payload|"
    r"fields|q\d{1,4}"
)
_LEAD_PREFIXES = frozenset(["lead", "data", "payload"])
"""What may stand before `id`: a `customer_id` is the customer's, not the lead's."""

_OTHERS = re.compile(
    r"vendor|buyer|seller|agent|agency|broker|campaign|publisher|affiliate|partner|sender|company|"
    r"employer|insurer|policy|carrier|vehicle|device|browser|lender|meta|utm|test"
)
"""Names and ids below such keys are not the lead's."""

_LONGEST_KEY = 100
_SHAPES_KNOWN = 512
_SHAPE_KEYS = 64
_SHAPE_CHARS = 2_000


def _table() -> dict[str, Meaning]:
    table: dict[str, Meaning] = {}
    for names, first_rank in ((_FIELDS, 0), (_WEAK, WEAK_RANK)):
        for means, spellings in names.items():
            for place, spelling in enumerate(spellings.split()):
                # Ten places are enough: what stands behind them is equally good.
                table[spelling] = Meaning(means, first_rank + min(place, WEAK_RANK - 1))
    for rank, spellings in _BELOW.items():
        table.update(dict.fromkeys(spellings.split(), Meaning(Means.BELOW, rank)))
    return table


_TABLE = _table()
NOTHING = Meaning(Means.NOTHING, 0)
UNKNOWN = Meaning(Means.UNKNOWN, UNKNOWN_RANK)


_shapes: dict[tuple[str, ...], tuple[tuple[str, Meaning], ...]] = {}
"""A vendor's leads have the same keys in the same order: what they mean is looked up once."""


def meanings_of(keys: tuple[str, ...]) -> tuple[tuple[str, Meaning], ...]:
    """Those of a part's keys that mean something, with what they mean."""
    found = _shapes.get(keys)
    if found is None:
        meanings = [(key, meaning_of(key)) for key in keys]
        found = tuple(one for one in meanings if one[1].means > Means.UNKNOWN)
        # Hostile payloads have ever new keys, and long ones: this stays small.
        if len(keys) <= _SHAPE_KEYS and sum(map(len, keys)) <= _SHAPE_CHARS:
            if len(_shapes) >= _SHAPES_KNOWN:
                _shapes.clear()
            _shapes[keys] = found
    return found


@lru_cache(maxsize=4096)
def meaning_of(key: str) -> Meaning:
    """What a key means, in any of its spellings.

    Args:
        key: as sent; form keys like `contact[first_name]` and `data.email` are understood.
    """
    if len(key) > _LONGEST_KEY:
        return NOTHING
    plain = "".join(char for char in key.lower() if char.isalnum())
    found = _TABLE.get(plain)
    if found is not None:
        return found
    rest = plain.removesuffix("value")
    person = False
    for _ in range(3):
        known = _TABLE.get(rest)
        if known is not None and not (known.means is Means.VENDOR_ID and person):
            return known
        prefix = _PREFIXES.match(rest)
        if prefix is None:
            break
        person = person or prefix[0] not in _LEAD_PREFIXES
        rest = rest[prefix.end() :]
    return NOTHING if _OTHERS.search(plain) else UNKNOWN
