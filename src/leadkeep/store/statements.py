"""Named SQL statements from files, so that SQL is read as SQL.

A file is a list of statements, each under two comment lines: its name and its purpose::

    -- name: rescue
    -- Return leases that ran out to pending.
    UPDATE …;
"""

import re
from collections.abc import Iterator, Sequence
from importlib.resources import files

_NAME = re.compile(r"^-- name: (\w+)\n-- (\S.*)\n", re.MULTILINE)


def load_statements(engine: str, names: Sequence[str]) -> dict[str, str]:
    """Every statement of an engine, by name.

    What both engines understand alike stands once, in the folder `both`.

    Args:
        engine: the folder below `store/sql` with what only this engine understands.
        names: files, without `.sql`, in either folder or in both.

    Raises:
        ValueError: a file breaks the form or is nowhere, or a name is given twice. A mistake in the
            program.
    """
    statements: dict[str, str] = {}
    root = files("leadkeep.store") / "sql"
    for name in names:
        found = [
            file for folder in ("both", engine) if (file := root / folder / f"{name}.sql").is_file()
        ]
        if not found:
            raise ValueError(f"no file {name}.sql has statements for {engine}")
        for file in found:
            for statement, sql in _parse(file.read_text("utf-8")):
                if statement in statements:
                    raise ValueError(f"two statements are named {statement}")
                statements[statement] = sql
    return statements


def _parse(text: str) -> Iterator[tuple[str, str]]:
    heads = list(_NAME.finditer(text))
    if len(heads) != text.count("-- name:") or not text.startswith("-- name:"):
        raise ValueError("each statement needs a name line and a purpose line")
    ends = [head.start() for head in heads[1:]] + [len(text)]
    for head, end in zip(heads, ends, strict=True):
        yield head[1], text[head.end() : end].strip()
