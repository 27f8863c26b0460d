-- name: whose_delivery
-- A delivery's lead, destination and status.
SELECT l.lead_id, d.destination, d.status, d.part
FROM deliveries AS d CROSS JOIN leads AS l ON l.id = d.lead
WHERE d.id = :delivery;

-- name: may_stand_in
-- One row if no person holds either destination, or has held the first since this time.
SELECT 1 WHERE NOT EXISTS (
  SELECT 1 FROM destination_states
  WHERE (name IN (:destination, :fallback) AND held = 1)
     OR (name = :destination AND since_ms > :failing_before_ms));

-- name: failing
-- Pending deliveries whose tries have failed since this time or longer, and whose lead does not go
-- to the fallback; longest first.
SELECT d.id, d.lead, (SELECT lead_id FROM leads WHERE id = d.lead), d.part
FROM deliveries AS d INDEXED BY deliveries_failing
WHERE d.status = 'pending' AND d.destination = :destination
  AND d.first_attempt_at_ms IS NOT NULL AND d.first_attempt_at_ms <= :before_ms
  AND d.stands_in_for IS NULL
  AND NOT EXISTS (SELECT 1 FROM deliveries AS o INDEXED BY deliveries_by_lead
                  WHERE o.lead = d.lead AND ifnull(o.destination, '') = :fallback
                    AND o.part = d.part)
ORDER BY d.first_attempt_at_ms
LIMIT :limit;

-- name: untried
-- The same of deliveries that have been due since this time and were never tried.
SELECT d.id, d.lead, (SELECT lead_id FROM leads WHERE id = d.lead), d.part
FROM deliveries AS d INDEXED BY deliveries_due
WHERE d.status = 'pending' AND d.destination = :destination
  AND d.next_attempt_at_ms <= :before_ms AND d.attempts = 0 AND d.behind IS NOT 1
  AND d.stands_in_for IS NULL
  AND NOT EXISTS (SELECT 1 FROM deliveries AS o INDEXED BY deliveries_by_lead
                  WHERE o.lead = d.lead AND ifnull(o.destination, '') = :fallback
                    AND o.part = d.part)
ORDER BY d.next_attempt_at_ms
LIMIT :limit;

-- name: insert_redirected
-- A delivery that is due now, or held for a reason; it may stand in for another.
INSERT INTO deliveries
  (lead, destination, status, next_attempt_at_ms, hold_reason, created_at_ms, updated_at_ms,
   stands_in_for, part)
VALUES (:lead, :destination, iif(:reason = '', 'pending', 'held'),
        iif(:reason = '', :now_ms, NULL), :reason, :now_ms, :now_ms, :stands_in_for, :part)
RETURNING id;

-- name: standings_of_lead
-- Where each delivery of a lead stands, and for which destination it stands in.
SELECT l.id, d.id, d.destination, d.status, d.hold_reason,
       (SELECT o.destination FROM deliveries AS o WHERE o.id = d.stands_in_for), d.part
FROM leads AS l CROSS JOIN deliveries AS d ON d.lead = l.id
WHERE l.lead_id = :lead_id
ORDER BY d.id;
