-- name: segment_position
-- How far this segment has been absorbed.
SELECT position FROM segments WHERE segment = :segment;

-- name: segment_progress
-- How far each known segment has been absorbed, with the journal's counts.
SELECT segment, journal, position, finished, leads, probes, rejections, handshakes, pings
FROM segments;

-- name: move_segment
-- Note how far we have read; the caller has compared the old position in this transaction.
INSERT INTO segments
  (segment, journal, position, finished, leads, probes, rejections, handshakes, pings,
   updated_at_ms)
VALUES
  (:segment, :journal, :position, :finished, :leads, :probes, :rejections, :handshakes, :pings,
   :now_ms)
ON CONFLICT (segment) DO UPDATE SET
  journal = excluded.journal, position = excluded.position, finished = excluded.finished,
  leads = excluded.leads, probes = excluded.probes, rejections = excluded.rejections,
  handshakes = excluded.handshakes, pings = excluded.pings, updated_at_ms = excluded.updated_at_ms
RETURNING id;

-- name: widen_segment
-- Note which leads came from this segment.
UPDATE segments
SET first_lead = min(ifnull(first_lead, :first_lead), :first_lead),
    last_lead = max(ifnull(last_lead, :last_lead), :last_lead)
WHERE id = :segment;

-- name: known_leads
-- Which of these lead ids are in the store already.
SELECT id, lead_id, acknowledged, quarantine_reason
FROM leads WHERE lead_id IN (SELECT value FROM json_each(:lead_ids));

-- name: highest_lead_id
-- The highest lead id known, as text; nothing yet: empty.
SELECT ifnull(max(lead_id), '') FROM leads;

-- name: taken_numbers
-- Which of these lead numbers are in the store already.
SELECT lead_number FROM leads
WHERE lead_number IN (SELECT value FROM json_each(:lead_numbers));

-- name: highest_lead_number
-- The highest lead number known; nothing yet: 0.
SELECT ifnull(max(lead_number), 0) FROM leads;

-- name: last_lead
-- The highest lead row id ever used.
SELECT ifnull((SELECT seq FROM sqlite_sequence WHERE name = 'leads'), 0);

-- name: insert_lead
-- One lead; parameters in the order of the columns.
INSERT INTO leads
  (id, lead_id, lead_number, source, disposition, acknowledged, quarantine_reason, received_at_ms,
   absorbed_at_ms, name, phone, email, vendor_lead_id, segment, group_offset, peer, method, flags,
   answer_status, target, headers, payload_text, body, facts, is_test, certificate_expires_at_ms,
   duplicate_of, same_person_as, fingerprint)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?);

-- name: insert_delivery
-- One delivery; parameters in the order of the columns.
INSERT INTO deliveries
  (lead, destination, status, next_attempt_at_ms, hold_reason, created_at_ms, updated_at_ms)
VALUES (?, ?, ?, ?, ?, ?, ?);

-- name: insert_notice
-- A probe, rejection or handshake; parameters in the order of the columns.
INSERT INTO notices
  (kind, received_at_ms, source, peer, method, path, answer_status, detail)
VALUES (?, ?, ?, ?, ?, ?, ?, ?);

-- name: acknowledge_lead
-- A copy turned up that the vendor got a 2xx for: that one counts.
UPDATE leads
SET acknowledged = 1,
    disposition = iif(disposition = 'duplicate', disposition, :disposition), quarantine_reason = :quarantine_reason
WHERE id = :lead;

-- name: deliveries_held_since_absorbed
-- Deliveries of a lead that are held for the reason that absorbing gave, oldest first.
SELECT id, destination, part FROM deliveries
WHERE lead = :lead AND status = 'held' AND hold_reason = :quarantine_reason
ORDER BY id;

-- name: redo_delivery
-- Put a delivery where an acknowledged copy of its lead would have put it.
UPDATE deliveries
SET destination = :destination, status = :status, next_attempt_at_ms = :next_attempt_at_ms,
    hold_reason = :hold_reason, updated_at_ms = :now_ms
WHERE id = :delivery AND status = 'held';

-- name: unrouted_deliveries
-- Deliveries of leads that came while no destination existed and that nobody cancelled.
WITH waiting (id) AS (
  SELECT id FROM deliveries INDEXED BY deliveries_due
  WHERE status = 'pending' AND destination IS NULL AND behind IS NOT 1
  UNION ALL
  SELECT id FROM deliveries WHERE status = 'held' AND destination IS NULL
)
SELECT d.id, d.lead, d.status, d.next_attempt_at_ms, d.hold_reason, d.part
FROM waiting
CROSS JOIN deliveries AS d ON d.id = waiting.id
CROSS JOIN leads AS l ON l.id = d.lead
WHERE l.disposition = 'unrouted'
LIMIT :limit;

-- name: give_destination
-- A delivery that had no destination gets one; its status stays.
UPDATE deliveries SET destination = :destination, updated_at_ms = :now_ms
WHERE id = :delivery AND destination IS NULL;

-- name: mark_routed
-- A lead belongs to a destination now.
UPDATE leads SET disposition = 'routed' WHERE id = :lead;
