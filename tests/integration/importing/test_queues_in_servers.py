"""Queues in a real PostgreSQL and a real MariaDB, through their own types and refusals."""

import asyncio
import itertools
import json
from typing import Any

import asyncpg
import pytest

from tests.fakes.mariadb import Mariadb
from tests.fakes.postgres import Cluster
from tests.integration.recovery.scene import Scene

_names = itertools.count(1)
TEXT = '{"a":  "ä€😀", "z": 1 }'


def in_postgres(server: Cluster, *statements: str) -> str:
    """A new database with these statements done in it; its name."""
    name = f"old_{next(_names)}"

    async def done() -> None:
        admin = await asyncpg.connect(server.url())
        await admin.execute(f"CREATE DATABASE {name}")
        await admin.close()
        connection = await asyncpg.connect(server.url(name))
        for statement in statements:
            await connection.execute(statement)
        await connection.close()

    asyncio.run(done())
    return name


def in_mariadb(server: Mariadb, *statements: str) -> str:
    """A new database with these statements done in it; its name."""
    name = f"old_{next(_names)}"
    connection = server.connect()
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE DATABASE {name} CHARACTER SET utf8mb4")
        cursor.execute(f"USE {name}")
        for statement in statements:
            cursor.execute(statement)
    connection.close()
    return name


def take_over(scene: Scene, url: str, *more: object) -> str:
    return scene.here.ok("import-queue", "--from", url, "--yes", *more)


def refused(scene: Scene, url: str, *more: object) -> str:
    """What a person reads who is refused."""
    result = scene.here.run("import-queue", "--from", url, "--dry-run", *more)
    assert result.exit_code == 1, result.output
    return str(result.stderr)


def stored(scene: Scene) -> list[tuple[Any, ...]]:
    return scene.rows(
        "SELECT body, status, attempts, created_at, processed_at, error_message FROM lead_queue "
        "JOIN leads USING (lead_id) ORDER BY lead_queue.created_at"
    )


POSTGRES = """
CREATE TABLE lead_queue (
  id {key}, payload {payload}, source text, status {status}, attempts int DEFAULT 0,
  error_message text, processed_at {time}, created_at {time}, lead_name text, phone text)
"""
ROWS = """
INSERT INTO lead_queue (payload, source, status, attempts, error_message, processed_at, created_at)
VALUES
  ('{text}', 'vendor', 'pending', 3, 'HTTP 503', NULL, '2026-11-01 10:00:00'),
  ('[1]', 'vendor', 'completed', 1, NULL, '2026-11-02 10:00:07', '2026-11-02 10:00:00'),
  ('[2]', 'vendor', 'failed', 9, 'HTTP 500', NULL, '2026-11-03 10:00:00')
"""


def expected(first: bytes) -> list[tuple[Any, ...]]:
    return [
        (first, "pending", 3, "2026-11-01T10:00:00.000Z", None, "HTTP 503"),
        (b"[1]", "completed", 1, "2026-11-02T10:00:00.000Z", "2026-11-02T10:00:07.000Z", ""),
        (b"[2]", "failed", 9, "2026-11-03T10:00:00.000Z", None, "HTTP 500"),
    ]


@pytest.mark.parametrize(
    ("types", "first"),
    [
        (
            {
                "key": "bigserial PRIMARY KEY",
                "payload": "text",
                "status": "text",
                "time": "timestamp",
            },
            TEXT,
        ),
        (
            {
                "key": "serial PRIMARY KEY",
                "payload": "json",
                "status": "varchar(20)",
                "time": "timestamptz",
            },
            TEXT,
        ),
        (
            {
                "key": "uuid PRIMARY KEY DEFAULT gen_random_uuid()",
                "payload": "jsonb",
                "status": "stage",
                "time": "timestamptz",
            },
            '{"a": "ä€😀", "z": 1}',
        ),
    ],
    ids=["text", "json", "jsonb"],
)
def test_the_types_that_postgresql_has_for_it(
    scene: Scene, postgres: Cluster, types: dict[str, str], first: str
) -> None:
    name = in_postgres(
        postgres,
        "CREATE TYPE stage AS ENUM ('pending', 'processing', 'completed', 'failed')",
        POSTGRES.format(**types),
        "SET timezone = 'UTC';" + ROWS.format(text=TEXT),
    )

    assert "took over 3 leads of 3" in take_over(scene, postgres.url(name))

    assert stored(scene) == expected(first.encode())
    again = take_over(scene, postgres.url(name, user="leadkeep"))
    assert "there is nothing to take over" in again


def test_a_bytea_payload_and_a_table_in_another_schema(scene: Scene, postgres: Cluster) -> None:
    name = in_postgres(
        postgres,
        "CREATE SCHEMA app",
        "CREATE TABLE app.lead_queue (id text PRIMARY KEY, payload bytea, source text, "
        "status text, created_at bigint)",
        r"INSERT INTO app.lead_queue VALUES ('k-1', '\x00ff', 'vendor', 'pending', 1782900000123)",
    )

    take_over(scene, postgres.url(name), "--table", "app.lead_queue")

    assert stored(scene) == [
        (b"\x00\xff", "pending", 0, "2026-07-01T10:00:00.123Z", None, ""),
    ]


def test_large_payloads_are_read_a_few_at_a_time(scene: Scene, postgres: Cluster) -> None:
    name = in_postgres(
        postgres,
        POSTGRES.format(key="serial PRIMARY KEY", payload="text", status="text", time="timestamp"),
        "INSERT INTO lead_queue (payload, source, status, created_at) "
        "SELECT repeat(chr(97 + n), 1500000), 'vendor', 'pending', '2026-11-01' "
        "FROM generate_series(0, 7) AS n",
    )

    take_over(scene, postgres.url(name))

    assert scene.rows("SELECT length(body), substr(body, 1, 1) FROM leads ORDER BY id") == [
        (1_500_000, chr(97 + n).encode()) for n in range(8)
    ]


def test_what_postgresql_refuses_is_said_with_what_to_do(scene: Scene, postgres: Cluster) -> None:
    name = in_postgres(
        postgres,
        "CREATE TABLE other (id int, payload text)",
        POSTGRES.format(key="int", payload="text", status="text", time="timestamp"),
        "INSERT INTO lead_queue (id, payload, created_at) VALUES (1, 'a', now()), (1, 'b', now())",
        f"CREATE ROLE {'reader_' + str(next(_names))} LOGIN",
        "DO $$ BEGIN CREATE ROLE nobody_here LOGIN; EXCEPTION WHEN OTHERS THEN NULL; END $$",
    )
    url = postgres.url(name)

    missing = refused(scene, url, "--table", "queue")
    assert "there is no table 'queue' in postgresql://" in missing
    assert "--table" in missing
    column = refused(scene, url, "--table", "other")
    assert "has no column 'source', 'status', 'created_at'; it has id, payload" in column
    assert "--column source=ITS_NAME" in column
    allowed = refused(scene, postgres.url(name, user="nobody_here"))
    assert "this user may not read" in allowed
    assert "GRANT SELECT" in allowed
    twice = refused(scene, url)
    assert "of the 2 rows" in twice
    assert "only 1 have an id of their own" in twice
    nowhere = url.replace(f"/{name}?", "/nowhere?").replace("leadkeep@", "leadkeep:s3cr3t@")
    gone = refused(scene, nowhere)
    assert "cannot be reached" in gone
    assert "s3cr3t" not in gone


def test_nothing_can_be_written_through_the_connection_that_reads_postgresql(
    scene: Scene, postgres: Cluster
) -> None:
    name = in_postgres(
        postgres,
        POSTGRES.format(key="serial", payload="text", status="text", time="timestamp"),
        "CREATE TABLE seen (n int)",
        "CREATE FUNCTION noted(x text) RETURNS text LANGUAGE sql VOLATILE "
        "AS 'INSERT INTO seen VALUES (1); SELECT x'",
        "CREATE VIEW nosy AS SELECT id, noted(payload) AS payload, source, status, created_at "
        "FROM lead_queue",
        "INSERT INTO lead_queue (payload, source, status, created_at) "
        "VALUES ('a', 'vendor', 'pending', '2026-11-01')",
    )

    told = refused(scene, postgres.url(name), "--table", "nosy")

    assert "cannot execute INSERT in a read-only transaction" in told


MARIADB = """
CREATE TABLE lead_queue (
  id {key}, payload {payload}, source varchar(50), status {status}, attempts int DEFAULT 0,
  error_message text, processed_at {time} NULL, created_at {time} NULL)
"""


@pytest.mark.parametrize(
    ("payload", "status", "time"),
    [
        ("longtext", "varchar(20)", "datetime"),
        ("json", "enum('pending', 'processing', 'completed', 'failed')", "timestamp"),
        ("longblob", "varchar(20)", "datetime(6)"),
        ("text", "char(20)", "varchar(30)"),
    ],
)
def test_the_types_that_mariadb_has_for_it(
    scene: Scene, mariadb: Mariadb, payload: str, status: str, time: str
) -> None:
    key = "bigint unsigned AUTO_INCREMENT PRIMARY KEY"
    name = in_mariadb(
        mariadb,
        "SET time_zone = '+00:00'",
        MARIADB.format(key=key, payload=payload, status=status, time=time),
        ROWS.format(text=TEXT),
    )

    told = take_over(scene, mariadb.url(name))

    assert "took over 3 leads of 3" in told
    assert stored(scene) == expected(TEXT.encode())
    assert "there is nothing to take over" in take_over(scene, mariadb.url(name))


def test_a_timestamp_of_mariadb_is_a_moment_and_a_datetime_is_as_written(
    scene: Scene, mariadb: Mariadb
) -> None:
    key = "int AUTO_INCREMENT PRIMARY KEY"
    insert = "INSERT INTO {} (payload, source, status, created_at) VALUES ('{}', 'vendor', 'new', "
    name = in_mariadb(
        mariadb,
        "SET time_zone = '+00:00'",
        MARIADB.format(key=key, payload="text", status="text", time="timestamp"),
        "CREATE TABLE written LIKE lead_queue",
        "ALTER TABLE written MODIFY created_at datetime NULL",
        insert.format("lead_queue", "moment") + "'2026-07-01 10:00:00')",
        insert.format("written", "written") + "'2026-07-01 10:00:00')",
    )

    for table in ("lead_queue", "written"):
        more = ("--table", table, "--timezone", "Europe/Berlin", "--status-map", "new=pending")
        take_over(scene, mariadb.url(name), *more)

    assert scene.rows("SELECT payload, created_at FROM lead_queue ORDER BY id") == [
        ("moment", "2026-07-01T10:00:00.000Z"),
        ("written", "2026-07-01T08:00:00.000Z"),
    ]


def test_more_rows_than_a_page_out_of_mariadb_whatever_their_ids(
    scene: Scene, mariadb: Mariadb
) -> None:
    name = in_mariadb(
        mariadb,
        MARIADB.format(
            key="varchar(36) PRIMARY KEY", payload="text", status="text", time="datetime"
        ),
        "INSERT INTO lead_queue (id, payload, source, status, created_at) "
        "SELECT uuid(), concat('n=', seq), 'vendor', 'pending', '2026-11-01' FROM seq_1_to_1203",
    )

    assert "took over 1,203 leads of 1,203" in take_over(scene, mariadb.url(name))
    assert scene.rows("SELECT count(DISTINCT body) FROM leads") == [(1_203,)]


def test_what_mariadb_refuses_is_said_with_what_to_do(scene: Scene, mariadb: Mariadb) -> None:
    name = in_mariadb(
        mariadb,
        "CREATE TABLE other (id int, payload text)",
        MARIADB.format(key="int PRIMARY KEY", payload="text", status="text", time="datetime"),
        "CREATE OR REPLACE USER reader IDENTIFIED BY 's3cr3t'",
    )
    with mariadb.connect(name) as connection, connection.cursor() as cursor:
        cursor.execute(f"GRANT SELECT ON {name}.other TO reader")
    reader = mariadb.url(name, user="reader", password="s3cr3t")

    assert "there is no table" in refused(scene, mariadb.url(name), "--table", "queue")
    assert "has no column 'source'" in refused(scene, reader, "--table", "other")
    told = refused(scene, reader)
    assert "this user may not read" in told
    assert "GRANT SELECT" in told
    told += refused(scene, reader.replace("s3cr3t", "s3cr3t-wrong"))
    assert "cannot be reached: Access denied" in told
    assert "can be seen in lists of processes" in told
    assert "s3cr3t" not in told


def test_nothing_can_be_written_through_the_connection_that_reads_mariadb(
    scene: Scene, mariadb: Mariadb
) -> None:
    name = in_mariadb(
        mariadb,
        MARIADB.format(key="int PRIMARY KEY", payload="text", status="text", time="datetime"),
        "CREATE TABLE seen (n int)",
        "CREATE FUNCTION noted(x text) RETURNS text MODIFIES SQL DATA "
        "BEGIN INSERT INTO seen VALUES (1); RETURN x; END",
        "CREATE VIEW nosy AS SELECT id, noted(payload) AS payload, source, status, created_at "
        "FROM lead_queue",
        "INSERT INTO lead_queue (id, payload, source, status, created_at) "
        "VALUES (1, 'a', 'vendor', 'pending', '2026-11-01')",
    )

    told = refused(scene, mariadb.url(name), "--table", "nosy")

    assert "READ ONLY" in told
    with mariadb.connect(name) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM seen")
        assert cursor.fetchall() == ((0,),)


def test_the_url_may_stand_in_the_environment(
    scene: Scene, mariadb: Mariadb, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = in_mariadb(
        mariadb,
        MARIADB.format(key="int PRIMARY KEY", payload="text", status="text", time="datetime"),
        "CREATE OR REPLACE USER other IDENTIFIED BY 'hush'",
        "GRANT SELECT ON *.* TO other",
    )
    monkeypatch.setenv("OLD_QUEUE", mariadb.url(name, user="other", password="hush"))

    result = scene.here.run("import-queue", "--from", "env:OLD_QUEUE", "--dry-run", "--json")

    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    assert told["survey"]["queue"] == f"mysql://localhost:3306/{name}/{name}.lead_queue"
    assert "hush" not in result.output
    assert "lists of processes" not in result.output
