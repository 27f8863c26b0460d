-- name: circuits
-- Every circuit; due in how long is by the boot clock, and another boot's is due since this one began.
SELECT destination, state, version, since_ms, opened_at_ms,
       iif(boot_id = :boot_id, due_boot_ms, 0) - :boottime_ms,
       openings, ramp_limit, reason, owner
FROM circuits;

-- name: circuit_is_shut
-- One row if the circuit lets nobody claim but the probe of this version.
SELECT 1 FROM circuits
WHERE destination = :destination
  AND (state = 'open' OR (state = 'half_open' AND version IS NOT :probe));

-- name: circuit_events
-- What opened and closed, newest first.
SELECT at_ms, destination, event, reason, openings, outage_ms, owner FROM circuit_events
WHERE :destination IS NULL OR destination = :destination
ORDER BY id DESC LIMIT :limit;

-- name: waiting_in_vain
-- Deliveries that wait for another try because their destination did not work, the earliest due first.
-- What was refused for itself keeps its wait: it would be refused again.
SELECT d.id
FROM deliveries AS d CROSS JOIN attempts AS a ON a.delivery = d.id AND a.fence = d.fence
WHERE d.status = 'pending' AND d.behind IS NOT 1
  AND d.destination = :destination AND d.next_attempt_at_ms > :now_ms
  AND a.started_at_ms < :tried_before_ms
  AND NOT (ifnull(a.response_status, 0) BETWEEN 400 AND 499
           AND a.response_status NOT IN (408, 425, 429))
ORDER BY d.next_attempt_at_ms LIMIT :limit;

-- name: hasten
-- Make those of these deliveries that still wait due now.
UPDATE deliveries SET next_attempt_at_ms = :now_ms, updated_at_ms = :now_ms
WHERE id IN (SELECT value FROM json_each(:deliveries))
  AND +status = 'pending' AND next_attempt_at_ms > :now_ms;

-- name: permits_used
-- Attempts begun in the slots from one on, and those that another boot's clock counted.
SELECT ifnull(sum(used) FILTER (WHERE boot_id = :boot_id AND slot >= :first_slot), 0),
       ifnull(sum(used) FILTER (WHERE boot_id <> :boot_id), 0)
FROM permits WHERE destination = :destination AND per_ms = :per_ms;

-- name: permit_slots
-- The same, slot by slot, the oldest first; another boot's count as begun when this one began.
SELECT iif(boot_id = :boot_id, slot, 0), used FROM permits
WHERE destination = :destination AND per_ms = :per_ms
  AND iif(boot_id = :boot_id, slot, 0) >= :first_slot
ORDER BY 1;

-- name: use_permits
-- So many attempts begin in a slot.
INSERT INTO permits (destination, per_ms, slot, boot_id, used)
VALUES (:destination, :per_ms, :slot, :boot_id, :used)
ON CONFLICT (destination, per_ms, slot) DO UPDATE SET used = used + excluded.used;
