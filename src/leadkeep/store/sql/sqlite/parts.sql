-- name: insert_part
-- One lead of several in a request; parameters in the order of the columns.
INSERT INTO lead_parts (lead, part, name, phone, email, vendor_lead_id, facts, body)
VALUES (?, ?, ?, ?, ?, ?, ?, ?);

-- name: insert_unparted
-- A request whose several leads could not be told apart.
INSERT INTO unparted_leads (lead, reason) VALUES (?, ?);

-- name: insert_delivery_of_part
-- One delivery of a part (0: of the whole request); parameters in the order of the columns.
INSERT INTO deliveries
  (lead, destination, status, next_attempt_at_ms, hold_reason, created_at_ms, updated_at_ms, part)
VALUES (?, ?, ?, ?, ?, ?, ?, ?);

-- name: claimed_parts
-- The bodies of the parts that these deliveries are of, and how many their requests have.
SELECT d.id, p.body, (SELECT count(*) FROM lead_parts AS o WHERE o.lead = d.lead)
FROM json_each(:deliveries) AS wanted
CROSS JOIN deliveries AS d ON d.id = wanted.value
CROSS JOIN lead_parts AS p ON p.lead = d.lead AND p.part = d.part;

-- name: latest_part_by_phone
-- For each phone number the latest request that holds a lead with it.
SELECT wanted.value, l.id, l.source, l.received_at_ms
FROM json_each(:values) AS wanted
CROSS JOIN leads AS l ON l.id = (
  SELECT max(lead) FROM lead_parts WHERE phone = wanted.value AND phone <> '');

-- name: latest_part_by_email
-- For each email address the latest request that holds a lead with it.
SELECT wanted.value, l.id, l.source, l.received_at_ms
FROM json_each(:values) AS wanted
CROSS JOIN leads AS l ON l.id = (
  SELECT max(lead) FROM lead_parts WHERE email = wanted.value AND email <> '');

-- name: parts_that_are_not_there
-- Leads with a delivery of a part that they do not have.
SELECT l.lead_id
FROM deliveries AS d CROSS JOIN leads AS l ON l.id = d.lead
WHERE d.part > 0
  AND NOT EXISTS (SELECT 1 FROM lead_parts AS p WHERE p.lead = d.lead AND p.part = d.part)
LIMIT 100;

-- name: parts_without_delivery
-- Leads that are delivered part by part, and a part of which would never reach anybody.
SELECT l.lead_id
FROM lead_parts AS p CROSS JOIN leads AS l ON l.id = p.lead
WHERE EXISTS (SELECT 1 FROM deliveries AS d WHERE d.lead = p.lead AND d.part > 0)
  AND NOT EXISTS (SELECT 1 FROM deliveries AS d
                  WHERE d.lead = p.lead AND (d.part = p.part OR d.part = 0))
LIMIT 100;
