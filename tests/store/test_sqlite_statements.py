"""SQL lives in files, and every statement in them has a purpose and a user."""

import re
from pathlib import Path

import pytest

import leadkeep.store
from leadkeep.store import statements
from leadkeep.store.sqlite.connections import SQL

PACKAGE = Path(leadkeep.store.__file__).parent


def test_every_statement_is_used_and_every_used_statement_exists() -> None:
    code = "\n".join(path.read_text() for path in (PACKAGE / "sqlite").glob("*.py"))
    quoted = set(re.findall(r'"(\w+)"', code))
    assert set(SQL) - quoted == set()
    used = set(re.findall(r'SQL\["(\w+)"\]', code))
    used |= set(re.findall(r'first_(?:row|value)\(\s*\w+,\s*"(\w+)"', code))
    assert used - set(SQL) == set()


@pytest.mark.parametrize(
    "text",
    [
        "SELECT 1;",
        "-- name: nameless purpose\nSELECT 1;",
        "-- name: one\nSELECT 1;",
        "-- name: one\n-- Why.\nSELECT 1;\n-- name: two\nSELECT 2;",
    ],
)
def test_a_statement_without_name_or_purpose_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="purpose"):
        list(statements._parse(text))


def test_a_name_given_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="two statements"):
        statements.load_statements("sqlite", ["keep", "keep"])


def test_no_statement_is_written_in_python() -> None:
    verbs = re.compile(r'"(SELECT|INSERT|UPDATE|DELETE|CREATE|BEGIN|COMMIT|ROLLBACK)\b')
    for path in (PACKAGE / "sqlite").glob("*.py"):
        assert not verbs.search(path.read_text()), path.name
