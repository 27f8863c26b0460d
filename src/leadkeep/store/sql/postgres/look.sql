-- name: counts_by_status
-- Deliveries by status, from the maintained counters.
SELECT status, sum(n)::bigint FROM delivery_counters GROUP BY status;

-- name: counts_by_destination
-- Deliveries by destination and status, from the maintained counters.
SELECT destination, status, n FROM delivery_counters WHERE n > 0;

-- name: held_destinations
-- Destinations that a person lets wait, with the term if there is one.
SELECT name, hold_reason, term_span_ms, term_until_ms, term_boot_id, term_until_boot_ms
FROM destination_states WHERE held;

-- name: oldest_waiting
-- When the first lead absorbed of those that wait in one status was received.
SELECT received_at_ms FROM leads WHERE lead_id = (
  SELECT lead_id FROM deliveries
  WHERE status = :status AND coalesce(destination, '') = :destination
  ORDER BY lead LIMIT 1);

-- name: delivery_views
-- Deliveries as shown in lists, newest first.
SELECT d.id, l.lead_id::text, l.lead_number, l.source, d.destination, d.status, d.attempts,
       d.next_attempt_at_ms,
       CASE d.status WHEN 'held' THEN d.hold_reason ELSE d.error_message END,
       d.processed_at_ms, l.received_at_ms, d.updated_at_ms,
       CASE d.part WHEN 0 THEN l.name ELSE p.name END,
       CASE d.part WHEN 0 THEN l.phone ELSE p.phone END,
       CASE d.part WHEN 0 THEN l.email ELSE p.email END,
       (SELECT coalesce(o.destination, '') FROM deliveries AS o WHERE o.id = d.stands_in_for),
       d.part,
       CASE d.part WHEN 0 THEN 0
         ELSE (SELECT count(*) FROM lead_parts AS o WHERE o.lead = d.lead) END
FROM deliveries AS d JOIN leads AS l ON l.lead_id = d.lead_id
LEFT JOIN lead_parts AS p ON d.part > 0 AND p.lead = d.lead AND p.part = d.part
WHERE d.id = ANY (ids_in(:deliveries::jsonb))
ORDER BY d.lead DESC, d.id DESC;

-- name: lead_by_id
-- One lead, whole, by its id.
SELECT l.id, l.lead_id::text, l.lead_number, l.source, l.disposition, l.acknowledged,
       l.received_at_ms, l.absorbed_at_ms, l.peer, l.method, l.target, l.headers, l.body,
       coalesce(l.payload_text, readable(l.body)), l.answer_status, l.name, l.phone, l.email,
       l.vendor_lead_id, s.segment::text, l.group_offset, l.facts, l.certificate_expires_at_ms,
       (SELECT n.lead_number FROM lead_numbers AS n WHERE n.lead = l.duplicate_of),
       (SELECT n.lead_number FROM lead_numbers AS n WHERE n.lead = l.same_person_as), l.flags
FROM leads AS l JOIN segments AS s ON s.id = l.segment
WHERE l.lead_id = :ref::uuid;

-- name: lead_by_number
-- One lead, whole, by its 13-digit number.
SELECT l.id, l.lead_id::text, l.lead_number, l.source, l.disposition, l.acknowledged,
       l.received_at_ms, l.absorbed_at_ms, l.peer, l.method, l.target, l.headers, l.body,
       coalesce(l.payload_text, readable(l.body)), l.answer_status, l.name, l.phone, l.email,
       l.vendor_lead_id, s.segment::text, l.group_offset, l.facts, l.certificate_expires_at_ms,
       (SELECT n.lead_number FROM lead_numbers AS n WHERE n.lead = l.duplicate_of),
       (SELECT n.lead_number FROM lead_numbers AS n WHERE n.lead = l.same_person_as), l.flags
FROM leads AS l JOIN segments AS s ON s.id = l.segment
WHERE l.lead_id = (SELECT lead_id FROM lead_numbers WHERE lead_number = :ref::bigint);
