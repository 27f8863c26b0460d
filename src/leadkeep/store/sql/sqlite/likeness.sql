-- name: same_fingerprint
-- Leads that may be the original of a new one, each with whether it is on its way or confirmed,
-- everywhere it goes.
SELECT l.fingerprint, l.id, l.lead_number, l.received_at_ms,
       l.disposition = 'routed' AND NOT EXISTS (
         SELECT 1 FROM deliveries AS d WHERE d.lead = l.id
           AND (d.status = 'held' OR d.status = 'failed' OR d.status = 'cancelled')) AS stands,
       l.headers, l.method, l.target, l.body
FROM json_each(:fingerprints) AS wanted
CROSS JOIN leads AS l
  ON l.fingerprint >= wanted.value AND l.fingerprint <= wanted.value + :others
ORDER BY l.id DESC;

-- name: latest_by_phone
-- For each phone number the latest lead that has it.
SELECT wanted.value, l.id, l.source, l.received_at_ms
FROM json_each(:values) AS wanted
CROSS JOIN leads AS l ON l.id = (
  SELECT max(id) FROM leads WHERE phone = wanted.value AND phone <> '');

-- name: latest_by_email
-- For each email address the latest lead that has it.
SELECT wanted.value, l.id, l.source, l.received_at_ms
FROM json_each(:values) AS wanted
CROSS JOIN leads AS l ON l.id = (
  SELECT max(id) FROM leads WHERE email = wanted.value AND email <> '');

-- name: latest_by_phone_of_source
-- The latest lead of one source that has this phone number.
SELECT max(received_at_ms), id FROM leads
WHERE phone = :value AND phone <> '' AND source = :source;

-- name: latest_by_email_of_source
-- The latest lead of one source that has this email address.
SELECT max(received_at_ms), id FROM leads
WHERE email = :value AND email <> '' AND source = :source;

-- name: open_copy
-- A copy waits for what becomes of its original.
INSERT INTO open_copies (lead, original) VALUES (?, ?);

-- name: open_copies
-- Copies that wait, each with how its original stands: settled when all of it is confirmed, stopped
-- when a person has held or cancelled some of it.
SELECT c.lead, o.lead_number,
       NOT EXISTS (SELECT 1 FROM deliveries AS d
                   WHERE d.lead = c.original AND d.status <> 'completed') AS confirmed,
       (SELECT d.status FROM deliveries AS d
        WHERE d.lead = c.original AND (d.status = 'held' OR d.status = 'cancelled')
        LIMIT 1) AS stopped
FROM open_copies AS c CROSS JOIN leads AS o ON o.id = c.original
WHERE c.lead > :after
ORDER BY c.lead
LIMIT :limit;

-- name: held_deliveries_of_copy
-- A copy's deliveries that wait with it.
SELECT d.id, l.lead_id, d.destination, d.part
FROM deliveries AS d CROSS JOIN leads AS l ON l.id = d.lead
WHERE d.lead = :lead AND d.status = 'held';

-- name: copies_meant
-- Those of these leads that are copies.
SELECT id FROM leads
WHERE disposition = 'duplicate'
  AND (lead_id IN (SELECT value FROM json_each(:lead_ids))
       OR lead_number IN (SELECT value FROM json_each(:lead_numbers)));

-- name: let_copy_go
-- A copy is delivered all the same: due at once.
UPDATE deliveries
SET status = 'pending', hold_reason = '', error_message = '', next_attempt_at_ms = :now_ms,
    first_attempt_at_ms = NULL, updated_at_ms = :now_ms
WHERE lead = :lead AND (status = 'held' OR status = 'cancelled')
RETURNING id, destination;

-- name: note_copy_action
-- One line in the log of actions.
INSERT INTO actions (at_ms, actor, verb, delivery, reason)
VALUES (:now_ms, :actor, :verb, :delivery, :reason);

-- name: certificates_at_stake
-- Leads that wait and whose certificate of consent can soon no longer be claimed.
SELECT count(*), min(l.certificate_expires_at_ms)
FROM leads AS l
WHERE l.certificate_expires_at_ms > :now_ms AND l.certificate_expires_at_ms <= :before_ms
  AND EXISTS (SELECT 1 FROM deliveries AS d WHERE d.lead = l.id
              AND d.status <> 'completed' AND d.status <> 'cancelled');
