-- name: due
-- Due deliveries of a destination that nobody else is claiming, oldest due first, with the whole
-- request; what is due only because the clock has jumped comes last. Stops after so many bytes.
WITH ripe AS (
  SELECT id, fence, attempts, first_attempt_at_ms, lead_id, part, next_attempt_at_ms, 0 AS place
  FROM deliveries
  WHERE status = 'pending' AND destination = :destination AND next_attempt_at_ms <= :now_ms::bigint
    AND behind IS DISTINCT FROM 1
  ORDER BY next_attempt_at_ms, id LIMIT :limit::bigint
  FOR UPDATE SKIP LOCKED
), jumped AS (
  SELECT id, fence, attempts, first_attempt_at_ms, lead_id, part, next_attempt_at_ms, 1 AS place
  FROM deliveries
  WHERE status = 'pending' AND destination = :destination
    AND next_attempt_at_ms > :now_ms::bigint + :longest_wait_ms::bigint
    AND behind IS DISTINCT FROM 1
  ORDER BY next_attempt_at_ms, id LIMIT :limit::bigint
  FOR UPDATE SKIP LOCKED
), due AS (
  SELECT * FROM ripe UNION ALL SELECT * FROM jumped LIMIT :limit::bigint
)
SELECT id, fence, attempt, first_attempt_at_ms, lead_id, lead_number, source, received_at_ms,
       method, target, headers, body, part
FROM (
  SELECT d.id, d.fence + 1 AS fence, d.attempts + 1 AS attempt, d.first_attempt_at_ms,
         l.lead_id::text AS lead_id, l.lead_number, l.source, l.received_at_ms, l.method, l.target,
         l.headers, CASE d.part WHEN 0 THEN l.body ELSE ''::bytea END AS body, d.part,
         sum(octet_length(l.body)) OVER in_turn - octet_length(l.body) AS bytes_before,
         row_number() OVER in_turn AS turn
  FROM due AS d JOIN leads AS l ON l.lead_id = d.lead_id
  WINDOW in_turn AS (ORDER BY d.place, d.next_attempt_at_ms, d.id)
) AS claimable
WHERE bytes_before < :bytes
ORDER BY turn;

-- name: lease
-- Lease due deliveries under a new fence.
UPDATE deliveries AS d
SET status = 'processing', fence = c.fence, attempts = c.attempt, lease_boot_id = c.boot_id,
    lease_until_boot_ms = c.until_ms, lease_owner = c.worker, updated_at_ms = c.now_ms
FROM unnest(:delivery::bigint[], :fence::bigint[], :attempt::integer[], :boot_id::text[],
            :lease_until_boot_ms::bigint[], :worker::text[], :now_ms::bigint[])
  AS c (delivery, fence, attempt, boot_id, until_ms, worker, now_ms)
WHERE d.id = c.delivery AND d.status = 'pending' AND d.behind IS DISTINCT FROM 1;

-- name: lock_deliveries
-- Let nobody else move these deliveries, or record their tries, until the transaction ends. What is
-- looked at after it sees all that was done before; within one statement it would not.
SELECT id FROM deliveries WHERE id = ANY (ids_in(:deliveries::jsonb)) ORDER BY id FOR UPDATE;

-- name: standing
-- Where deliveries stand, and how their tries under these fences were recorded (NULL: they were
-- not).
SELECT d.id, d.status, d.fence, d.lease_owner, a.stale, a.recorded_at_ms
FROM unnest(:delivery::bigint[], :fence::bigint[], :lead_id::uuid[])
  WITH ORDINALITY AS o (delivery, fence, lead_id, place)
JOIN deliveries AS d ON d.id = o.delivery AND d.lead_id = o.lead_id
LEFT JOIN attempts AS a ON a.delivery = d.id AND a.fence = o.fence
ORDER BY o.place;

-- name: insert_attempt
-- Tries, also a stale worker's.
INSERT INTO attempts
  (delivery, fence, attempt, worker, stale, outcome, started_at_ms, duration_ms, recorded_at_ms,
   error_class, error_message, response_status, response_headers, response_body)
SELECT * FROM unnest(
  :delivery::bigint[], :fence::bigint[], :attempt::integer[], :worker::text[], :stale::boolean[],
  :outcome::text[], :started_at_ms::bigint[], :duration_ms::bigint[], :now_ms::bigint[],
  :error_class::text[], :error_message::text[], :response_status::integer[],
  :response_headers::bytea[], :response_body::bytea[]);

-- name: move_recorded
-- Move deliveries by their attempts' outcomes: only under the latest fence, and only while they are
-- processing, or to completed if nobody has claimed them since.
UPDATE deliveries AS d
SET status = o.status,
    next_attempt_at_ms = o.next_attempt_at_ms,
    first_attempt_at_ms = coalesce(d.first_attempt_at_ms, o.started_at_ms),
    processed_at_ms = o.processed_at_ms,
    error_message = o.error_message,
    hold_reason = '',
    to_mend = o.to_mend,
    lease_boot_id = NULL, lease_until_boot_ms = NULL, lease_owner = NULL,
    updated_at_ms = o.now_ms
FROM unnest(:delivery::bigint[], :fence::bigint[], :status::text[], :next_attempt_at_ms::bigint[],
            :started_at_ms::bigint[], :processed_at_ms::bigint[], :error_message::text[],
            :to_mend::boolean[], :now_ms::bigint[])
  AS o (delivery, fence, status, next_attempt_at_ms, started_at_ms, processed_at_ms,
        error_message, to_mend, now_ms)
WHERE d.id = o.delivery AND d.fence = o.fence
  AND (d.status = 'processing'
       OR (o.status = 'completed' AND d.status IN ('pending', 'failed', 'held')));

-- name: release
-- Return leases without having tried: as if they had not been claimed.
UPDATE deliveries AS d
SET status = 'pending', attempts = d.attempts - 1,
    lease_boot_id = NULL, lease_until_boot_ms = NULL, lease_owner = NULL, updated_at_ms = c.now_ms
FROM unnest(:delivery::bigint[], :fence::bigint[], :now_ms::bigint[])
  AS c (delivery, fence, now_ms)
WHERE d.id = c.delivery AND d.fence = c.fence AND d.status = 'processing'
RETURNING d.id;

-- name: renew
-- Prolong leases that are still ours.
UPDATE deliveries AS d SET lease_until_boot_ms = c.until_ms, lease_boot_id = c.boot_id
FROM unnest(:delivery::bigint[], :fence::bigint[], :lease_until_boot_ms::bigint[],
            :boot_id::text[]) AS c (delivery, fence, until_ms, boot_id)
WHERE d.id = c.delivery AND d.fence = c.fence AND d.status = 'processing'
RETURNING d.id;

-- name: rescue
-- Return leases that ran out to pending; due as they were.
UPDATE deliveries
SET status = 'pending',
    lease_boot_id = NULL, lease_until_boot_ms = NULL, lease_owner = NULL, updated_at_ms = :now_ms
WHERE id IN (
  SELECT id FROM deliveries
  WHERE status = 'processing'
    AND (lease_boot_id <> :boot_id OR lease_until_boot_ms <= :boottime_ms)
  LIMIT :limit
  FOR UPDATE SKIP LOCKED);

-- name: next_due
-- When the next pending delivery of a destination is due.
SELECT min(next_attempt_at_ms) FROM deliveries
WHERE status = 'pending' AND destination = :destination AND behind IS DISTINCT FROM 1;
