-- name: leads_between
-- The first and last lead received in a window of time.
SELECT min(id), max(id) FROM leads
WHERE received_at_ms >= :received_from_ms AND received_at_ms < :received_before_ms;

-- name: lead_of_delivery
-- The lead row that a delivery belongs to.
SELECT lead FROM deliveries WHERE id = :delivery;

-- name: set_destination_state
-- Hold a destination, for a term or (NULL) until it is resumed, or let it go; the time is that of
-- the last change.
INSERT INTO destination_states
  (name, held, hold_reason, since_ms,
   term_span_ms, term_until_ms, term_boot_id, term_until_boot_ms)
VALUES
  (:name, :held, :reason, :now_ms, :span_ms, :until_ms, :boot_id, :until_boot_ms)
ON CONFLICT (name) DO UPDATE SET
  held = excluded.held, hold_reason = excluded.hold_reason, since_ms = excluded.since_ms,
  term_span_ms = excluded.term_span_ms, term_until_ms = excluded.term_until_ms,
  term_boot_id = excluded.term_boot_id, term_until_boot_ms = excluded.term_until_boot_ms;

-- name: note_destination_action
-- One line in the log of actions for a destination.
INSERT INTO actions (at_ms, actor, verb, destination, reason)
VALUES (:now_ms, :actor, :verb, :destination, :reason);
