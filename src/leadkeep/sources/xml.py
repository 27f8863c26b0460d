"""XML as a tree: elements become keys, repeated ones lists. No DTD, no entities, bounded.

A document that declares a DTD or an entity is not read at all (and is a lead all the same): that
is how a few hundred bytes become gigabytes, and how files of the reader's machine are asked for.
"""

from xml.parsers import expat

from leadkeep.sources.tree import READ_BYTES, Tree

_MOST_ELEMENTS = 4_000
_DEEPEST = 40
_MOST_REPEATED = 200
_MOST_TEXT = 4_000
_LONGEST_NAME = 200
_NAMES = frozenset(["name", "key"])
"""Attributes that are the element's real name: `<field name="email">`."""


class _Refused(Exception):
    """The document asks for what is never given."""


def read_xml(body: bytes) -> Tree:
    """The document's root and all below; None if it is none, or asks for a DTD or entities.

    What was read up to a mistake counts: a document that is cut off is read as far as it goes.
    """
    building = _Building()
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.buffer_text = True
    parser.StartElementHandler = building.begin
    parser.EndElementHandler = building.end
    parser.CharacterDataHandler = building.text
    parser.StartDoctypeDeclHandler = _refuse
    parser.EntityDeclHandler = _refuse
    parser.ExternalEntityRefHandler = _refuse
    try:
        parser.Parse(body[:READ_BYTES], True)
    except _Refused:
        return None
    except (expat.ExpatError, ValueError, LookupError):
        pass
    building.end_all()
    return building.root or None


def _refuse(*_: object) -> int:
    raise _Refused


class _Element:
    __slots__ = ("children", "name", "texts")

    def __init__(self, name: str) -> None:
        self.name = name
        self.children: dict[str, Tree] = {}
        self.texts: list[str] = []


class _Building:
    """The tree so far."""

    def __init__(self) -> None:
        self.root: dict[str, Tree] = {}
        self._open: list[_Element] = []
        self._elements = 0

    def begin(self, name: str, attributes: dict[str, str]) -> None:
        self._elements += 1
        if self._elements > _MOST_ELEMENTS or len(self._open) >= _DEEPEST:
            raise ValueError
        element = _Element(_local(name))
        for key, value in attributes.items():
            meaning = _local(key).lower()
            if meaning in _NAMES:
                element.name = value[:_LONGEST_NAME]
            elif meaning == "part":
                # ADF's `<name part="first">` is the first name.
                element.name = f"{element.name} {value}"[:_LONGEST_NAME]
        self._open.append(element)
        if len(self._open) == 1:
            self.root[element.name] = element.children

    def text(self, data: str) -> None:
        texts = self._open[-1].texts
        if len(texts) < 50:
            texts.append(data[:_MOST_TEXT])

    def end_all(self) -> None:
        """The document stops here, whatever is still open."""
        while self._open:
            self.end("")

    def end(self, _name: str) -> None:
        element = self._open.pop()
        text = "".join(element.texts).strip()[:_MOST_TEXT]
        if not self._open:
            if not element.children and text:
                self.root[element.name] = text
            return
        value: Tree = element.children or text
        if element.children and text:
            element.children.setdefault("#text", text)
        parent = self._open[-1].children
        known = parent.get(element.name)
        if known is None:
            parent[element.name] = value
        elif isinstance(known, list):
            if len(known) < _MOST_REPEATED:
                known.append(value)
        else:
            parent[element.name] = [known, value]


def _local(name: str) -> str:
    """A name without its namespace."""
    return name.rpartition(" ")[2]
