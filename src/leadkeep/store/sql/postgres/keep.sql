-- name: unsettled
-- Deliveries of a segment's leads that are neither completed nor cancelled.
SELECT count(*)
FROM segments AS s
JOIN deliveries AS d
  ON d.status IN ('pending', 'processing', 'failed', 'held')
 AND d.lead >= s.first_lead AND d.lead <= s.last_lead
JOIN leads AS l ON l.lead_id = d.lead_id AND l.segment = s.id
WHERE s.segment = :segment::uuid;

-- name: forget_segment
-- A segment has left the archive; its counts stay.
UPDATE segments SET forgotten_at_ms = :now_ms
WHERE segment = :segment::uuid AND forgotten_at_ms IS NULL;

-- name: fold_the_counters
-- Changes of counters become part of them.
SELECT fold_the_counters();

-- name: pass_gate_alone
-- Wait until nobody is in there, and keep everybody out.
SELECT pg_advisory_xact_lock(:gate::integer, hashtext(:name));

-- name: pass_gate_together
-- Wait until nobody is in there alone, and let nobody in alone.
SELECT pg_advisory_xact_lock_shared(:gate::integer, hashtext(:name));

-- name: lock_deliveries_of_lead
-- Nobody else moves the deliveries of this lead.
SELECT id FROM deliveries WHERE lead = :lead ORDER BY id FOR UPDATE;

-- name: lock_deliveries_of_lead_id
-- The same by the lead's id.
SELECT id FROM deliveries
WHERE lead = (SELECT id FROM leads WHERE lead_id = :lead_id::uuid) ORDER BY id FOR UPDATE;

-- name: tell_of_leads
-- Who waits for leads on other nodes hears of them once they are here.
SELECT pg_notify('leadkeep', '');
