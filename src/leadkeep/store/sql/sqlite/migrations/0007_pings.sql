-- Pings: who asked for a bid, and what came of it. They are no leads and have no deliveries.
-- Runs in one transaction. Features of SQLite 3.40 only: older shells read this database.

ALTER TABLE segments ADD COLUMN pings INTEGER NOT NULL DEFAULT 0 CHECK (pings >= 0);

-- Written by the absorber. Ids begin with their time, so that age is a range of ids.
CREATE TABLE pings (
  id             INTEGER PRIMARY KEY AUTOINCREMENT,
  ping_id        TEXT    NOT NULL UNIQUE CHECK (length(ping_id) = 36),
  source         TEXT    NOT NULL,
  received_at_ms INTEGER NOT NULL,
  peer           TEXT    NOT NULL,
  method         TEXT    NOT NULL,
  path           TEXT    NOT NULL,
  no_bid_status  INTEGER NOT NULL
) STRICT;

-- Written by the worker that was asked, before or after the ping itself is absorbed.
CREATE TABLE ping_outcomes (
  id              INTEGER PRIMARY KEY,
  ping_id         TEXT    NOT NULL UNIQUE CHECK (length(ping_id) = 36),
  destination     TEXT    NOT NULL,
  started_at_ms   INTEGER NOT NULL,
  duration_ms     INTEGER NOT NULL,
  result          TEXT    NOT NULL,
  message         TEXT    NOT NULL,
  response_status INTEGER,
  response_body   BLOB    NOT NULL,
  CONSTRAINT an_answer_has_a_status CHECK (result <> 'answered' OR response_status IS NOT NULL)
) STRICT;
