-- name: circuits
-- Every circuit; due in how long is by the database's time.
SELECT destination, state, version, since_ms, opened_at_ms,
       CASE boot_id WHEN :boot_id THEN due_boot_ms ELSE 0 END - :boottime_ms::bigint,
       openings, ramp_limit, reason, owner
FROM circuits;

-- name: circuit
-- What a move of one circuit starts from.
SELECT state, version, since_ms, opened_at_ms, openings FROM circuits
WHERE destination = :destination;

-- name: circuit_is_shut
-- One row if the circuit lets nobody claim but the probe of this version.
SELECT 1 FROM circuits
WHERE destination = :destination
  AND (state = 'open' OR (state = 'half_open' AND version IS DISTINCT FROM :probe::bigint));

-- name: begin_circuit
-- The first move of a circuit.
INSERT INTO circuits
  (destination, state, version, since_ms, opened_at_ms, boot_id, due_boot_ms, openings, ramp_limit,
   reason, owner)
VALUES
  (:destination, :state, 1, :since_ms, :opened_at_ms, :boot_id, :due_boot_ms, :openings, :ramp_limit,
   :reason, :owner)
ON CONFLICT DO NOTHING
RETURNING version;

-- name: move_circuit
-- Move a circuit, if nobody has moved it since it was looked at.
UPDATE circuits
SET state = :state, version = version + 1, since_ms = :since_ms, opened_at_ms = :opened_at_ms,
    boot_id = :boot_id, due_boot_ms = :due_boot_ms, openings = :openings, ramp_limit = :ramp_limit,
    reason = :reason, owner = :owner
WHERE destination = :destination AND version = :expected_version
RETURNING version;

-- name: note_circuit_event
-- A circuit opened or closed.
INSERT INTO circuit_events (at_ms, destination, event, reason, openings, outage_ms, owner)
VALUES (:now_ms, :destination, :event, :reason, :openings, :outage_ms, :owner);

-- name: forget_circuit_events
-- Keep the last events of a destination: one that comes and goes for weeks must not fill the store.
DELETE FROM circuit_events
WHERE destination = :destination AND id <= (
  SELECT id FROM circuit_events WHERE destination = :destination
  ORDER BY id DESC LIMIT 1 OFFSET :kept);

-- name: circuit_events
-- What opened and closed, newest first.
SELECT at_ms, destination, event, reason, openings, outage_ms, owner FROM circuit_events
WHERE :destination::text IS NULL OR destination = :destination::text
ORDER BY id DESC LIMIT :limit;

-- name: waiting_in_vain
-- Deliveries that wait for another try because their destination did not work, the earliest due first.
-- What was refused for itself keeps its wait: it would be refused again.
SELECT d.id
FROM deliveries AS d JOIN attempts AS a ON a.delivery = d.id AND a.fence = d.fence
WHERE d.status = 'pending' AND d.behind IS DISTINCT FROM 1
  AND d.destination = :destination AND d.next_attempt_at_ms > :now_ms
  AND a.started_at_ms < :tried_before_ms
  AND NOT (coalesce(a.response_status, 0) BETWEEN 400 AND 499
           AND a.response_status NOT IN (408, 425, 429))
ORDER BY d.next_attempt_at_ms, d.id LIMIT :limit;

-- name: hasten
-- Make those of these deliveries that still wait due now.
UPDATE deliveries SET next_attempt_at_ms = :now_ms::bigint, updated_at_ms = :now_ms::bigint
WHERE id = ANY (ids_in(:deliveries::jsonb))
  AND status = 'pending' AND next_attempt_at_ms > :now_ms::bigint;

-- name: permits_used
-- Attempts begun in the slots from one on, and those that another clock counted.
SELECT coalesce(sum(used) FILTER (WHERE boot_id = :boot_id AND slot >= :first_slot), 0)::bigint,
       coalesce(sum(used) FILTER (WHERE boot_id <> :boot_id), 0)::bigint
FROM permits WHERE destination = :destination AND per_ms = :per_ms;

-- name: permit_slots
-- The same, slot by slot, the oldest first; another clock's count as begun when this one began.
SELECT CASE boot_id WHEN :boot_id THEN slot ELSE 0 END, used FROM permits
WHERE destination = :destination AND per_ms = :per_ms
  AND CASE boot_id WHEN :boot_id THEN slot ELSE 0 END >= :first_slot
ORDER BY 1;

-- name: drop_permits_of_another_boot
-- They are carried over.
DELETE FROM permits
WHERE destination = :destination AND per_ms = :per_ms AND boot_id <> :boot_id;

-- name: use_permits
-- So many attempts begin in a slot.
INSERT INTO permits AS p (destination, per_ms, slot, boot_id, used)
VALUES (:destination, :per_ms, :slot, :boot_id, :used)
ON CONFLICT (destination, per_ms, slot) DO UPDATE SET used = p.used + excluded.used;

-- name: drop_old_permits
-- Slots that count no more.
DELETE FROM permits
WHERE destination = :destination AND per_ms = :per_ms AND slot < :first_slot;
