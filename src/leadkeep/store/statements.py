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

    Args:
        engine: the folder below `store/sql`.
        names: its files, without `.sql`.

    Raises:
        ValueError: a file breaks the form, or a name is given twice. A mistake in the program.
    """
    statements: dict[str, str] = {}
    folder = files("leadkeep.store") / "sql" / engine
    for name in names:
        for statement, sql in _parse((folder / f"{name}.sql").read_text("utf-8")):
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
