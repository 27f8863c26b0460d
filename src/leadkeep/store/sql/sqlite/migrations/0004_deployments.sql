-- Holds that end by themselves, deployments, and addresses that leads go to instead of the
-- configured ones. Runs in one transaction. Features of SQLite 3.40 only: older shells read this
-- database.

ALTER TABLE destination_states ADD COLUMN term_span_ms INTEGER CHECK (term_span_ms > 0);
ALTER TABLE destination_states ADD COLUMN term_until_ms INTEGER;
ALTER TABLE destination_states ADD COLUMN term_boot_id TEXT;
ALTER TABLE destination_states ADD COLUMN term_until_boot_ms INTEGER
  CONSTRAINT only_a_hold_has_a_whole_term CHECK
    ((term_span_ms IS NULL) = (term_until_ms IS NULL)
     AND (term_span_ms IS NULL) = (term_boot_id IS NULL)
     AND (term_span_ms IS NULL) = (term_until_boot_ms IS NULL)
     AND (held = 1 OR term_span_ms IS NULL));

CREATE TABLE deployments (
  id              INTEGER PRIMARY KEY AUTOINCREMENT,
  destination     TEXT    NOT NULL CHECK (destination <> ''),
  actor           TEXT    NOT NULL,
  note            TEXT    NOT NULL,
  begun_at_ms     INTEGER NOT NULL,
  span_ms         INTEGER NOT NULL CHECK (span_ms > 0),
  until_ms        INTEGER NOT NULL,
  boot_id         TEXT    NOT NULL,
  until_boot_ms   INTEGER NOT NULL,
  ended_at_ms     INTEGER,
  result          TEXT,
  detail          TEXT    NOT NULL DEFAULT '',
  exit_code       INTEGER,
  switched_to     TEXT    NOT NULL DEFAULT '',
  canary_lead_id  TEXT    CHECK (length(canary_lead_id) = 36),
  waited          INTEGER CHECK (waited >= 0),
  longest_wait_ms INTEGER CHECK (longest_wait_ms >= 0),
  CONSTRAINT result_is_known CHECK
    (result IS NULL
     OR CASE result
          WHEN 'completed' THEN 1 WHEN 'command_failed' THEN 1 WHEN 'canary_failed' THEN 1
          WHEN 'switched_back' THEN 1 WHEN 'cancelled' THEN 1 WHEN 'abandoned' THEN 1
          ELSE 0 END),
  CONSTRAINT what_has_ended_has_a_result CHECK ((ended_at_ms IS NULL) = (result IS NULL))
) STRICT;

CREATE UNIQUE INDEX deployments_under_way ON deployments (destination) WHERE ended_at_ms IS NULL;

CREATE TRIGGER refuse_to_change_an_ended_deployment BEFORE UPDATE ON deployments
WHEN old.ended_at_ms IS NOT NULL
BEGIN
  SELECT raise(ABORT, 'a deployment that has ended never changes');
END;

CREATE TABLE kept_holds (
  destination TEXT    PRIMARY KEY,
  deployment  INTEGER NOT NULL REFERENCES deployments (id),
  reason      TEXT    NOT NULL CHECK (reason <> ''),
  since_ms    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE switched_urls (
  destination TEXT    PRIMARY KEY,
  url         TEXT    NOT NULL CHECK (url <> ''),
  instead_of  TEXT    NOT NULL,
  deployment  INTEGER NOT NULL REFERENCES deployments (id),
  at_ms       INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
