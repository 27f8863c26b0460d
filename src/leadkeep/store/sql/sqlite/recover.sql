-- name: standing_of
-- A lead's row and its delivery, or that of a part, to a destination (NULLs if there is none): where that stands, and
-- whether nothing has touched it since it was absorbed after the row `lead_mark`.
SELECT l.id, d.id, d.status, d.updated_at_ms,
       l.id > :lead_mark AND d.updated_at_ms = d.created_at_ms
FROM leads AS l
LEFT JOIN deliveries AS d
  ON d.lead = l.id AND ifnull(d.destination, '') = :destination AND d.part = :part
WHERE l.lead_id = :lead_id;

-- name: step
-- One allowed move of a delivery on its way to where a log says it stood.
UPDATE deliveries
SET status = :status,
    fence = fence + (:status = 'processing'),
    next_attempt_at_ms =
      CASE WHEN :status IN ('pending', 'processing') THEN ifnull(next_attempt_at_ms, :at_ms) END,
    lease_boot_id = iif(:status = 'processing', '', NULL),
    lease_until_boot_ms = iif(:status = 'processing', 0, NULL),
    lease_owner = iif(:status = 'processing', '', NULL),
    processed_at_ms = iif(:status = 'completed', :at_ms, NULL),
    hold_reason = iif(:status = 'held', :why, ''),
    error_message = iif(:status IN ('failed', 'cancelled'), :why, ''),
    updated_at_ms = :at_ms
WHERE id = :delivery;

-- name: count_try
-- A try that only a log knew has a fence of its own, as each try has.
UPDATE deliveries SET attempts = max(attempts, :attempt), fence = fence + 1
WHERE id = :delivery
RETURNING fence;

-- name: note_standing
-- The delivery stood there at that time.
UPDATE deliveries SET updated_at_ms = max(:at_ms, iif(:untouched, 0, updated_at_ms))
WHERE id = :delivery;
