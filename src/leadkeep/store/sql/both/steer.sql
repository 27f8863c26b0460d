-- name: circuit
-- What a move of one circuit starts from.
SELECT state, version, since_ms, opened_at_ms, openings FROM circuits
WHERE destination = :destination;

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

-- name: drop_permits_of_another_boot
-- They are carried over.
DELETE FROM permits
WHERE destination = :destination AND per_ms = :per_ms AND boot_id <> :boot_id;

-- name: drop_old_permits
-- Slots that count no more.
DELETE FROM permits
WHERE destination = :destination AND per_ms = :per_ms AND slot < :first_slot;
