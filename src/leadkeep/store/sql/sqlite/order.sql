-- name: watch_moves
-- From now on every move of a delivery is told to the lines, whoever makes it. Laid with the first
-- lead that has a place: until then no move of any pays for it.
CREATE TRIGGER IF NOT EXISTS keep_its_place
AFTER UPDATE OF status, next_attempt_at_ms ON deliveries
WHEN old.behind IS NOT NULL
BEGIN
  INSERT INTO place_touched VALUES (new.id, old.status, old.attempts);
END;

-- name: insert_lead_order
-- What was read of a lead's order; before its deliveries, which take their places by it.
INSERT INTO lead_orders (lead, line_key, wait_ms, refers_to, refers_to_name, name)
VALUES (?, ?, ?, ?, ?, ?);

-- name: unresolved_places
-- Places that wait for a lead not known so far: those of the leads of this range, and those that
-- refer to one of them.
SELECT p.delivery, d.lead, d.destination, o.refers_to, o.refers_to_name
FROM lead_orders AS o
CROSS JOIN deliveries AS d ON d.lead = o.lead
CROSS JOIN places AS p ON p.delivery = d.id
WHERE o.lead BETWEEN :first AND :last AND p.awaits = 0
UNION
SELECT p.delivery, d.lead, d.destination, o.refers_to, o.refers_to_name
FROM leads AS l
CROSS JOIN lead_orders AS o ON o.refers_to = l.lead_id
CROSS JOIN deliveries AS d ON d.lead = o.lead
CROSS JOIN places AS p ON p.delivery = d.id
WHERE l.id BETWEEN :first AND :last AND p.awaits = 0
UNION
SELECT p.delivery, d.lead, d.destination, o.refers_to, o.refers_to_name
FROM leads AS l
CROSS JOIN lead_orders AS o ON o.refers_to = CAST(l.lead_number AS TEXT)
CROSS JOIN deliveries AS d ON d.lead = o.lead
CROSS JOIN places AS p ON p.delivery = d.id
WHERE l.id BETWEEN :first AND :last AND p.awaits = 0
UNION
SELECT p.delivery, d.lead, d.destination, o.refers_to, o.refers_to_name
FROM lead_orders AS n
CROSS JOIN lead_orders AS o ON o.refers_to_name = n.name
CROSS JOIN deliveries AS d ON d.lead = o.lead
CROSS JOIN places AS p ON p.delivery = d.id
WHERE n.lead BETWEEN :first AND :last AND p.awaits = 0;

-- name: leads_meant_by_reference
-- Other leads that a reference means by their id or number.
SELECT id FROM leads WHERE lead_id = :refers_to AND id <> :lead
UNION
SELECT id FROM leads WHERE lead_number = CAST(:refers_to AS INTEGER) AND id <> :lead;

-- name: leads_meant_by_name
-- Other leads that a vendor calls so.
SELECT lead FROM lead_orders WHERE name = :name AND lead <> :lead ORDER BY lead;

-- name: deliveries_meant
-- Where these leads stand at a destination, or without one; first what is on its way, then by age.
SELECT id, destination IS NOT NULL, status, lead FROM deliveries
WHERE lead IN (SELECT value FROM json_each(:leads))
  AND ifnull(destination, '') IN ('', :destination)
ORDER BY status NOT IN ('pending', 'processing'), lead, part DESC;

-- name: comes_round
-- One row if waiting for `target` would, over others, be waiting for oneself.
WITH RECURSIVE chain (delivery) AS (
  VALUES (:target)
  UNION
  SELECT p.awaits FROM chain CROSS JOIN places AS p ON p.delivery = chain.delivery
  WHERE p.awaits > 0
)
SELECT 1 FROM chain WHERE delivery = :delivery LIMIT 1;

-- name: set_awaited
-- What a place waits for: a delivery, or nothing (NULL).
UPDATE places SET awaits = :target WHERE delivery = :delivery;

-- name: out_of_patience
-- Lines in which somebody's patience has ended, and whether it really has: its wait began on the
-- clock that we have, and it is due.
SELECT s.id, s.turn, p.delivery,
       p.since_ms >= :steady_since_ms
       AND (d.next_attempt_at_ms <= :now_ms
            OR d.next_attempt_at_ms > :now_ms + :longest_wait_ms)
FROM lines AS s CROSS JOIN places AS p ON p.delivery = (
  SELECT q.delivery FROM places AS q
  WHERE q.line = s.id AND q.waiting = 1 AND q.delivery IS NOT s.turn
  ORDER BY q.goes_at_ms, q.number LIMIT 1)
CROSS JOIN deliveries AS d ON d.id = p.delivery
WHERE s.destination = :destination AND s.overtakes_at_ms <= :now_ms
ORDER BY s.overtakes_at_ms LIMIT :limit;

-- name: out_of_time
-- Lines in which somebody would wait until a time that only a clock which has jumped can give.
SELECT id FROM lines
WHERE destination = :destination AND latest_since_ms > :now_ms + :longest_wait_ms
LIMIT :limit;

-- name: recount_waits
-- Waits that began on a clock which has jumped since are counted from then.
UPDATE places
SET since_ms = :since_ms
WHERE delivery IN (
  SELECT delivery FROM places
  WHERE line = :line AND waiting = 1
    AND (since_ms < :steady_since_ms OR since_ms > :now_ms + :longest_wait_ms));

-- name: recount_patience
-- When each of a line goes at the latest; a next try that only a jump of the clock can have put off
-- so far puts nothing off.
UPDATE places
SET goes_at_ms = max(since_ms + wait_ms, ifnull((
      SELECT d.next_attempt_at_ms FROM deliveries AS d
      WHERE d.id = places.delivery AND d.next_attempt_at_ms <= :now_ms + :longest_wait_ms), 0))
WHERE line = :line AND waiting = 1
  AND goes_at_ms <> max(since_ms + wait_ms, ifnull((
      SELECT d.next_attempt_at_ms FROM deliveries AS d
      WHERE d.id = places.delivery AND d.next_attempt_at_ms <= :now_ms + :longest_wait_ms), 0));

-- name: stir_line
-- Have it said anew whose turn it is.
UPDATE lines SET stirred = stirred + 1 WHERE id = :line;

-- name: claimed_in_order
-- Those of these deliveries on which somebody's order depends, and how they went out of it.
SELECT d.id, ifnull(o.how, '')
FROM deliveries AS d LEFT JOIN out_of_order AS o ON o.delivery = d.id
WHERE d.id IN (SELECT value FROM json_each(:deliveries)) AND d.behind IS NOT NULL;

-- name: order_of_deliveries
-- How these deliveries stand in their lines: out of order or not; the number of the lead they wait
-- for (0: one that is not known yet), and until when at most.
SELECT d.id, o.how,
       CASE WHEN d.behind IS NOT 1 OR d.status <> 'pending' THEN NULL
            WHEN p.awaits = 0 THEN 0
            WHEN p.awaits IS NOT NULL THEN (
              SELECT l.lead_number FROM deliveries AS a JOIN leads AS l ON l.id = a.lead
              WHERE a.id = p.awaits)
            ELSE (SELECT e.number FROM places AS e
                  WHERE e.line = p.line AND e.delivery = ifnull(s.under_way, (
                    SELECT f.delivery FROM places AS f
                    WHERE f.line = p.line AND f.waiting = 1 AND f.delivery <> p.delivery
                    ORDER BY f.number LIMIT 1)))
            END,
       iif(d.behind = 1 AND d.status = 'pending', p.goes_at_ms, NULL)
FROM deliveries AS d
LEFT JOIN out_of_order AS o ON o.delivery = d.id
LEFT JOIN places AS p ON p.delivery = d.id
LEFT JOIN lines AS s ON s.id = p.line
WHERE d.id IN (SELECT value FROM json_each(:deliveries)) AND d.behind IS NOT NULL;

-- name: forgotten_in_line
-- Leads that wait in a line in which it is nobody's turn and never will be.
SELECT l.lead_id
FROM lines AS s
CROSS JOIN places AS p ON p.line = s.id AND p.waiting = 1
CROSS JOIN deliveries AS d ON d.id = p.delivery
CROSS JOIN leads AS l ON l.id = d.lead
WHERE (s.under_way IS NULL AND s.turn IS NULL AND s.overtakes_at_ms IS NULL)
   OR (s.under_way IS NOT NULL AND NOT EXISTS (
         SELECT 1 FROM deliveries AS u WHERE u.id = s.under_way AND u.status = 'processing'))
LIMIT 100;

-- name: behind_nobody
-- Leads that wait behind others without a place in any line.
SELECT l.lead_id
FROM deliveries AS d CROSS JOIN leads AS l ON l.id = d.lead
WHERE d.status = 'pending' AND d.behind = 1
  AND NOT EXISTS (SELECT 1 FROM places AS p WHERE p.delivery = d.id AND p.waiting = 1)
LIMIT 100;
