-- Incidents that people are told of, what waits to be told, and leads that are refused as they are.
-- Runs in one transaction. Features of SQLite 3.40 only: older shells read this database.

-- Its last try was refused for itself: it is tried again, but somebody must mend something first.
ALTER TABLE deliveries ADD COLUMN to_mend INTEGER NOT NULL DEFAULT 0 CHECK (to_mend IN (0, 1));

-- Few at the best of times; covers counting them.
CREATE INDEX deliveries_to_mend ON deliveries (destination, first_attempt_at_ms)
  WHERE to_mend = 1 AND (status = 'pending' OR status = 'processing');

CREATE TABLE incidents (
  id                 INTEGER PRIMARY KEY AUTOINCREMENT,
  kind               TEXT    NOT NULL,
  subject            TEXT    NOT NULL,
  version            INTEGER NOT NULL CHECK (version > 0),
  problem            TEXT    NOT NULL,
  fired_at_ms        INTEGER NOT NULL,
  seen_at_ms         INTEGER NOT NULL,
  told_at_ms         INTEGER,
  told               INTEGER NOT NULL DEFAULT 0 CHECK (told >= 0),
  resolved_at_ms     INTEGER,
  acknowledged_at_ms INTEGER,
  acknowledged_by    TEXT    NOT NULL DEFAULT '',
  silenced_until_ms  INTEGER
) STRICT;

-- However many look: one problem is one incident.
CREATE UNIQUE INDEX incidents_open ON incidents (kind, subject) WHERE resolved_at_ms IS NULL;
CREATE INDEX incidents_resolved ON incidents (resolved_at_ms) WHERE resolved_at_ms IS NOT NULL;

CREATE TABLE alert_notices (
  id                  INTEGER PRIMARY KEY AUTOINCREMENT,
  incident            INTEGER NOT NULL REFERENCES incidents (id) ON DELETE CASCADE,
  notice              TEXT    NOT NULL,
  queued_at_ms        INTEGER NOT NULL,
  next_try_at_ms      INTEGER NOT NULL,
  attempts            INTEGER NOT NULL DEFAULT 0 CHECK (attempts >= 0),
  lease_boot_id       TEXT,
  lease_until_boot_ms INTEGER,
  last_error          TEXT    NOT NULL DEFAULT '',
  sent_at_ms          INTEGER
) STRICT;

CREATE INDEX alert_notices_unsent ON alert_notices (next_try_at_ms) WHERE sent_at_ms IS NULL;
CREATE INDEX alert_notices_by_incident ON alert_notices (incident);
