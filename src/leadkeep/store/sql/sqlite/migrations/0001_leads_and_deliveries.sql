-- Leads, their deliveries and attempts, what was absorbed from which segment, and the counters.
-- Runs in one transaction. Features of SQLite 3.40 only: older shells read this database.
-- CASE where IN would do: SQLite builds a table for a list of three or more, at every check.

CREATE TABLE segments (
  id              INTEGER PRIMARY KEY,
  segment         TEXT    NOT NULL UNIQUE CHECK (length(segment) = 36),
  journal         TEXT    NOT NULL,
  position        INTEGER NOT NULL CHECK (position >= 0),
  finished        INTEGER NOT NULL CHECK (finished IN (0, 1)),
  leads           INTEGER NOT NULL CHECK (leads >= 0),
  probes          INTEGER NOT NULL CHECK (probes >= 0),
  rejections      INTEGER NOT NULL CHECK (rejections >= 0),
  handshakes      INTEGER NOT NULL CHECK (handshakes >= 0),
  first_lead      INTEGER,
  last_lead       INTEGER,
  updated_at_ms   INTEGER NOT NULL,
  forgotten_at_ms INTEGER,
  CONSTRAINT a_range_has_two_ends CHECK ((first_lead IS NULL) = (last_lead IS NULL))
) STRICT;

-- Large columns come last, so that reading the others never touches their pages.
CREATE TABLE leads (
  id                INTEGER PRIMARY KEY AUTOINCREMENT,
  lead_id           TEXT    NOT NULL UNIQUE CHECK (length(lead_id) = 36),
  lead_number       INTEGER NOT NULL UNIQUE
                    CHECK (lead_number BETWEEN 1000000000000 AND 9999999999999),
  source            TEXT    NOT NULL,
  disposition       TEXT    NOT NULL
                    CHECK (CASE disposition
                             WHEN 'routed' THEN 1 WHEN 'unrouted' THEN 1
                             WHEN 'quarantined' THEN 1 WHEN 'duplicate' THEN 1
                             WHEN 'erased' THEN 1 ELSE 0 END),
  acknowledged      INTEGER NOT NULL CHECK (acknowledged IN (0, 1)),
  quarantine_reason TEXT    NOT NULL,
  received_at_ms    INTEGER NOT NULL CHECK (received_at_ms >= 0),
  absorbed_at_ms    INTEGER NOT NULL,
  name              TEXT    NOT NULL,
  phone             TEXT    NOT NULL,
  email             TEXT    NOT NULL,
  vendor_lead_id    TEXT    NOT NULL,
  duplicate_of      INTEGER REFERENCES leads (id),
  segment           INTEGER NOT NULL REFERENCES segments (id),
  group_offset      INTEGER NOT NULL CHECK (group_offset >= 0),
  peer              TEXT    NOT NULL,
  method            TEXT    NOT NULL,
  flags             INTEGER NOT NULL,
  answer_status     INTEGER NOT NULL,
  target            BLOB    NOT NULL,
  headers           BLOB    NOT NULL,
  payload_text      TEXT,
  body              BLOB    NOT NULL
) STRICT;

CREATE INDEX leads_by_time ON leads (received_at_ms);
CREATE INDEX leads_by_original ON leads (duplicate_of) WHERE duplicate_of IS NOT NULL;

CREATE TABLE deliveries (
  id                  INTEGER PRIMARY KEY AUTOINCREMENT,
  lead                INTEGER NOT NULL REFERENCES leads (id),
  destination         TEXT,
  status              TEXT    NOT NULL,
  attempts            INTEGER NOT NULL DEFAULT 0 CHECK (attempts >= 0),
  fence               INTEGER NOT NULL DEFAULT 0 CHECK (fence >= 0),
  next_attempt_at_ms  INTEGER,
  first_attempt_at_ms INTEGER,
  lease_boot_id       TEXT,
  lease_until_boot_ms INTEGER,
  lease_owner         TEXT,
  error_message       TEXT    NOT NULL DEFAULT '',
  hold_reason         TEXT    NOT NULL DEFAULT '',
  processed_at_ms     INTEGER,
  created_at_ms       INTEGER NOT NULL,
  updated_at_ms       INTEGER NOT NULL,
  CONSTRAINT status_is_known CHECK
    (CASE status
       WHEN 'pending' THEN 1 WHEN 'processing' THEN 1 WHEN 'completed' THEN 1
       WHEN 'failed' THEN 1 WHEN 'held' THEN 1 WHEN 'cancelled' THEN 1 ELSE 0 END),
  CONSTRAINT waiting_has_its_time CHECK
    ((status IN ('pending', 'processing')) = (next_attempt_at_ms IS NOT NULL)),
  CONSTRAINT processing_is_leased CHECK
    ((status = 'processing') = (lease_boot_id IS NOT NULL)
     AND (status = 'processing') = (lease_until_boot_ms IS NOT NULL)
     AND (status = 'processing') = (lease_owner IS NOT NULL)),
  CONSTRAINT processing_has_a_destination CHECK
    (status <> 'processing' OR destination IS NOT NULL),
  CONSTRAINT completed_has_its_time CHECK
    ((status = 'completed') = (processed_at_ms IS NOT NULL)),
  CONSTRAINT only_held_has_a_reason CHECK (status = 'held' OR hold_reason = '')
) STRICT;

-- A lead goes once to each destination, and waits once while it has none.
CREATE UNIQUE INDEX deliveries_by_lead ON deliveries (lead, ifnull(destination, ''));
-- What is due; only what waits is in it.
CREATE INDEX deliveries_due ON deliveries (destination, next_attempt_at_ms)
  WHERE status = 'pending';
-- Covers counting, unsettled leads of a segment, and lists by status, newest first.
CREATE INDEX deliveries_by_status ON deliveries (status, lead, destination);

CREATE TABLE attempts (
  id               INTEGER PRIMARY KEY,
  delivery         INTEGER NOT NULL REFERENCES deliveries (id),
  fence            INTEGER NOT NULL,
  attempt          INTEGER NOT NULL,
  worker           TEXT    NOT NULL,
  stale            INTEGER NOT NULL CHECK (stale IN (0, 1)),
  outcome          TEXT    NOT NULL
                   CHECK (CASE outcome WHEN 'completed' THEN 1 WHEN 'pending' THEN 1
                                       WHEN 'failed' THEN 1 ELSE 0 END),
  started_at_ms    INTEGER NOT NULL,
  duration_ms      INTEGER NOT NULL,
  recorded_at_ms   INTEGER NOT NULL,
  error_class      TEXT    NOT NULL,
  error_message    TEXT    NOT NULL,
  response_status  INTEGER,
  response_headers BLOB    NOT NULL,
  response_body    BLOB    NOT NULL,
  UNIQUE (delivery, fence)
) STRICT;

CREATE TABLE notices (
  id             INTEGER PRIMARY KEY,
  kind           TEXT    NOT NULL
                 CHECK (CASE kind WHEN 'probe' THEN 1 WHEN 'rejection' THEN 1
                                  WHEN 'handshake' THEN 1 ELSE 0 END),
  received_at_ms INTEGER NOT NULL,
  source         TEXT    NOT NULL,
  peer           TEXT    NOT NULL,
  method         TEXT    NOT NULL,
  path           TEXT    NOT NULL,
  answer_status  INTEGER NOT NULL,
  detail         TEXT    NOT NULL
) STRICT;

CREATE TABLE destination_states (
  name        TEXT    PRIMARY KEY,
  held        INTEGER NOT NULL CHECK (held IN (0, 1)),
  hold_reason TEXT    NOT NULL,
  since_ms    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE actions (
  id          INTEGER PRIMARY KEY,
  at_ms       INTEGER NOT NULL,
  actor       TEXT    NOT NULL,
  verb        TEXT    NOT NULL,
  delivery    INTEGER,
  destination TEXT,
  reason      TEXT    NOT NULL,
  CONSTRAINT an_action_has_a_subject CHECK (delivery IS NOT NULL OR destination IS NOT NULL)
) STRICT;

CREATE INDEX actions_by_delivery ON actions (delivery) WHERE delivery IS NOT NULL;

-- Kept by the triggers below, so that no writer, not even a shell, can make them drift.
CREATE TABLE delivery_counts (
  destination TEXT    NOT NULL,
  status      TEXT    NOT NULL,
  n           INTEGER NOT NULL CHECK (n >= 0),
  PRIMARY KEY (destination, status)
) STRICT, WITHOUT ROWID;

CREATE TABLE notice_counts (
  kind TEXT    PRIMARY KEY,
  n    INTEGER NOT NULL CHECK (n >= 0)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER count_a_new_delivery AFTER INSERT ON deliveries
BEGIN
  INSERT INTO delivery_counts (destination, status, n)
  VALUES (ifnull(new.destination, ''), new.status, 1)
  ON CONFLICT (destination, status) DO UPDATE SET n = n + 1;
END;

CREATE TRIGGER count_a_moved_delivery AFTER UPDATE OF status, destination ON deliveries
WHEN old.status <> new.status OR old.destination IS NOT new.destination
BEGIN
  UPDATE delivery_counts SET n = n - 1
  WHERE destination = ifnull(old.destination, '') AND status = old.status;
  INSERT INTO delivery_counts (destination, status, n)
  VALUES (ifnull(new.destination, ''), new.status, 1)
  ON CONFLICT (destination, status) DO UPDATE SET n = n + 1;
END;

CREATE TRIGGER count_a_deleted_delivery AFTER DELETE ON deliveries
BEGIN
  UPDATE delivery_counts SET n = n - 1
  WHERE destination = ifnull(old.destination, '') AND status = old.status;
END;

CREATE TRIGGER count_a_notice AFTER INSERT ON notices
BEGIN
  INSERT INTO notice_counts (kind, n) VALUES (new.kind, 1)
  ON CONFLICT (kind) DO UPDATE SET n = n + 1;
END;

-- The graph of leadkeep.states, tested equal to it.
CREATE TRIGGER refuse_a_move_outside_the_graph BEFORE UPDATE OF status ON deliveries
WHEN old.status <> new.status AND NOT CASE old.status || ' to ' || new.status
  WHEN 'pending to processing' THEN 1
  WHEN 'pending to completed' THEN 1
  WHEN 'pending to held' THEN 1
  WHEN 'pending to cancelled' THEN 1
  WHEN 'processing to pending' THEN 1
  WHEN 'processing to completed' THEN 1
  WHEN 'processing to failed' THEN 1
  WHEN 'failed to pending' THEN 1
  WHEN 'failed to completed' THEN 1
  WHEN 'failed to held' THEN 1
  WHEN 'failed to cancelled' THEN 1
  WHEN 'held to pending' THEN 1
  WHEN 'held to completed' THEN 1
  WHEN 'held to cancelled' THEN 1
  WHEN 'cancelled to pending' THEN 1
  ELSE 0
END
BEGIN
  SELECT raise(ABORT, 'a delivery cannot go from this status to that one');
END;

CREATE TRIGGER refuse_a_start_as_settled BEFORE INSERT ON deliveries
WHEN new.status NOT IN ('pending', 'held')
BEGIN
  SELECT raise(ABORT, 'a delivery begins pending or held');
END;

CREATE TRIGGER refuse_a_reused_fence BEFORE UPDATE OF status, fence ON deliveries
WHEN new.fence < old.fence
  OR (new.status = 'processing' AND old.status <> 'processing' AND new.fence = old.fence)
BEGIN
  SELECT raise(ABORT, 'each claim has a new fence');
END;

CREATE TRIGGER refuse_to_drop_an_unsettled_delivery BEFORE DELETE ON deliveries
WHEN old.status NOT IN ('completed', 'cancelled')
BEGIN
  SELECT raise(ABORT, 'a delivery that is neither completed nor cancelled is never deleted');
END;

CREATE TRIGGER refuse_to_drop_a_lead_with_deliveries BEFORE DELETE ON leads
WHEN EXISTS (SELECT 1 FROM deliveries WHERE lead = old.id)
BEGIN
  SELECT raise(ABORT, 'a lead is never deleted before its deliveries');
END;

-- What was accepted never changes; only erasing may overwrite it.
CREATE TRIGGER refuse_to_change_a_request
BEFORE UPDATE OF lead_id, lead_number, source, received_at_ms, segment, group_offset, peer, method,
                 flags, answer_status, target, headers, body ON leads
WHEN new.disposition <> 'erased'
BEGIN
  SELECT raise(ABORT, 'the request of a lead never changes');
END;

-- One row per delivery, as people know the queue. Columns of leads are looked up one by one, so
-- that a query that does not name them never reads leads.
CREATE VIEW lead_queue AS
SELECT
  d.id AS id,
  (SELECT coalesce(l.payload_text, CAST(l.body AS TEXT)) FROM leads AS l WHERE l.id = d.lead)
    AS payload,
  (SELECT l.source FROM leads AS l WHERE l.id = d.lead) AS source,
  d.status AS status,
  d.attempts AS attempts,
  CASE WHEN d.status = 'held' THEN d.hold_reason ELSE d.error_message END AS error_message,
  strftime('%Y-%m-%dT%H:%M:%fZ', d.processed_at_ms / 1000.0, 'unixepoch') AS processed_at,
  (SELECT strftime('%Y-%m-%dT%H:%M:%fZ', l.received_at_ms / 1000.0, 'unixepoch')
   FROM leads AS l WHERE l.id = d.lead) AS created_at,
  strftime('%Y-%m-%dT%H:%M:%fZ', d.updated_at_ms / 1000.0, 'unixepoch') AS updated_at,
  (SELECT l.name FROM leads AS l WHERE l.id = d.lead) AS lead_name,
  (SELECT l.phone FROM leads AS l WHERE l.id = d.lead) AS phone,
  (SELECT l.email FROM leads AS l WHERE l.id = d.lead) AS email,
  (SELECT l.lead_id FROM leads AS l WHERE l.id = d.lead) AS lead_id,
  (SELECT l.lead_number FROM leads AS l WHERE l.id = d.lead) AS lead_number,
  d.destination AS destination,
  strftime('%Y-%m-%dT%H:%M:%fZ', d.next_attempt_at_ms / 1000.0, 'unixepoch') AS next_attempt_at
FROM deliveries AS d;
