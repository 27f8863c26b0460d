-- Lines: leads of one key that go to one destination one after another, and leads that wait for the
-- lead they refer to. Runs in one transaction. Features of SQLite 3.40 only.
--
-- Everything below hangs on `deliveries.behind`, and is kept by triggers, so that no statement of
-- anybody's can make it drift. A delivery that has to do with no line costs one comparison.

-- NULL: nobody's order depends on it. 0: claimable as far as order goes (or not waiting at all).
-- 1: waits behind another; it is not among what is due.
ALTER TABLE deliveries ADD COLUMN behind INTEGER
  CHECK (behind IS NULL OR behind = 0 OR behind = 1);

DROP INDEX deliveries_due;
CREATE INDEX deliveries_due ON deliveries (destination, next_attempt_at_ms)
  WHERE status = 'pending' AND behind IS NOT 1;

-- What absorbing read of a lead's order; only leads of which something was read. Keys and names are
-- digests: equal ones can be told, and no list of them shows anybody's number.
CREATE TABLE lead_orders (
  lead           INTEGER PRIMARY KEY REFERENCES leads (id) ON DELETE CASCADE,
  line_key       BLOB    CHECK (line_key IS NULL OR length(line_key) = 16),
  wait_ms        INTEGER NOT NULL CHECK (wait_ms >= 0),
  refers_to      TEXT,
  refers_to_name BLOB    CHECK (refers_to_name IS NULL OR length(refers_to_name) = 16),
  name           BLOB    CHECK (name IS NULL OR length(name) = 16),
  CONSTRAINT who_refers_stands_in_a_line CHECK
    (line_key IS NOT NULL OR (refers_to IS NULL AND refers_to_name IS NULL))
) STRICT;

CREATE INDEX lead_orders_by_lead_meant ON lead_orders (refers_to) WHERE refers_to IS NOT NULL;
CREATE INDEX lead_orders_by_name_meant ON lead_orders (refers_to_name)
  WHERE refers_to_name IS NOT NULL;
CREATE INDEX lead_orders_by_name ON lead_orders (name) WHERE name IS NOT NULL;

-- A key at a destination, as long as a lead of it is not completed there.
CREATE TABLE lines (
  id              INTEGER PRIMARY KEY,
  destination     TEXT    NOT NULL,
  key             BLOB    NOT NULL,
  under_way       INTEGER,
  turn            INTEGER,
  furthest        INTEGER NOT NULL DEFAULT 0,
  overtakes_at_ms INTEGER,
  latest_since_ms INTEGER,
  stirred         INTEGER NOT NULL DEFAULT 0,
  UNIQUE (destination, key),
  CONSTRAINT one_at_a_time CHECK (under_way IS NULL OR turn IS NULL),
  CONSTRAINT nobody_overtakes_what_is_under_way CHECK
    (under_way IS NULL OR overtakes_at_ms IS NULL)
) STRICT;

CREATE INDEX lines_overtaking ON lines (destination, overtakes_at_ms)
  WHERE overtakes_at_ms IS NOT NULL;
CREATE INDEX lines_out_of_time ON lines (destination, latest_since_ms)
  WHERE latest_since_ms IS NOT NULL;

-- A delivery's place in its line until it is completed: waiting if it is pending, else aside.
CREATE TABLE places (
  delivery   INTEGER PRIMARY KEY REFERENCES deliveries (id) ON DELETE CASCADE,
  line       INTEGER NOT NULL REFERENCES lines (id),
  number     INTEGER NOT NULL,
  waiting    INTEGER NOT NULL CHECK (waiting = 0 OR waiting = 1),
  awaits     INTEGER,
  since_ms   INTEGER NOT NULL,
  wait_ms    INTEGER NOT NULL,
  goes_at_ms INTEGER NOT NULL
) STRICT;

CREATE INDEX places_in_line ON places (line, waiting, number);
CREATE INDEX places_by_patience ON places (line, goes_at_ms, number) WHERE waiting = 1;
CREATE INDEX places_awaiting ON places (awaits) WHERE awaits IS NOT NULL;

-- Which deliveries went out of their turn: `overtook` one that they had to wait for, or were
-- `overtaken` by a later one.
CREATE TABLE out_of_order (
  delivery INTEGER PRIMARY KEY REFERENCES deliveries (id) ON DELETE CASCADE,
  fence    INTEGER NOT NULL,
  how      TEXT    NOT NULL CHECK (how = 'overtook' OR how = 'overtaken')
) STRICT;

-- A trigger costs a microsecond also when it does nothing, and more the more may come of it. So
-- those on deliveries only pass on what has to do with a line, to triggers on views; the one on every
-- move (`watch_moves` in order.sql) is laid in the transaction of the first lead that has a place;
-- and of those that there were, one becomes part of another, so that absorbing costs what it did.

-- ---------------------------------------------------------------- taking a place

CREATE VIEW place_taken (delivery, lead, destination, status, next_attempt_at_ms, at_ms) AS
SELECT NULL, NULL, NULL, NULL, NULL, NULL WHERE 0;

CREATE TRIGGER take_a_place AFTER INSERT ON deliveries
WHEN new.destination IS NOT NULL AND EXISTS (
  SELECT 1 FROM lead_orders WHERE lead = new.lead AND line_key IS NOT NULL)
BEGIN
  INSERT INTO place_taken
  VALUES (new.id, new.lead, new.destination, new.status, new.next_attempt_at_ms,
          new.updated_at_ms);
END;

DROP TRIGGER refuse_a_start_as_settled;
DROP TRIGGER count_a_new_delivery;
CREATE TRIGGER count_a_new_delivery AFTER INSERT ON deliveries
BEGIN
  SELECT raise(ABORT, 'a delivery begins pending or held')
  WHERE new.status <> 'pending' AND new.status <> 'held';
  INSERT INTO delivery_counts (destination, status, n)
  VALUES (ifnull(new.destination, ''), new.status, 1)
  ON CONFLICT (destination, status) DO UPDATE SET n = n + 1;
END;

CREATE TRIGGER change_to_another_line AFTER UPDATE OF destination ON deliveries
WHEN old.destination IS NOT new.destination
BEGIN
  UPDATE places SET awaits = NULL WHERE awaits = new.id;
  DELETE FROM places WHERE delivery = new.id;
  UPDATE deliveries SET behind = NULL WHERE id = new.id AND behind IS NOT NULL;
  INSERT INTO place_taken
  SELECT new.id, new.lead, new.destination, new.status, new.next_attempt_at_ms, new.updated_at_ms
  FROM lead_orders
  WHERE lead = new.lead AND line_key IS NOT NULL AND new.destination IS NOT NULL
    AND new.status <> 'completed';
END;

CREATE TRIGGER take_the_place INSTEAD OF INSERT ON place_taken
BEGIN
  INSERT INTO lines (destination, key)
  VALUES (new.destination, (SELECT line_key FROM lead_orders WHERE lead = new.lead))
  ON CONFLICT (destination, key) DO NOTHING;
  INSERT INTO places (delivery, line, number, waiting, awaits, since_ms, wait_ms, goes_at_ms)
  VALUES (
    new.delivery,
    (SELECT s.id FROM lines AS s JOIN lead_orders AS o ON o.line_key = s.key
     WHERE o.lead = new.lead AND s.destination = new.destination),
    (SELECT lead_number FROM leads WHERE id = new.lead),
    new.status = 'pending',
    (SELECT iif(refers_to IS NULL AND refers_to_name IS NULL, NULL, 0)
     FROM lead_orders WHERE lead = new.lead),
    new.at_ms,
    (SELECT wait_ms FROM lead_orders WHERE lead = new.lead),
    max(new.at_ms + (SELECT wait_ms FROM lead_orders WHERE lead = new.lead),
        ifnull(new.next_attempt_at_ms, 0)));
  UPDATE deliveries SET behind = (new.status = 'pending') WHERE id = new.delivery;
  UPDATE lines SET stirred = stirred + 1
  WHERE id = (SELECT line FROM places WHERE delivery = new.delivery);
END;

-- ---------------------------------------------------------------- moving in it

CREATE VIEW place_moved
  (delivery, fence, before, after, untried, owner, next_attempt_at_ms, at_ms) AS
SELECT NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL WHERE 0;

CREATE VIEW place_touched (delivery, before, attempts_before) AS SELECT NULL, NULL, NULL WHERE 0;

CREATE TRIGGER look_at_the_place INSTEAD OF INSERT ON place_touched
BEGIN
  INSERT INTO place_moved
  SELECT id, fence, new.before, status, attempts < new.attempts_before, lease_owner,
         next_attempt_at_ms, updated_at_ms
  FROM deliveries WHERE id = new.delivery;
END;

CREATE TRIGGER keep_the_place INSTEAD OF INSERT ON place_moved
BEGIN
  SELECT raise(ABORT, 'two leads of one line are never under way at once')
  WHERE new.after = 'processing' AND EXISTS (
    SELECT 1 FROM places AS p JOIN lines AS s ON s.id = p.line
    WHERE p.delivery = new.delivery AND s.under_way IS NOT NULL AND s.under_way <> new.delivery);

  -- Out of turn? (Recovery passes through this status with no owner: that is no claim.) Going
  -- ahead of one that waits for this very lead is in order.
  INSERT INTO out_of_order (delivery, fence, how)
  SELECT p.delivery, new.fence, how FROM (
    SELECT p.delivery,
           CASE WHEN p.awaits IS NOT NULL OR EXISTS (
                       SELECT 1 FROM places AS e
                       WHERE e.line = p.line AND e.waiting = 1 AND e.number < p.number
                         AND e.awaits IS NOT p.delivery) THEN 'overtook'
                WHEN p.number < s.furthest THEN 'overtaken' END AS how
    FROM places AS p JOIN lines AS s ON s.id = p.line
    WHERE p.delivery = new.delivery AND new.after = 'processing' AND new.before = 'pending'
      AND new.owner <> '') AS p
  WHERE how IS NOT NULL
  ON CONFLICT (delivery) DO NOTHING;

  -- Released or set aside untried: as if it had not been claimed.
  DELETE FROM out_of_order
  WHERE delivery = new.delivery AND fence = new.fence AND new.untried
    AND new.before = 'processing' AND new.after <> 'processing';

  UPDATE lines
  SET under_way = CASE WHEN new.after = 'processing' THEN new.delivery
                       WHEN under_way = new.delivery THEN NULL
                       ELSE under_way END,
      turn = iif(new.after = 'processing', NULL, turn),
      overtakes_at_ms = iif(new.after = 'processing', NULL, overtakes_at_ms),
      latest_since_ms = iif(new.after = 'processing', NULL, latest_since_ms),
      furthest = CASE
        WHEN new.before = 'processing' AND new.after <> 'processing'
             AND NOT new.untried
             AND NOT EXISTS (SELECT 1 FROM places AS f
                             WHERE f.awaits = new.delivery AND +f.line = lines.id
                               AND +f.waiting = 1)
        THEN max(furthest, (SELECT number FROM places WHERE delivery = new.delivery))
        ELSE furthest END
  WHERE id = (SELECT line FROM places WHERE delivery = new.delivery);

  UPDATE places
  SET waiting = (new.after = 'pending'),
      since_ms = iif(new.after = 'pending' AND new.before NOT IN ('pending', 'processing'),
                     new.at_ms, since_ms)
  WHERE delivery = new.delivery;
  UPDATE places SET goes_at_ms = max(since_ms + wait_ms, ifnull(new.next_attempt_at_ms, 0))
  WHERE delivery = new.delivery;
  UPDATE deliveries SET behind = (new.after = 'pending')
  WHERE id = new.delivery AND new.before <> new.after
    AND EXISTS (SELECT 1 FROM places WHERE delivery = new.delivery);

  DELETE FROM places WHERE delivery = new.delivery AND new.after = 'completed';
  UPDATE places SET awaits = NULL
  WHERE awaits = new.delivery AND new.after IN ('completed', 'cancelled');
  UPDATE lines SET stirred = stirred + 1
  WHERE id = (SELECT line FROM places WHERE delivery = new.delivery);
END;

CREATE TRIGGER stop_awaiting AFTER UPDATE OF awaits ON places
BEGIN
  UPDATE lines SET stirred = stirred + 1 WHERE id = new.line;
END;

CREATE TRIGGER leave_its_place AFTER DELETE ON places
BEGIN
  UPDATE lines SET under_way = NULL WHERE id = old.line AND under_way = old.delivery;
  DELETE FROM lines
  WHERE id = old.line AND NOT EXISTS (SELECT 1 FROM places WHERE line = old.line);
  UPDATE lines SET stirred = stirred + 1 WHERE id = old.line;
END;

-- ---------------------------------------------------------------- whose turn it is

-- Nobody's while one is under way; else that of the first that waits, or of the one in the same
-- line that the first waits for. Another may overtake it when its own patience ends, unless the
-- one whose turn it is comes to be due before.
CREATE TRIGGER say_whose_turn_it_is AFTER UPDATE OF stirred ON lines
BEGIN
  UPDATE lines
  SET turn = CASE WHEN under_way IS NULL THEN (
        SELECT CASE WHEN p.awaits IS NULL THEN p.delivery ELSE (
                 SELECT q.delivery FROM places AS q
                 WHERE q.delivery = p.awaits AND q.line = p.line AND q.waiting = 1
                   AND q.awaits IS NULL) END
        FROM places AS p
        WHERE p.line = new.id AND p.waiting = 1
        ORDER BY p.number LIMIT 1) END,
      overtakes_at_ms = NULL,
      latest_since_ms = NULL
  WHERE id = new.id;
  UPDATE deliveries SET behind = 1
  WHERE id = old.turn AND status = 'pending' AND behind = 0
    AND id IS NOT (SELECT turn FROM lines WHERE id = new.id);
  UPDATE deliveries SET behind = 0
  WHERE id = (SELECT turn FROM lines WHERE id = new.id) AND behind = 1;
  UPDATE lines
  SET overtakes_at_ms = (
        SELECT p.goes_at_ms FROM places AS p
        WHERE p.line = new.id AND p.waiting = 1 AND p.delivery IS NOT lines.turn
        ORDER BY p.goes_at_ms, p.number LIMIT 1),
      latest_since_ms = (
        SELECT p.goes_at_ms - p.wait_ms FROM places AS p
        WHERE p.line = new.id AND p.waiting = 1 AND p.delivery IS NOT lines.turn
        ORDER BY p.goes_at_ms DESC LIMIT 1)
  WHERE id = new.id AND under_way IS NULL;
  UPDATE lines SET overtakes_at_ms = NULL
  WHERE id = new.id
    AND overtakes_at_ms >= (SELECT next_attempt_at_ms FROM deliveries WHERE id = lines.turn);
END;

-- ---------------------------------------------------------------- erasing

CREATE TRIGGER forget_an_erased_leads_order AFTER UPDATE OF disposition ON leads
WHEN new.disposition = 'erased' AND old.disposition <> 'erased'
BEGIN
  UPDATE lead_orders
  SET line_key = NULL, refers_to = NULL, refers_to_name = NULL, name = NULL
  WHERE lead = new.id;
END;
