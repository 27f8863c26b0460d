-- name: holds_of_destination
-- What holds a destination, each with its term: a person, a deployment that failed, and one that
-- is under way.
SELECT 'person', NULL::bigint, term_span_ms, term_until_ms, term_boot_id, term_until_boot_ms
FROM destination_states WHERE name = :destination AND held
UNION ALL
SELECT 'failed', deployment, NULL, NULL, NULL, NULL
FROM kept_holds WHERE destination = :destination
UNION ALL
SELECT 'under_way', id, span_ms, until_ms, boot_id, until_boot_ms
FROM deployments WHERE destination = :destination AND ended_at_ms IS NULL;

-- name: end_hold
-- A person's hold ends because its time is over.
UPDATE destination_states
SET held = false, hold_reason = '', since_ms = :now_ms, term_span_ms = NULL, term_until_ms = NULL,
    term_boot_id = NULL, term_until_boot_ms = NULL
WHERE name = :destination AND held;

-- name: carry_hold
-- The term of a person's hold, as read on another clock.
UPDATE destination_states
SET term_until_ms = :until_ms, term_boot_id = :boot_id, term_until_boot_ms = :until_boot_ms
WHERE name = :destination AND held;

-- name: deployments
-- Deployments, newest first: one, those of a destination, or (NULL) all.
SELECT id, destination, actor, note, begun_at_ms, span_ms, until_ms, boot_id, until_boot_ms,
       ended_at_ms, result, detail, exit_code, switched_to, canary_lead_id, waited,
       longest_wait_ms
FROM deployments
WHERE (:deployment::bigint IS NULL OR id = :deployment::bigint)
  AND (:destination::text IS NULL OR destination = :destination::text)
  AND (NOT :under_way::boolean OR ended_at_ms IS NULL)
ORDER BY id DESC LIMIT :limit;

-- name: under_way
-- Deliveries of a destination that are leased, from the maintained counters.
SELECT n FROM delivery_counters WHERE destination = :destination AND status = 'processing';

-- name: backlog
-- How many leads of a destination are due and wait for it (and for no other lead), and since when
-- the first of them.
SELECT count(*), min(next_attempt_at_ms) FROM deliveries
WHERE status = 'pending' AND destination = :destination AND next_attempt_at_ms <= :now_ms
  AND behind IS DISTINCT FROM 1;
