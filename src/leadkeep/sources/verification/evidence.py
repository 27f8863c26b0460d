"""A request as a verifier sees it: headers, parameters and fields, found once, never changed."""

from collections.abc import Sequence
from functools import cached_property, lru_cache
from urllib.parse import parse_qsl, unquote_to_bytes

from leadkeep.models import Record
from leadkeep.sources.payload import content_type_of, read_tree
from leadkeep.sources.tree import Tree

_PARAMETERS_MAX = 1_000


class Evidence:
    """One request and when it came.

    Args:
        method: as sent.
        target: path and query, as sent.
        headers: `Name: value\\r\\n` lines, as sent.
        body: as sent; what is signed is these bytes and never what they mean.
        received_at_us: microseconds since 1970, by our clock: ages are counted up to then, however
            late this is looked at.
        peer: address of the sender.
    """

    def __init__(
        self,
        *,
        method: str,
        target: bytes,
        headers: bytes,
        body: bytes,
        received_at_us: int,
        peer: str = "",
    ) -> None:
        self.method = method
        self.target = target
        self.body = body
        self.received_at_us = received_at_us
        self.peer = peer
        self._headers = headers
        self._lower = b"\r\n" + headers.lower()

    def __len__(self) -> int:
        """Bytes."""
        return len(self.target) + len(self._headers) + len(self.body)

    def header(self, name: str) -> Sequence[bytes]:
        """Every value of a header, in order; none: empty."""
        found: list[bytes] = []
        begin = _beginning(name)
        at = self._lower.find(begin)
        while at >= 0:
            # In the headers themselves each place is two bytes earlier.
            start = at + len(begin) - 2
            end = self._headers.find(b"\r\n", start)
            found.append(self._headers[start : end if end >= 0 else None].strip())
            at = self._lower.find(begin, start)
        return found

    @property
    def path(self) -> bytes:
        """The target without its query."""
        return self.target.partition(b"?")[0]

    @cached_property
    def query(self) -> list[tuple[str, str]]:
        """The query's parameters, decoded, in order."""
        return _pairs(self.target.partition(b"?")[2])

    @cached_property
    def form(self) -> Sequence[tuple[bytes, bytes]] | None:
        """The fields of a form-encoded body, in order; None: it is no form, or has too many.

        As bytes: two bodies that differ are not to look alike because neither can be decoded.
        """
        if "x-www-form-urlencoded" not in content_type_of(self._headers).lower():
            return None
        pieces = [piece for piece in self.body.split(b"&", _PARAMETERS_MAX) if piece]
        if len(pieces) > _PARAMETERS_MAX:
            return None
        fields = (piece.replace(b"+", b" ").partition(b"=") for piece in pieces)
        return [(unquote_to_bytes(name), unquote_to_bytes(value)) for name, _, value in fields]

    @cached_property
    def _tree(self) -> Tree:
        return read_tree(content_type_of(self._headers), self.body)

    def field(self, name: str) -> str | None:
        """A field of the body by its name, `a.b` one inside another; None: there is none.

        Of a request whose body has no such field: a parameter of its query.
        """
        found = self._body_field(name) if self.body else None
        if found is None:
            return next((value for key, value in self.query if key == name), None)
        return found

    def _body_field(self, name: str) -> str | None:
        value: Tree = self._tree
        for word in name.split("."):
            if not isinstance(value, dict) or word not in value:
                return None
            value = value[word]
        if isinstance(value, bool) or value is None or isinstance(value, dict | list):
            return None
        try:
            return str(value)
        except ValueError:
            return None  # A number of more digits than Python writes out.


@lru_cache(maxsize=1_024)
def _beginning(name: str) -> bytes:
    """How the lines of a header begin, in small letters, behind the line before."""
    return b"\r\n" + name.lower().encode("latin-1", "replace") + b":"


def evidence_of(record: Record) -> Evidence:
    """What the journal has of a request."""
    return Evidence(
        method=record.method,
        target=record.target,
        headers=record.headers,
        body=record.body,
        received_at_us=record.received_at_us,
        peer=record.peer,
    )


def _pairs(encoded: bytes) -> list[tuple[str, str]]:
    try:
        return parse_qsl(
            encoded.decode("utf-8", "replace"),
            keep_blank_values=True,
            max_num_fields=_PARAMETERS_MAX,
        )
    except ValueError:
        return []
