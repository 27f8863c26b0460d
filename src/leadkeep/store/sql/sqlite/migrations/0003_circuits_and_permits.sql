-- The circuit of each destination, what opened and closed, and how many attempts its rates have left.
-- Runs in one transaction. Features of SQLite 3.40 only: older shells read this database.

CREATE TABLE circuits (
  destination  TEXT    PRIMARY KEY,
  state        TEXT    NOT NULL,
  version      INTEGER NOT NULL CHECK (version > 0),
  since_ms     INTEGER NOT NULL,
  opened_at_ms INTEGER,
  boot_id      TEXT    NOT NULL,
  due_boot_ms  INTEGER NOT NULL,
  openings     INTEGER NOT NULL CHECK (openings >= 0),
  ramp_limit   INTEGER NOT NULL CHECK (ramp_limit >= 0),
  reason       TEXT    NOT NULL,
  owner        TEXT    NOT NULL,
  CONSTRAINT state_is_known CHECK
    (CASE state WHEN 'closed' THEN 1 WHEN 'open' THEN 1 WHEN 'half_open' THEN 1
                WHEN 'ramping' THEN 1 ELSE 0 END),
  CONSTRAINT only_closed_has_no_outage CHECK ((state = 'closed') = (opened_at_ms IS NULL)),
  CONSTRAINT closed_forgets_openings CHECK (state <> 'closed' OR openings = 0),
  CONSTRAINT only_ramping_has_a_limit CHECK ((state = 'ramping') = (ramp_limit > 0))
) STRICT, WITHOUT ROWID;

CREATE TRIGGER refuse_a_reused_circuit_version BEFORE UPDATE ON circuits
WHEN new.version <> old.version + 1
BEGIN
  SELECT raise(ABORT, 'each move of a circuit has the next version');
END;

CREATE TABLE circuit_events (
  id          INTEGER PRIMARY KEY,
  at_ms       INTEGER NOT NULL,
  destination TEXT    NOT NULL,
  event       TEXT    NOT NULL CHECK (event IN ('opened', 'reopened', 'closed')),
  reason      TEXT    NOT NULL,
  openings    INTEGER NOT NULL,
  outage_ms   INTEGER,
  owner       TEXT    NOT NULL
) STRICT;

CREATE INDEX circuit_events_by_destination ON circuit_events (destination, id);

-- Attempts begun, counted in slots of the boot clock; slots that no rate asks for any more go.
CREATE TABLE permits (
  destination TEXT    NOT NULL,
  per_ms      INTEGER NOT NULL CHECK (per_ms > 0),
  slot        INTEGER NOT NULL,
  boot_id     TEXT    NOT NULL,
  used        INTEGER NOT NULL CHECK (used > 0),
  PRIMARY KEY (destination, per_ms, slot)
) STRICT, WITHOUT ROWID;
