"""SQL lives in files, and every statement in them has a purpose and a user."""

import re
from pathlib import Path

import pytest

import leadkeep.store
from leadkeep.store import statements
from leadkeep.store.postgres.statements import SQL as POSTGRES_SQL
from leadkeep.store.sqlite.connections import SQL

PACKAGE = Path(leadkeep.store.__file__).parent


SHARED = ("transactions", "engine")
STATEMENTS = {"sqlite": set(SQL), "postgres": set(POSTGRES_SQL)}
RUN = re.compile(r'session\.(?:rows|each_row|row|value|change|each|insert)\(\s*"(\w+)"')


def code_of(*folders: str) -> str:
    return "\n".join(
        path.read_text() for folder in folders for path in sorted((PACKAGE / folder).glob("*.py"))
    )


@pytest.mark.parametrize("engine", STATEMENTS)
def test_every_statement_is_used_and_every_used_statement_exists(engine: str) -> None:
    code = code_of(engine, *SHARED)
    quoted = set(re.findall(r'"(\w+)"', code))
    assert STATEMENTS[engine] - quoted == set()
    used = set(re.findall(r'SQL\["(\w+)"\]', code)) | set(RUN.findall(code))
    if engine == "postgres":  # in SQLite rows keep still by themselves
        used |= set(re.findall(r'keep_still\(\s*"(\w+)"', code))
    assert used - STATEMENTS[engine] == set()


def test_statements_that_both_engines_run_take_the_same_parameters() -> None:
    named = re.compile(r"(?<![:\w]):([a-z_]\w*)")
    for name in STATEMENTS["sqlite"] & STATEMENTS["postgres"]:
        ours, theirs = set(named.findall(SQL[name])), set(POSTGRES_SQL[name].names)
        # One that SQLite has no use for is given all the same.
        assert ours - theirs <= UNNEEDED.get(name, set()), name
        assert theirs - ours <= UNNEEDED.get(name, set()), name


def test_what_both_engines_understand_alike_stands_once() -> None:
    twice = {
        name
        for name, sql in _own("sqlite").items()
        if " ".join(sql.split()) == " ".join(_own("postgres").get(name, "").split())
    }
    assert twice == set(), "it belongs into the folder both"


def _own(engine: str) -> dict[str, str]:
    """Statements of this engine alone, without comments."""
    found = {}
    for file in sorted((PACKAGE / "sql" / engine).glob("*.sql")):
        for text in file.read_text().split("-- name: ")[1:]:
            name, *lines = text.splitlines()
            found[name] = "\n".join(line for line in lines if not line.startswith("--"))
    return found


UNNEEDED = {"due": {"bytes"}}


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


def test_a_file_that_is_nowhere_is_refused() -> None:
    with pytest.raises(ValueError, match=r"no file nowhere\.sql"):
        statements.load_statements("sqlite", ["nowhere"])


def test_no_statement_is_written_in_python() -> None:
    verbs = re.compile(r'"(SELECT|INSERT|UPDATE|DELETE|CREATE|BEGIN|COMMIT|ROLLBACK)\b')
    for path in (PACKAGE / "sqlite").glob("*.py"):
        assert not verbs.search(path.read_text()), path.name
