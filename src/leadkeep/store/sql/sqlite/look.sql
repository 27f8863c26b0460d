-- name: counts_by_status
-- Deliveries by status, from the maintained counters.
SELECT status, sum(n) FROM delivery_counts GROUP BY status;

-- name: counts_by_destination
-- Deliveries by destination and status, from the maintained counters.
SELECT destination, status, n FROM delivery_counts WHERE n > 0;

-- name: held_destinations
-- Destinations that a person lets wait, with the term if there is one.
SELECT name, hold_reason, term_span_ms, term_until_ms, term_boot_id, term_until_boot_ms
FROM destination_states WHERE held = 1;

-- name: oldest_waiting
-- When the first lead absorbed of those that wait in one status was received.
SELECT received_at_ms FROM leads WHERE id = (
  SELECT lead FROM deliveries
  WHERE status = :status AND ifnull(destination, '') = :destination
  ORDER BY lead LIMIT 1);

-- name: delivery_views
-- Deliveries as shown in lists, newest first.
SELECT d.id, l.lead_id, l.lead_number, l.source, d.destination, d.status, d.attempts,
       d.next_attempt_at_ms,
       iif(d.status = 'held', d.hold_reason, d.error_message),
       d.processed_at_ms, l.received_at_ms, d.updated_at_ms,
       iif(d.part = 0, l.name, p.name), iif(d.part = 0, l.phone, p.phone),
       iif(d.part = 0, l.email, p.email),
       (SELECT ifnull(o.destination, '') FROM deliveries AS o WHERE o.id = d.stands_in_for),
       d.part,
       iif(d.part = 0, 0, (SELECT count(*) FROM lead_parts AS o WHERE o.lead = d.lead))
FROM deliveries AS d JOIN leads AS l ON l.id = d.lead
LEFT JOIN lead_parts AS p ON d.part > 0 AND p.lead = d.lead AND p.part = d.part
WHERE d.id IN (SELECT value FROM json_each(:deliveries))
ORDER BY d.lead DESC, d.id DESC;

-- name: lead_by_id
-- One lead, whole, by its id.
SELECT l.id, l.lead_id, l.lead_number, l.source, l.disposition, l.acknowledged, l.received_at_ms,
       l.absorbed_at_ms, l.peer, l.method, l.target, l.headers, l.body,
       coalesce(l.payload_text, CAST(l.body AS TEXT)), l.answer_status, l.name, l.phone, l.email,
       l.vendor_lead_id, s.segment, l.group_offset, l.facts, l.certificate_expires_at_ms,
       (SELECT lead_number FROM leads WHERE id = l.duplicate_of),
       (SELECT lead_number FROM leads WHERE id = l.same_person_as), l.flags
FROM leads AS l JOIN segments AS s ON s.id = l.segment
WHERE l.lead_id = :ref;

-- name: lead_by_number
-- One lead, whole, by its 13-digit number.
SELECT l.id, l.lead_id, l.lead_number, l.source, l.disposition, l.acknowledged, l.received_at_ms,
       l.absorbed_at_ms, l.peer, l.method, l.target, l.headers, l.body,
       coalesce(l.payload_text, CAST(l.body AS TEXT)), l.answer_status, l.name, l.phone, l.email,
       l.vendor_lead_id, s.segment, l.group_offset, l.facts, l.certificate_expires_at_ms,
       (SELECT lead_number FROM leads WHERE id = l.duplicate_of),
       (SELECT lead_number FROM leads WHERE id = l.same_person_as), l.flags
FROM leads AS l JOIN segments AS s ON s.id = l.segment
WHERE l.lead_number = :ref;
