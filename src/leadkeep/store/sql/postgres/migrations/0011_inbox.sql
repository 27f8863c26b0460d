-- A journal in the database: whole groups of records, as a journal's files have them, until they are
-- absorbed. Runs in one transaction.
-- Usable by programs since migration 9.

-- What one door has begun to write; it ends when its door, or somebody for it, says so.
CREATE TABLE inbox_segments (
  segment       uuid        PRIMARY KEY,
  slot          smallint    NOT NULL,
  door          text        NOT NULL,
  opened_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
  sealed_at     timestamptz,
  -- A group from here on may have been committed though its door could not know, and said so.
  doubtful_from bigint,
  -- It cannot leave: it holds what the store does not.
  kept_because  text        NOT NULL DEFAULT ''
) WITH (fillfactor = 50);

-- Parts that are emptied at once, one after another; what must stay is moved into a part of its own.
CREATE TABLE inbox (
  slot     smallint NOT NULL,
  segment  uuid     NOT NULL,
  begins   bigint   NOT NULL,
  ends     bigint   NOT NULL,
  bytes    bytea    NOT NULL,
  PRIMARY KEY (slot, segment, begins)
) PARTITION BY LIST (slot);

CREATE TABLE inbox_0 PARTITION OF inbox FOR VALUES IN (0);
CREATE TABLE inbox_1 PARTITION OF inbox FOR VALUES IN (1);
CREATE TABLE inbox_2 PARTITION OF inbox FOR VALUES IN (2);
CREATE TABLE inbox_3 PARTITION OF inbox FOR VALUES IN (3);
CREATE TABLE inbox_kept PARTITION OF inbox FOR VALUES IN (-1);

-- Requests are compressed by whoever wants to, and read whole.
ALTER TABLE inbox ALTER COLUMN bytes SET STORAGE EXTERNAL;

-- Which part is written to now, and which node absorbs.
CREATE TABLE inbox_turn (
  one           boolean     PRIMARY KEY DEFAULT true CHECK (one),
  slot          smallint    NOT NULL DEFAULT 0,
  since         timestamptz NOT NULL DEFAULT clock_timestamp(),
  absorber      text        NOT NULL DEFAULT '',
  absorbs_until timestamptz NOT NULL DEFAULT '-infinity'
) WITH (fillfactor = 10);
INSERT INTO inbox_turn DEFAULT VALUES;

-- What segments held that have left the inbox; see the ledger.
CREATE TABLE inbox_tallies (
  segment    uuid        PRIMARY KEY,
  tally      jsonb       NOT NULL,
  counted_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- Empty a part whose segments are all ended, absorbed and counted; false: there is one that is not.
-- Whoever is about to write into it waits, and is seen, or finds it empty.
CREATE FUNCTION empty_inbox(part smallint) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
  PERFORM set_config('lock_timeout', '500ms', true);
  EXECUTE format('LOCK TABLE inbox_%s IN ACCESS EXCLUSIVE MODE', part);
  IF EXISTS (
    SELECT FROM inbox_segments AS s
    LEFT JOIN segments AS p ON p.segment = s.segment
    LEFT JOIN inbox_tallies AS t ON t.segment = s.segment
    WHERE s.slot = part
      AND (s.sealed_at IS NULL OR NOT coalesce(p.finished, false) OR t.segment IS NULL)
  ) THEN
    RETURN false;
  END IF;
  EXECUTE format('TRUNCATE inbox_%s', part);
  DELETE FROM inbox_segments WHERE slot = part;
  RETURN true;
END
$$;

-- Where the lead numbers of a door begin that knows of none: each gets a hundred million.
CREATE SEQUENCE lead_number_ranges;
