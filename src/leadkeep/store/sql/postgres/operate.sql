-- name: pick_by_refs
-- Deliveries of these leads, newest first, with the other conditions of a selection.
SELECT d.lead, d.id
FROM leads AS l JOIN deliveries AS d ON d.lead = l.id
WHERE l.lead_id = ANY (uuids_in(:lead_ids::jsonb) || ARRAY(
    SELECT lead_id FROM lead_numbers WHERE lead_number = ANY (ids_in(:lead_numbers::jsonb))))
  AND (:parts::jsonb IS NULL
       OR l.lead_id || '/' || d.part = ANY (texts_in(:parts::jsonb))
       OR l.lead_number || '/' || d.part = ANY (texts_in(:parts::jsonb))
       OR l.lead_id::text = ANY (texts_in(:whole::jsonb))
       OR l.lead_number::text = ANY (texts_in(:whole::jsonb)))
  AND d.lead BETWEEN :first_lead::bigint AND :last_lead::bigint
  AND (d.lead < :after_lead::bigint OR d.id < :after_id::bigint)
  AND (:status::text IS NULL OR d.status = :status::text)
  AND (NOT :routed_only::boolean OR d.destination IS NOT NULL)
  AND (:sources::jsonb IS NULL OR l.source = ANY (texts_in(:sources::jsonb)))
  AND (:destinations::jsonb IS NULL
       OR coalesce(d.destination, '') = ANY (texts_in(:destinations::jsonb)))
  AND (:held_because::text = '' OR strpos(d.hold_reason, :held_because::text) > 0)
  AND (:certificate_before_ms::bigint IS NULL
       OR l.certificate_expires_at_ms < :certificate_before_ms::bigint)
  AND l.received_at_ms >= :received_from_ms::bigint
  AND l.received_at_ms < :received_before_ms::bigint
ORDER BY d.lead DESC, d.id DESC
LIMIT :limit;

-- name: pick_by_status
-- Deliveries in one status, newest first, with the other conditions of a selection.
SELECT d.lead, d.id
FROM deliveries AS d JOIN leads AS l ON l.lead_id = d.lead_id
WHERE d.status = :status
  AND d.lead BETWEEN :first_lead::bigint AND :last_lead::bigint
  AND (d.lead < :after_lead::bigint OR d.id < :after_id::bigint)
  AND (NOT :routed_only::boolean OR d.destination IS NOT NULL)
  AND (:sources::jsonb IS NULL OR l.source = ANY (texts_in(:sources::jsonb)))
  AND (:destinations::jsonb IS NULL
       OR coalesce(d.destination, '') = ANY (texts_in(:destinations::jsonb)))
  AND (:held_because::text = '' OR strpos(d.hold_reason, :held_because::text) > 0)
  AND (:certificate_before_ms::bigint IS NULL
       OR l.certificate_expires_at_ms < :certificate_before_ms::bigint)
  AND l.received_at_ms >= :received_from_ms::bigint
  AND l.received_at_ms < :received_before_ms::bigint
ORDER BY d.lead DESC, d.id DESC
LIMIT :limit;

-- name: pick_any
-- Deliveries in every status, newest first, with the other conditions of a selection.
SELECT d.lead, d.id
FROM deliveries AS d JOIN leads AS l ON l.lead_id = d.lead_id
WHERE d.lead BETWEEN :first_lead::bigint AND :last_lead::bigint
  AND (d.lead < :after_lead::bigint OR d.id < :after_id::bigint)
  AND (NOT :routed_only::boolean OR d.destination IS NOT NULL)
  AND (:sources::jsonb IS NULL OR l.source = ANY (texts_in(:sources::jsonb)))
  AND (:destinations::jsonb IS NULL
       OR coalesce(d.destination, '') = ANY (texts_in(:destinations::jsonb)))
  AND (:held_because::text = '' OR strpos(d.hold_reason, :held_because::text) > 0)
  AND (:certificate_before_ms::bigint IS NULL
       OR l.certificate_expires_at_ms < :certificate_before_ms::bigint)
  AND l.received_at_ms >= :received_from_ms::bigint
  AND l.received_at_ms < :received_before_ms::bigint
ORDER BY d.lead DESC, d.id DESC
LIMIT :limit;

-- name: note_actions
-- One line in the log of actions for each delivery that the next statement moves.
INSERT INTO actions (at_ms, actor, verb, delivery, reason)
SELECT :now_ms::bigint, :actor::text, :verb::text, id, :reason::text FROM deliveries
WHERE id = ANY (ids_in(:deliveries::jsonb)) AND status = :before;

-- name: meant
-- Those of these deliveries that are still in this status, with what a log outside needs.
SELECT d.id, d.lead_id::text, d.destination, d.part
FROM deliveries AS d
WHERE d.id = ANY (ids_in(:deliveries::jsonb)) AND d.status = :before
ORDER BY d.id FOR UPDATE;

-- name: apply_hold
-- A person sets deliveries aside.
UPDATE deliveries
SET status = 'held', hold_reason = :reason, next_attempt_at_ms = NULL, updated_at_ms = :now_ms
WHERE id = ANY (ids_in(:deliveries::jsonb)) AND status = :before;

-- name: apply_resume
-- A person lets held deliveries go: due at once, and their age starts again.
UPDATE deliveries
SET status = 'pending', hold_reason = '', next_attempt_at_ms = :now_ms,
    first_attempt_at_ms = NULL, updated_at_ms = :now_ms
WHERE id = ANY (ids_in(:deliveries::jsonb)) AND status = :before;

-- name: apply_retry
-- A person asks for another try: due at once, and their age starts again.
UPDATE deliveries
SET status = 'pending', next_attempt_at_ms = :now_ms, first_attempt_at_ms = NULL,
    updated_at_ms = :now_ms
WHERE id = ANY (ids_in(:deliveries::jsonb)) AND status = :before;

-- name: apply_cancel
-- A person decides that deliveries shall not be delivered; the reason is shown with them.
UPDATE deliveries
SET status = 'cancelled', hold_reason = '', next_attempt_at_ms = NULL,
    error_message = CASE :reason::text WHEN '' THEN error_message ELSE :reason::text END,
    updated_at_ms = :now_ms
WHERE id = ANY (ids_in(:deliveries::jsonb)) AND status = :before;

-- name: deliveries_to_route
-- Those of these deliveries that still wait without a destination.
SELECT id, lead, status, next_attempt_at_ms, hold_reason, part FROM deliveries
WHERE id = ANY (ids_in(:deliveries::jsonb))
  AND destination IS NULL AND status IN ('pending', 'held')
ORDER BY id FOR UPDATE;
