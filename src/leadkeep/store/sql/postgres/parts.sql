-- name: insert_part
-- Leads of several in a request; parameters in the order of the columns.
INSERT INTO lead_parts (lead, part, name, phone, email, vendor_lead_id, facts, body)
SELECT * FROM unnest($1::bigint[], $2::integer[], $3::text[], $4::text[], $5::text[], $6::text[],
                     $7::text[], $8::bytea[]);

-- name: insert_unparted
-- A request whose several leads could not be told apart.
INSERT INTO unparted_leads (lead, reason) VALUES ($1, $2);

-- name: insert_delivery_of_part
-- Deliveries of a part (0: of the whole request); parameters in the order of the columns.
INSERT INTO deliveries
  (lead, lead_id, destination, status, next_attempt_at_ms, hold_reason, created_at_ms,
   updated_at_ms, part)
SELECT n.lead, n.lead_id, g.destination, g.status, g.due, g.reason, g.created, g.updated, g.part
FROM unnest($1::bigint[], $2::text[], $3::text[], $4::bigint[], $5::text[], $6::bigint[],
            $7::bigint[], $8::integer[])
  WITH ORDINALITY AS g (lead, destination, status, due, reason, created, updated, part, place)
JOIN lead_numbers AS n ON n.lead = g.lead
ORDER BY g.place;

-- name: claimed_parts
-- The bodies of the parts that these deliveries are of, and how many their requests have.
SELECT d.id, p.body, (SELECT count(*) FROM lead_parts AS o WHERE o.lead = d.lead)
FROM deliveries AS d JOIN lead_parts AS p ON p.lead = d.lead AND p.part = d.part
WHERE d.id = ANY (ids_in(:deliveries::jsonb));

-- name: latest_part_by_phone
-- For each phone number the latest request that holds a lead with it.
SELECT wanted.value, l.id, l.source, l.received_at_ms
FROM unnest(texts_in(:values::jsonb)) AS wanted (value)
JOIN leads AS l ON l.lead_id = (
  SELECT n.lead_id FROM lead_parts AS p JOIN lead_numbers AS n ON n.lead = p.lead
  WHERE p.phone = wanted.value AND p.phone <> '' ORDER BY p.lead DESC LIMIT 1);

-- name: latest_part_by_email
-- For each email address the latest request that holds a lead with it.
SELECT wanted.value, l.id, l.source, l.received_at_ms
FROM unnest(texts_in(:values::jsonb)) AS wanted (value)
JOIN leads AS l ON l.lead_id = (
  SELECT n.lead_id FROM lead_parts AS p JOIN lead_numbers AS n ON n.lead = p.lead
  WHERE p.email = wanted.value AND p.email <> '' ORDER BY p.lead DESC LIMIT 1);

-- name: parts_that_are_not_there
-- Leads with a delivery of a part that they do not have.
SELECT d.lead_id::text FROM deliveries AS d
WHERE d.part > 0
  AND NOT EXISTS (SELECT FROM lead_parts AS p WHERE p.lead = d.lead AND p.part = d.part)
LIMIT 100;

-- name: parts_without_delivery
-- Leads that are delivered part by part, and a part of which would never reach anybody.
SELECT n.lead_id::text
FROM lead_parts AS p JOIN lead_numbers AS n ON n.lead = p.lead
WHERE EXISTS (SELECT FROM deliveries AS d WHERE d.lead = p.lead AND d.part > 0)
  AND NOT EXISTS (SELECT FROM deliveries AS d
                  WHERE d.lead = p.lead AND (d.part = p.part OR d.part = 0))
LIMIT 100;
