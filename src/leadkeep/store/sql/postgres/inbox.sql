-- name: inbox_open
-- Begin a segment with its first block, in the part that is written to now.
WITH durably AS (
  SELECT set_config('synchronous_commit', CASE
    WHEN current_setting('synchronous_commit') IN ('off', 'local') THEN 'on'
    ELSE current_setting('synchronous_commit') END, true)
),
opened AS (
  INSERT INTO inbox_segments (segment, slot, door)
  SELECT :segment::uuid, t.slot, :door::text FROM inbox_turn AS t, durably
  RETURNING slot
)
INSERT INTO inbox (slot, segment, begins, ends, bytes)
SELECT slot, :segment::uuid, 0, :ends::bigint, :bytes::bytea FROM opened
RETURNING slot;

-- name: inbox_take
-- Take a group, durably, into a segment that nobody has ended; nothing comes back if somebody has.
INSERT INTO inbox (slot, segment, begins, ends, bytes)
SELECT s.slot, s.segment, :begins::bigint, :ends::bigint, :bytes::bytea
FROM inbox_segments AS s, set_config('synchronous_commit', CASE
    WHEN current_setting('synchronous_commit') IN ('off', 'local') THEN 'on'
    ELSE current_setting('synchronous_commit') END, true)
WHERE s.segment = :segment::uuid AND s.sealed_at IS NULL
FOR SHARE OF s
RETURNING begins;

-- name: inbox_seal
-- A door has left its segment, and knows of everything in it.
UPDATE inbox_segments SET sealed_at = clock_timestamp()
WHERE segment = :segment::uuid AND sealed_at IS NULL;

-- name: inbox_doubt
-- A door has given up a group without knowing whether it was committed.
UPDATE inbox_segments
SET sealed_at = coalesce(sealed_at, clock_timestamp()), doubtful_from = :begins::bigint
WHERE segment = :segment::uuid AND doubtful_from IS NULL;

-- name: inbox_seal_idle
-- End what has been open for long; a door that still lives then begins another.
UPDATE inbox_segments SET sealed_at = clock_timestamp()
WHERE sealed_at IS NULL AND opened_at < clock_timestamp() - :seconds::float8 * interval '1 second'
RETURNING segment;

-- name: inbox_segments
-- Every segment, oldest first, and where it ends.
SELECT s.segment, s.slot, (extract(epoch FROM s.opened_at) * 1000000)::bigint,
       s.sealed_at IS NOT NULL, s.doubtful_from, s.kept_because,
       (SELECT i.ends FROM inbox AS i WHERE i.slot = s.slot AND i.segment = s.segment
        ORDER BY i.begins DESC LIMIT 1)
FROM inbox_segments AS s
ORDER BY s.opened_at, s.segment;

-- name: inbox_segment
-- One segment as it is now.
SELECT s.sealed_at IS NOT NULL,
       (SELECT i.ends FROM inbox AS i WHERE i.slot = s.slot AND i.segment = s.segment
        ORDER BY i.begins DESC LIMIT 1)
FROM inbox_segments AS s WHERE s.segment = :segment::uuid;

-- name: inbox_place
-- In which part a segment is; nothing: it has left.
SELECT slot FROM inbox_segments WHERE segment = :segment::uuid;

-- name: inbox_bytes
-- What begins in a range of a segment.
SELECT begins, bytes FROM inbox
WHERE slot = :slot::smallint AND segment = :segment::uuid AND begins >= :begins::bigint
  AND begins < :before::bigint
ORDER BY begins;

-- name: inbox_next
-- Where the next row of a segment begins.
SELECT min(begins) FROM inbox
WHERE slot = :slot::smallint AND segment = :segment::uuid AND begins >= :begins::bigint;

-- name: inbox_take_turn
-- Absorb, if nobody else has said so in the last seconds.
UPDATE inbox_turn
SET absorber = :absorber::text,
    absorbs_until = clock_timestamp() + :seconds::float8 * interval '1 second'
WHERE absorber = :absorber::text OR absorbs_until < clock_timestamp()
RETURNING slot;

-- name: inbox_size
-- How large the part is that is written to, and for how many seconds it has been.
SELECT t.slot, pg_total_relation_size(format('inbox_%s', t.slot)::regclass),
       extract(epoch FROM clock_timestamp() - t.since)::float8
FROM inbox_turn AS t;

-- name: inbox_turn_to
-- Write to another part from now on, if it is empty.
UPDATE inbox_turn SET slot = :slot::smallint, since = clock_timestamp()
WHERE slot <> :slot::smallint
  AND NOT EXISTS (SELECT FROM inbox_segments WHERE slot = :slot::smallint)
RETURNING slot;

-- name: inbox_finished
-- Segments of a part, with whether each is ended, absorbed to its end and counted.
SELECT s.segment, s.sealed_at IS NOT NULL, coalesce(p.finished, false), t.segment IS NOT NULL
FROM inbox_segments AS s
LEFT JOIN segments AS p ON p.segment = s.segment
LEFT JOIN inbox_tallies AS t ON t.segment = s.segment
WHERE s.slot = :slot::smallint;

-- name: inbox_set_aside
-- Move a segment that must stay into a part of its own.
WITH named AS (
  UPDATE inbox_segments SET slot = -1, kept_because = :because::text
  WHERE segment = :segment::uuid RETURNING segment
)
UPDATE inbox AS i SET slot = -1 FROM named AS n
WHERE i.segment = n.segment AND i.slot = :slot::smallint;

-- name: inbox_empty
-- Empty a part of which nothing is needed any more; false: something is.
SELECT empty_inbox(:slot::smallint);

-- name: inbox_tally
-- Note what a segment held, before it goes.
INSERT INTO inbox_tallies (segment, tally) VALUES (:segment::uuid, :tally::text::jsonb)
ON CONFLICT (segment) DO NOTHING;

-- name: inbox_tallies
-- What segments held that have left.
SELECT tally::text FROM inbox_tallies;

-- name: inbox_numbers
-- A range of lead numbers that nobody has had.
SELECT nextval('lead_number_ranges');

-- name: what_a_commit_is_worth
-- What decides whether a committed lead can be lost.
SELECT current_setting('fsync') = 'on',
       current_setting('full_page_writes') = 'on',
       current_setting('synchronous_commit'),
       current_setting('synchronous_standby_names') <> '',
       -- Who may not see how a standby follows sees NULL.
       (SELECT count(*) FROM pg_stat_replication
        WHERE coalesce(sync_state, 'sync') IN ('sync', 'quorum')),
       (SELECT count(*) FROM pg_stat_replication
        WHERE sync_state NOT IN ('sync', 'quorum')),
       pg_is_in_recovery(),
       current_setting('transaction_read_only') = 'on';
