-- name: close_copy
-- A copy waits no more.
DELETE FROM open_copies WHERE lead = :lead;

-- name: cancel_copy
-- The original is confirmed: its copy need not be delivered.
UPDATE deliveries
SET status = 'cancelled', hold_reason = '', error_message = :reason, updated_at_ms = :now_ms
WHERE lead = :lead AND status = 'held';

-- name: show_copy
-- A person has stopped the original: the copy is for a person to decide about, too.
UPDATE deliveries SET hold_reason = :reason, updated_at_ms = :now_ms
WHERE lead = :lead AND status = 'held';

-- name: make_own_lead
-- A copy counts as a lead of its own.
UPDATE leads SET disposition = 'routed' WHERE id = :lead AND disposition = 'duplicate';

-- name: unlink_lead
-- A lead is no copy of another.
UPDATE leads SET duplicate_of = NULL WHERE id = :lead;
