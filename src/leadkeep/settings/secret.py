"""A secret as it was when the settings were read, and the file it stands in, if any."""

from pathlib import Path


class Secret(str):
    """Text that is not shown, from a file that may change while it is in use."""

    __slots__ = ("file",)

    file: Path

    def __new__(cls, text: str, file: Path) -> "Secret":
        made = super().__new__(cls, text)
        made.file = file
        return made

    def __repr__(self) -> str:
        return "'***'"

    @classmethod
    def read(cls, file: Path) -> "Secret":
        """What the file holds now, less the line end after it.

        Raises:
            OSError: it cannot be read.
            UnicodeDecodeError: it is not UTF-8.
        """
        return cls(file.read_text("utf-8").rstrip("\r\n"), file)


def stripped(text: str) -> str:
    """`text` without space around it; a secret stays one and remembers its file."""
    return Secret(text.strip(), text.file) if isinstance(text, Secret) else text.strip()
