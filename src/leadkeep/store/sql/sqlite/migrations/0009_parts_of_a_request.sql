-- Several leads in one request: what each of them is, and deliveries of one of them.
-- Runs in one transaction. Features of SQLite 3.40 only: older shells read this database.

-- The leads of one request in their order; only where there are several, or where the source splits.
CREATE TABLE lead_parts (
  id             INTEGER PRIMARY KEY,
  lead           INTEGER NOT NULL REFERENCES leads (id) ON DELETE CASCADE,
  part           INTEGER NOT NULL CHECK (part BETWEEN 1 AND 1000),
  name           TEXT    NOT NULL,
  phone          TEXT    NOT NULL,
  email          TEXT    NOT NULL,
  vendor_lead_id TEXT    NOT NULL,
  facts          TEXT,
  body           BLOB    NOT NULL,
  UNIQUE (lead, part)
) STRICT;

CREATE INDEX lead_parts_by_phone ON lead_parts (phone) WHERE phone <> '';
CREATE INDEX lead_parts_by_email ON lead_parts (email) WHERE email <> '';

-- Requests that hold several leads which could not be told apart, and why.
CREATE TABLE unparted_leads (
  lead   INTEGER PRIMARY KEY REFERENCES leads (id) ON DELETE CASCADE,
  reason TEXT    NOT NULL
) STRICT;

-- 0: the whole request, as it came.
ALTER TABLE deliveries ADD COLUMN part INTEGER NOT NULL DEFAULT 0 CHECK (part >= 0);

-- A lead, or each part of one, goes once to each destination, and waits once while it has none.
DROP INDEX deliveries_by_lead;
CREATE UNIQUE INDEX deliveries_by_lead ON deliveries (lead, ifnull(destination, ''), part);

CREATE TRIGGER refuse_to_change_a_part
BEFORE UPDATE ON lead_parts
WHEN NOT EXISTS (SELECT 1 FROM leads WHERE id = old.lead AND disposition = 'erased')
BEGIN
  SELECT raise(ABORT, 'a part of a request never changes');
END;

CREATE TRIGGER refuse_to_drop_a_part_with_deliveries BEFORE DELETE ON lead_parts
WHEN EXISTS (SELECT 1 FROM deliveries WHERE lead = old.lead AND part = old.part)
BEGIN
  SELECT raise(ABORT, 'a part of a request is never deleted before its deliveries');
END;

CREATE TRIGGER forget_an_erased_leads_parts AFTER UPDATE OF disposition ON leads
WHEN new.disposition = 'erased' AND old.disposition <> 'erased'
BEGIN
  UPDATE lead_parts
  SET name = '', phone = '', email = '', vendor_lead_id = '', facts = NULL, body = x''
  WHERE lead = new.id;
END;

-- As before, and the payload and person of a part are the part's.
DROP VIEW lead_queue;
CREATE VIEW lead_queue AS
SELECT
  d.id AS id,
  CASE d.part
    WHEN 0 THEN
      (SELECT coalesce(l.payload_text, CAST(l.body AS TEXT)) FROM leads AS l WHERE l.id = d.lead)
    ELSE (SELECT CAST(p.body AS TEXT) FROM lead_parts AS p
          WHERE p.lead = d.lead AND p.part = d.part)
  END AS payload,
  (SELECT l.source FROM leads AS l WHERE l.id = d.lead) AS source,
  d.status AS status,
  d.attempts AS attempts,
  CASE WHEN d.status = 'held' THEN d.hold_reason ELSE d.error_message END AS error_message,
  strftime('%Y-%m-%dT%H:%M:%fZ', d.processed_at_ms / 1000.0, 'unixepoch') AS processed_at,
  (SELECT strftime('%Y-%m-%dT%H:%M:%fZ', l.received_at_ms / 1000.0, 'unixepoch')
   FROM leads AS l WHERE l.id = d.lead) AS created_at,
  strftime('%Y-%m-%dT%H:%M:%fZ', d.updated_at_ms / 1000.0, 'unixepoch') AS updated_at,
  CASE d.part
    WHEN 0 THEN (SELECT l.name FROM leads AS l WHERE l.id = d.lead)
    ELSE (SELECT p.name FROM lead_parts AS p WHERE p.lead = d.lead AND p.part = d.part)
  END AS lead_name,
  CASE d.part
    WHEN 0 THEN (SELECT l.phone FROM leads AS l WHERE l.id = d.lead)
    ELSE (SELECT p.phone FROM lead_parts AS p WHERE p.lead = d.lead AND p.part = d.part)
  END AS phone,
  CASE d.part
    WHEN 0 THEN (SELECT l.email FROM leads AS l WHERE l.id = d.lead)
    ELSE (SELECT p.email FROM lead_parts AS p WHERE p.lead = d.lead AND p.part = d.part)
  END AS email,
  (SELECT l.lead_id FROM leads AS l WHERE l.id = d.lead) AS lead_id,
  (SELECT l.lead_number FROM leads AS l WHERE l.id = d.lead) AS lead_number,
  d.destination AS destination,
  strftime('%Y-%m-%dT%H:%M:%fZ', d.next_attempt_at_ms / 1000.0, 'unixepoch') AS next_attempt_at,
  d.part AS part
FROM deliveries AS d;
