-- name: pick_by_refs
-- Deliveries of these leads, newest first, with the other conditions of a selection.
SELECT d.lead, d.id
FROM leads AS l CROSS JOIN deliveries AS d ON d.lead = l.id
WHERE l.id IN (
    SELECT id FROM leads WHERE lead_id IN (SELECT value FROM json_each(:lead_ids))
    UNION
    SELECT id FROM leads WHERE lead_number IN (SELECT value FROM json_each(:lead_numbers)))
  AND (:parts IS NULL
       OR l.lead_id || '/' || d.part IN (SELECT value FROM json_each(:parts))
       OR l.lead_number || '/' || d.part IN (SELECT value FROM json_each(:parts))
       OR l.lead_id IN (SELECT value FROM json_each(:whole))
       OR CAST(l.lead_number AS TEXT) IN (SELECT value FROM json_each(:whole)))
  AND d.lead BETWEEN :first_lead AND :last_lead
  AND (d.lead < :after_lead OR d.id < :after_id)
  AND (:status IS NULL OR d.status = :status)
  AND (NOT :routed_only OR d.destination IS NOT NULL)
  AND (:sources IS NULL OR l.source IN (SELECT value FROM json_each(:sources)))
  AND (:destinations IS NULL
       OR ifnull(d.destination, '') IN (SELECT value FROM json_each(:destinations)))
  AND (:held_because = '' OR instr(d.hold_reason, :held_because) > 0)
  AND (:certificate_before_ms IS NULL OR l.certificate_expires_at_ms < :certificate_before_ms)
  AND l.received_at_ms >= :received_from_ms AND l.received_at_ms < :received_before_ms
ORDER BY d.lead DESC, d.id DESC
LIMIT :limit;

-- name: pick_by_status
-- Deliveries in one status, newest first, with the other conditions of a selection. (Without the
-- plus SQLite walks the whole status instead of the window.)
SELECT d.lead, d.id
FROM deliveries AS d CROSS JOIN leads AS l ON l.id = +d.lead
WHERE d.status = :status
  AND d.lead BETWEEN :first_lead AND :last_lead
  AND (d.lead < :after_lead OR d.id < :after_id)
  AND (NOT :routed_only OR d.destination IS NOT NULL)
  AND (:sources IS NULL OR l.source IN (SELECT value FROM json_each(:sources)))
  AND (:destinations IS NULL
       OR ifnull(d.destination, '') IN (SELECT value FROM json_each(:destinations)))
  AND (:held_because = '' OR instr(d.hold_reason, :held_because) > 0)
  AND (:certificate_before_ms IS NULL OR l.certificate_expires_at_ms < :certificate_before_ms)
  AND l.received_at_ms >= :received_from_ms AND l.received_at_ms < :received_before_ms
ORDER BY d.lead DESC, d.id DESC
LIMIT :limit;

-- name: pick_any
-- Deliveries in every status, newest first, with the other conditions of a selection.
SELECT d.lead, d.id
FROM deliveries AS d CROSS JOIN leads AS l ON l.id = +d.lead
WHERE d.lead BETWEEN :first_lead AND :last_lead
  AND (d.lead < :after_lead OR d.id < :after_id)
  AND (NOT :routed_only OR d.destination IS NOT NULL)
  AND (:sources IS NULL OR l.source IN (SELECT value FROM json_each(:sources)))
  AND (:destinations IS NULL
       OR ifnull(d.destination, '') IN (SELECT value FROM json_each(:destinations)))
  AND (:held_because = '' OR instr(d.hold_reason, :held_because) > 0)
  AND (:certificate_before_ms IS NULL OR l.certificate_expires_at_ms < :certificate_before_ms)
  AND l.received_at_ms >= :received_from_ms AND l.received_at_ms < :received_before_ms
ORDER BY d.lead DESC, d.id DESC
LIMIT :limit;

-- name: note_actions
-- One line in the log of actions for each delivery that the next statement moves. (The plus keeps
-- this and the next ones from walking a whole status instead of looking up the ids.)
INSERT INTO actions (at_ms, actor, verb, delivery, reason)
SELECT :now_ms, :actor, :verb, id, :reason FROM deliveries
WHERE id IN (SELECT value FROM json_each(:deliveries)) AND +status = :before;

-- name: meant
-- Those of these deliveries that are still in this status, with what a log outside needs.
SELECT d.id, l.lead_id, d.destination, d.part
FROM deliveries AS d CROSS JOIN leads AS l ON l.id = d.lead
WHERE d.id IN (SELECT value FROM json_each(:deliveries)) AND +d.status = :before;

-- name: apply_hold
-- A person sets deliveries aside.
UPDATE deliveries
SET status = 'held', hold_reason = :reason, next_attempt_at_ms = NULL, updated_at_ms = :now_ms
WHERE id IN (SELECT value FROM json_each(:deliveries)) AND +status = :before;

-- name: apply_resume
-- A person lets held deliveries go: due at once, and their age starts again.
UPDATE deliveries
SET status = 'pending', hold_reason = '', next_attempt_at_ms = :now_ms,
    first_attempt_at_ms = NULL, updated_at_ms = :now_ms
WHERE id IN (SELECT value FROM json_each(:deliveries)) AND +status = :before;

-- name: apply_retry
-- A person asks for another try: due at once, and their age starts again.
UPDATE deliveries
SET status = 'pending', next_attempt_at_ms = :now_ms, first_attempt_at_ms = NULL,
    updated_at_ms = :now_ms
WHERE id IN (SELECT value FROM json_each(:deliveries)) AND +status = :before;

-- name: apply_cancel
-- A person decides that deliveries shall not be delivered; the reason is shown with them.
UPDATE deliveries
SET status = 'cancelled', hold_reason = '', next_attempt_at_ms = NULL,
    error_message = iif(:reason = '', error_message, :reason), updated_at_ms = :now_ms
WHERE id IN (SELECT value FROM json_each(:deliveries)) AND +status = :before;

-- name: deliveries_to_route
-- Those of these deliveries that still wait without a destination.
SELECT id, lead, status, next_attempt_at_ms, hold_reason, part FROM deliveries
WHERE id IN (SELECT value FROM json_each(:deliveries))
  AND destination IS NULL AND status IN ('pending', 'held');
