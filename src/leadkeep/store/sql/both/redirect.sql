-- name: set_aside
-- A worker cannot send it at all: held with the reason, and as if it had not been claimed.
UPDATE deliveries
SET status = 'held', hold_reason = :reason, attempts = attempts - 1, next_attempt_at_ms = NULL,
    lease_boot_id = NULL, lease_until_boot_ms = NULL, lease_owner = NULL, updated_at_ms = :now_ms
WHERE id = :delivery AND fence = :fence AND status = 'processing'
RETURNING id;

-- name: note_action
-- One line in the log of actions for one delivery.
INSERT INTO actions (at_ms, actor, verb, delivery, reason)
VALUES (:now_ms, :actor, :verb, :delivery, :reason);

-- name: rest
-- A delivery shall not be made any more; the reason is shown with it.
UPDATE deliveries
SET status = 'cancelled', hold_reason = '', next_attempt_at_ms = NULL, error_message = :reason,
    updated_at_ms = :now_ms
WHERE id = :delivery AND status IN ('pending', 'held', 'failed');

-- name: send_homeless
-- A delivery that waits without destination gets one and is due now.
UPDATE deliveries
SET destination = :destination, status = 'pending', hold_reason = '', next_attempt_at_ms = :now_ms,
    updated_at_ms = :now_ms
WHERE id = :delivery AND destination IS NULL AND status IN ('pending', 'held');

-- name: hold_delivery
-- A delivery that waits is set aside.
UPDATE deliveries
SET status = 'held', hold_reason = :reason, next_attempt_at_ms = NULL, updated_at_ms = :now_ms
WHERE id = :delivery AND status IN ('pending', 'failed');
