-- name: standing_of
-- A lead's row and its delivery, or that of a part, to a destination (NULLs if there is none): where
-- that stands, and whether nothing has touched it since it was absorbed after the row `lead_mark`.
SELECT l.id, d.id, d.status, d.updated_at_ms,
       l.id > :lead_mark AND d.updated_at_ms = d.created_at_ms
FROM leads AS l
LEFT JOIN deliveries AS d
  ON d.lead = l.id AND coalesce(d.destination, '') = :destination AND d.part = :part
WHERE l.lead_id = :lead_id::uuid;

-- name: step
-- One allowed move of a delivery on its way to where a log says it stood.
UPDATE deliveries
SET status = :status::text,
    fence = fence + (:status::text = 'processing')::integer,
    next_attempt_at_ms = CASE WHEN :status::text IN ('pending', 'processing')
                              THEN coalesce(next_attempt_at_ms, :at_ms::bigint) END,
    lease_boot_id = CASE :status::text WHEN 'processing' THEN '' END,
    lease_until_boot_ms = CASE :status::text WHEN 'processing' THEN 0 END,
    lease_owner = CASE :status::text WHEN 'processing' THEN '' END,
    processed_at_ms = CASE :status::text WHEN 'completed' THEN :at_ms::bigint END,
    hold_reason = CASE :status::text WHEN 'held' THEN :why::text ELSE '' END,
    error_message = CASE WHEN :status::text IN ('failed', 'cancelled') THEN :why::text ELSE '' END,
    updated_at_ms = :at_ms::bigint
WHERE id = :delivery;

-- name: count_try
-- A try that only a log knew has a fence of its own, as each try has.
UPDATE deliveries SET attempts = greatest(attempts, :attempt::integer), fence = fence + 1
WHERE id = :delivery
RETURNING fence;

-- name: note_standing
-- The delivery stood there at that time.
UPDATE deliveries
SET updated_at_ms = greatest(:at_ms::bigint,
                             CASE WHEN :untouched::boolean THEN 0 ELSE updated_at_ms END)
WHERE id = :delivery;
