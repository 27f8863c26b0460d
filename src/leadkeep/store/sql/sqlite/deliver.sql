-- name: due
-- Due deliveries of a destination, oldest due first, with the whole request; what is due only
-- because the clock has jumped comes last.
WITH ripe (id, place, due_at_ms) AS (
  SELECT * FROM (
    SELECT id, 0, next_attempt_at_ms FROM deliveries
    WHERE status = 'pending' AND destination = :destination AND next_attempt_at_ms <= :now_ms
      AND behind IS NOT 1
    ORDER BY next_attempt_at_ms LIMIT :limit)
  UNION ALL
  SELECT * FROM (
    SELECT id, 1, next_attempt_at_ms FROM deliveries
    WHERE status = 'pending' AND destination = :destination
      AND next_attempt_at_ms > :now_ms + :longest_wait_ms AND behind IS NOT 1
    ORDER BY next_attempt_at_ms LIMIT :limit)
)
SELECT d.id, d.fence + 1, d.attempts + 1, d.first_attempt_at_ms,
       l.lead_id, l.lead_number, l.source, l.received_at_ms, l.method, l.target, l.headers,
       iif(d.part = 0, l.body, x''), d.part
FROM ripe
CROSS JOIN deliveries AS d ON d.id = ripe.id
CROSS JOIN leads AS l ON l.id = d.lead
LIMIT :limit;

-- name: lease
-- Lease a due delivery under a new fence.
UPDATE deliveries
SET status = 'processing', fence = :fence, attempts = :attempt, lease_boot_id = :boot_id,
    lease_until_boot_ms = :lease_until_boot_ms, lease_owner = :worker, updated_at_ms = :now_ms
WHERE id = :delivery AND status = 'pending' AND behind IS NOT 1;

-- name: standing
-- Where a delivery stands, and how its try under this fence was recorded (NULL: it was not).
SELECT d.id, d.status, d.fence, d.lease_owner, a.stale, a.recorded_at_ms
FROM deliveries AS d LEFT JOIN attempts AS a ON a.delivery = d.id AND a.fence = :fence
WHERE d.id = :delivery AND (SELECT lead_id FROM leads WHERE id = d.lead) = :lead_id;

-- name: insert_attempt
-- One try, also a stale worker's.
INSERT INTO attempts
  (delivery, fence, attempt, worker, stale, outcome, started_at_ms, duration_ms, recorded_at_ms,
   error_class, error_message, response_status, response_headers, response_body)
VALUES
  (:delivery, :fence, :attempt, :worker, :stale, :outcome, :started_at_ms, :duration_ms, :now_ms,
   :error_class, :error_message, :response_status, :response_headers, :response_body);

-- name: move_recorded
-- Move a delivery by an attempt's outcome: only under the latest fence, and only while it is
-- processing, or to completed if nobody has claimed it since.
UPDATE deliveries
SET status = :status,
    next_attempt_at_ms = :next_attempt_at_ms,
    first_attempt_at_ms = ifnull(first_attempt_at_ms, :started_at_ms),
    processed_at_ms = :processed_at_ms,
    error_message = :error_message,
    hold_reason = '',
    to_mend = :to_mend,
    lease_boot_id = NULL, lease_until_boot_ms = NULL, lease_owner = NULL,
    updated_at_ms = :now_ms
WHERE id = :delivery AND fence = :fence
  AND (status = 'processing'
       OR (:status = 'completed'
           AND (status = 'pending' OR status = 'failed' OR status = 'held')));

-- name: release
-- Return a lease without having tried: as if it had not been claimed.
UPDATE deliveries
SET status = 'pending', attempts = attempts - 1,
    lease_boot_id = NULL, lease_until_boot_ms = NULL, lease_owner = NULL, updated_at_ms = :now_ms
WHERE id = :delivery AND fence = :fence AND status = 'processing'
RETURNING id;

-- name: renew
-- Prolong a lease that is still ours.
UPDATE deliveries SET lease_until_boot_ms = :lease_until_boot_ms, lease_boot_id = :boot_id
WHERE id = :delivery AND fence = :fence AND status = 'processing'
RETURNING id;

-- name: rescue
-- Return leases that ran out, or that another boot gave, to pending; due as they were.
UPDATE deliveries
SET status = 'pending',
    lease_boot_id = NULL, lease_until_boot_ms = NULL, lease_owner = NULL, updated_at_ms = :now_ms
WHERE id IN (
  SELECT id FROM deliveries
  WHERE status = 'processing'
    AND (lease_boot_id <> :boot_id OR lease_until_boot_ms <= :boottime_ms)
  LIMIT :limit);

-- name: next_due
-- When the next pending delivery of a destination is due.
SELECT min(next_attempt_at_ms) FROM deliveries
WHERE status = 'pending' AND destination = :destination AND behind IS NOT 1;
