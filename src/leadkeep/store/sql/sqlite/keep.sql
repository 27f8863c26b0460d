-- name: unsettled
-- Deliveries of a segment's leads that are neither completed nor cancelled.
WITH unfinished (status) AS (VALUES ('pending'), ('processing'), ('failed'), ('held'))
SELECT count(*)
FROM segments AS s
CROSS JOIN unfinished AS u
CROSS JOIN deliveries AS d
  ON d.status = u.status AND d.lead >= s.first_lead AND d.lead <= s.last_lead
CROSS JOIN leads AS l ON l.id = d.lead AND l.segment = s.id
WHERE s.segment = :segment;

-- name: forget_segment
-- A segment has left the archive; its counts stay.
UPDATE segments SET forgotten_at_ms = :now_ms
WHERE segment = :segment AND forgotten_at_ms IS NULL;

-- name: begin
-- Begin writing: waits for other writers here, so that a later statement never has to.
BEGIN IMMEDIATE;

-- name: begin_reading
-- Begin reading: everything until the end is of one moment.
BEGIN;

-- name: commit
-- Make it durable.
COMMIT;

-- name: rollback
-- As if nothing had happened.
ROLLBACK;

-- name: tables
-- How many tables there are, and whether migrations are noted in one of them. One statement: two
-- could straddle another process's first migration.
SELECT count(*), count(*) FILTER (WHERE name = 'schema_migrations')
FROM sqlite_schema WHERE type = 'table';

-- name: create_migrations_table
-- Where it is noted which migrations have run.
CREATE TABLE IF NOT EXISTS schema_migrations (
  number        INTEGER PRIMARY KEY,
  name          TEXT    NOT NULL,
  checksum      TEXT    NOT NULL,
  applied_at_ms INTEGER NOT NULL
) STRICT;

-- name: applied_migrations
-- Which migrations have run.
SELECT number, name, checksum FROM schema_migrations ORDER BY number;

-- name: note_migration
-- A migration has run, in this transaction.
INSERT INTO schema_migrations (number, name, checksum, applied_at_ms)
VALUES (:number, :name, :checksum, :now_ms);
