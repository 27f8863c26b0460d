-- name: same_fingerprint
-- Leads that may be the original of a new one, each with whether it is on its way or confirmed,
-- everywhere it goes.
SELECT l.fingerprint, l.id, l.lead_number, l.received_at_ms,
       l.disposition = 'routed' AND NOT EXISTS (
         SELECT FROM deliveries AS d WHERE d.lead = l.id
           AND d.status IN ('held', 'failed', 'cancelled')) AS stands,
       l.headers, l.method, l.target, l.body
FROM unnest(ids_in(:fingerprints::jsonb)) AS wanted (value)
JOIN leads AS l
  ON l.fingerprint >= wanted.value AND l.fingerprint <= wanted.value + :others::bigint
ORDER BY l.id DESC;

-- name: latest_by_phone
-- For each phone number the latest lead that has it.
SELECT wanted.value, l.id, l.source, l.received_at_ms
FROM unnest(texts_in(:values::jsonb)) AS wanted (value)
CROSS JOIN LATERAL (
  SELECT id, source, received_at_ms FROM leads
  WHERE phone = wanted.value AND phone <> '' ORDER BY id DESC LIMIT 1) AS l;

-- name: latest_by_email
-- For each email address the latest lead that has it.
SELECT wanted.value, l.id, l.source, l.received_at_ms
FROM unnest(texts_in(:values::jsonb)) AS wanted (value)
CROSS JOIN LATERAL (
  SELECT id, source, received_at_ms FROM leads
  WHERE email = wanted.value AND email <> '' ORDER BY id DESC LIMIT 1) AS l;

-- name: latest_by_phone_of_source
-- The latest lead of one source that has this phone number.
SELECT received_at_ms, id FROM leads
WHERE phone = :value AND phone <> '' AND source = :source
ORDER BY received_at_ms DESC LIMIT 1;

-- name: latest_by_email_of_source
-- The latest lead of one source that has this email address.
SELECT received_at_ms, id FROM leads
WHERE email = :value AND email <> '' AND source = :source
ORDER BY received_at_ms DESC LIMIT 1;

-- name: open_copy
-- Copies wait for what becomes of their originals.
INSERT INTO open_copies (lead, original) SELECT * FROM unnest($1::bigint[], $2::bigint[]);

-- name: open_copies
-- Copies that wait, each with how its original stands: settled when all of it is confirmed, stopped
-- when a person has held or cancelled some of it.
SELECT c.lead, o.lead_number,
       NOT EXISTS (SELECT FROM deliveries AS d
                   WHERE d.lead = c.original AND d.status <> 'completed') AS confirmed,
       (SELECT d.status FROM deliveries AS d
        WHERE d.lead = c.original AND d.status IN ('held', 'cancelled')
        LIMIT 1) AS stopped
FROM open_copies AS c JOIN lead_numbers AS o ON o.lead = c.original
WHERE c.lead > :after
ORDER BY c.lead
LIMIT :limit;

-- name: held_deliveries_of_copy
-- A copy's deliveries that wait with it.
SELECT d.id, d.lead_id::text, d.destination, d.part
FROM deliveries AS d WHERE d.lead = :lead AND d.status = 'held'
ORDER BY d.id FOR UPDATE;

-- name: copies_meant
-- Those of these leads that are copies.
SELECT id FROM leads
WHERE disposition = 'duplicate'
  AND lead_id = ANY (uuids_in(:lead_ids::jsonb) || ARRAY(
    SELECT lead_id FROM lead_numbers WHERE lead_number = ANY (ids_in(:lead_numbers::jsonb))))
ORDER BY id;

-- name: let_copy_go
-- A copy is delivered all the same: due at once.
UPDATE deliveries
SET status = 'pending', hold_reason = '', error_message = '', next_attempt_at_ms = :now_ms,
    first_attempt_at_ms = NULL, updated_at_ms = :now_ms
WHERE lead = :lead AND status IN ('held', 'cancelled')
RETURNING id, destination;

-- name: note_copy_action
-- Lines in the log of actions.
INSERT INTO actions (at_ms, actor, verb, delivery, reason)
SELECT * FROM unnest(:now_ms::bigint[], :actor::text[], :verb::text[], :delivery::bigint[],
                     :reason::text[]);

-- name: certificates_at_stake
-- Leads that wait and whose certificate of consent can soon no longer be claimed.
SELECT count(*), min(l.certificate_expires_at_ms)
FROM leads AS l
WHERE l.certificate_expires_at_ms > :now_ms AND l.certificate_expires_at_ms <= :before_ms
  AND EXISTS (SELECT FROM deliveries AS d WHERE d.lead = l.id
              AND d.status <> 'completed' AND d.status <> 'cancelled');
