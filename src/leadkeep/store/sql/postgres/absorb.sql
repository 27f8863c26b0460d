-- name: segment_position
-- How far this segment has been absorbed.
SELECT position FROM segments WHERE segment = :segment::uuid;

-- name: segment_progress
-- How far each known segment has been absorbed, with the journal's counts.
SELECT segment::text, journal, position, finished, leads, probes, rejections, handshakes, pings
FROM segments;

-- name: move_segment
-- Note how far we have read; the caller has compared the old position in this transaction.
INSERT INTO segments
  (segment, journal, position, finished, leads, probes, rejections, handshakes, pings,
   updated_at_ms)
VALUES
  (:segment::uuid, :journal, :position, :finished, :leads, :probes, :rejections, :handshakes,
   :pings, :now_ms)
ON CONFLICT (segment) DO UPDATE SET
  journal = excluded.journal, position = excluded.position, finished = excluded.finished,
  leads = excluded.leads, probes = excluded.probes, rejections = excluded.rejections,
  handshakes = excluded.handshakes, pings = excluded.pings, updated_at_ms = excluded.updated_at_ms
RETURNING id;

-- name: widen_segment
-- Note which leads came from this segment.
UPDATE segments
SET first_lead = least(first_lead, :first_lead::bigint),
    last_lead = greatest(last_lead, :last_lead::bigint)
WHERE id = :segment;

-- name: known_leads
-- Which of these lead ids are in the store already.
SELECT id, lead_id::text, acknowledged, quarantine_reason
FROM leads WHERE lead_id = ANY (uuids_in(:lead_ids::jsonb));

-- name: highest_lead_id
-- The highest lead id known, as text; nothing yet: empty.
SELECT coalesce((SELECT lead_id::text FROM leads ORDER BY lead_id DESC LIMIT 1), '');

-- name: taken_numbers
-- Which of these lead numbers some lead has, or had.
SELECT lead_number FROM lead_numbers
WHERE lead_number = ANY (ids_in(:lead_numbers::jsonb));

-- name: highest_lead_number
-- The highest lead number known; nothing yet: 0.
SELECT coalesce(max(lead_number), 0) FROM lead_numbers;

-- name: last_lead
-- The highest lead row id ever used.
SELECT coalesce(max(lead), 0) FROM lead_numbers;

-- name: insert_lead
-- Leads; parameters in the order of the columns.
WITH given AS (
  SELECT * FROM unnest(
    $1::bigint[], $2::uuid[], $3::bigint[], $4::text[], $5::text[], $6::boolean[], $7::text[],
    $8::bigint[], $9::bigint[], $10::text[], $11::text[], $12::text[], $13::text[], $14::bigint[],
    $15::bigint[], $16::text[], $17::text[], $18::integer[], $19::integer[], $20::bytea[],
    $21::bytea[], $22::text[], $23::bytea[], $24::text[], $25::boolean[], $26::bigint[],
    $27::bigint[], $28::bigint[], $29::bigint[]
  ) AS given
    (id, lead_id, lead_number, source, disposition, acknowledged, quarantine_reason,
     received_at_ms, absorbed_at_ms, name, phone, email, vendor_lead_id, segment, group_offset,
     peer, method, flags, answer_status, target, headers, payload_text, body, facts, is_test,
     certificate_expires_at_ms, duplicate_of, same_person_as, fingerprint)
), numbered AS (
  INSERT INTO lead_numbers (lead_number, lead, lead_id)
  SELECT lead_number, id, lead_id FROM given
)
INSERT INTO leads
  (id, lead_id, lead_number, source, disposition, acknowledged, quarantine_reason, received_at_ms,
   absorbed_at_ms, name, phone, email, vendor_lead_id, segment, group_offset, peer, method, flags,
   answer_status, target, headers, payload_text, body, facts, is_test, certificate_expires_at_ms,
   duplicate_of, same_person_as, fingerprint)
SELECT * FROM given;

-- name: insert_delivery
-- Deliveries; parameters in the order of the columns.
INSERT INTO deliveries
  (lead, lead_id, destination, status, next_attempt_at_ms, hold_reason, created_at_ms,
   updated_at_ms)
SELECT n.lead, n.lead_id, g.destination, g.status, g.due, g.reason, g.created, g.updated
FROM unnest($1::bigint[], $2::text[], $3::text[], $4::bigint[], $5::text[], $6::bigint[],
            $7::bigint[])
  WITH ORDINALITY AS g (lead, destination, status, due, reason, created, updated, place)
JOIN lead_numbers AS n ON n.lead = g.lead
ORDER BY g.place;

-- name: insert_notice
-- Probes, rejections and handshakes; parameters in the order of the columns.
INSERT INTO notices
  (kind, received_at_ms, source, peer, method, path, answer_status, detail)
SELECT * FROM unnest($1::text[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::text[],
                     $7::integer[], $8::text[]);

-- name: acknowledge_lead
-- A copy turned up that the vendor got a 2xx for: that one counts.
UPDATE leads
SET acknowledged = true,
    disposition = CASE disposition WHEN 'duplicate' THEN disposition ELSE :disposition::text END,
    quarantine_reason = :quarantine_reason
WHERE id = :lead;

-- name: deliveries_held_since_absorbed
-- Deliveries of a lead that are held for the reason that absorbing gave, oldest first.
SELECT id, destination, part FROM deliveries
WHERE lead = :lead AND status = 'held' AND hold_reason = :quarantine_reason
ORDER BY id FOR UPDATE;

-- name: redo_delivery
-- Put a delivery where an acknowledged copy of its lead would have put it.
UPDATE deliveries
SET destination = :destination::text, status = :status,
    next_attempt_at_ms = :next_attempt_at_ms::bigint,
    hold_reason = :hold_reason, updated_at_ms = :now_ms
WHERE id = :delivery AND status = 'held';

-- name: unrouted_deliveries
-- Deliveries of leads that came while no destination existed and that nobody cancelled.
WITH waiting AS (
  SELECT id FROM deliveries
  WHERE status = 'pending' AND destination IS NULL AND behind IS DISTINCT FROM 1
  UNION ALL
  SELECT id FROM deliveries WHERE status = 'held' AND destination IS NULL
)
SELECT d.id, d.lead, d.status, d.next_attempt_at_ms, d.hold_reason, d.part
FROM waiting
JOIN deliveries AS d ON d.id = waiting.id
JOIN leads AS l ON l.lead_id = d.lead_id
WHERE l.disposition = 'unrouted'
ORDER BY d.id LIMIT :limit
FOR UPDATE OF d;

-- name: give_destination
-- A delivery that had no destination gets one; its status stays.
UPDATE deliveries AS d SET destination = g.destination, updated_at_ms = g.now_ms
FROM unnest(:delivery::bigint[], :destination::text[], :now_ms::bigint[])
  AS g (delivery, destination, now_ms)
WHERE d.id = g.delivery AND d.destination IS NULL;

-- name: mark_routed
-- A lead belongs to a destination now.
UPDATE leads SET disposition = 'routed'
WHERE lead_id = ANY (ARRAY(SELECT n.lead_id FROM unnest(:lead::bigint[]) AS g (lead)
                           JOIN lead_numbers AS n ON n.lead = g.lead));
