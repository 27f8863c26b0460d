-- name: watch_moves
-- Here the lines are always told: a trigger that does nothing costs nothing.
SELECT 1;

-- name: insert_lead_order
-- What was read of leads' order; before their deliveries, which take their places by it.
INSERT INTO lead_orders (lead, line_key, wait_ms, refers_to, refers_to_name, name)
SELECT * FROM unnest($1::bigint[], $2::bytea[], $3::bigint[], $4::text[], $5::bytea[], $6::bytea[]);

-- name: unresolved_places
-- Places that wait for a lead not known so far: those of the leads of this range, and those that
-- refer to one of them.
WITH concerned AS (
  SELECT o.lead, o.refers_to, o.refers_to_name FROM lead_orders AS o
  WHERE o.lead BETWEEN :first::bigint AND :last::bigint
  UNION
  SELECT o.lead, o.refers_to, o.refers_to_name
  FROM lead_numbers AS l JOIN lead_orders AS o ON o.refers_to = l.lead_id::text
  WHERE l.lead BETWEEN :first::bigint AND :last::bigint
  UNION
  SELECT o.lead, o.refers_to, o.refers_to_name
  FROM lead_numbers AS l JOIN lead_orders AS o ON o.refers_to = l.lead_number::text
  WHERE l.lead BETWEEN :first::bigint AND :last::bigint
  UNION
  SELECT o.lead, o.refers_to, o.refers_to_name
  FROM lead_orders AS n JOIN lead_orders AS o ON o.refers_to_name = n.name
  WHERE n.lead BETWEEN :first::bigint AND :last::bigint
)
SELECT p.delivery, d.lead, d.destination, c.refers_to, c.refers_to_name
FROM concerned AS c
JOIN deliveries AS d ON d.lead = c.lead
JOIN places AS p ON p.delivery = d.id
WHERE p.awaits = 0
ORDER BY p.delivery;

-- name: leads_meant_by_reference
-- Other leads that a reference means by their id or number.
SELECT lead FROM lead_numbers WHERE lead_id::text = :refers_to::text AND lead <> :lead::bigint
UNION
SELECT lead FROM lead_numbers
WHERE lead_number::text = :refers_to::text AND lead <> :lead::bigint;

-- name: leads_meant_by_name
-- Other leads that a vendor calls so.
SELECT lead FROM lead_orders WHERE name = :name::bytea AND lead <> :lead ORDER BY lead;

-- name: deliveries_meant
-- Where these leads stand at a destination, or without one; first what is on its way, then by age.
SELECT id, destination IS NOT NULL, status, lead FROM deliveries
WHERE lead = ANY (ids_in(:leads::jsonb)) AND coalesce(destination, '') IN ('', :destination)
ORDER BY status NOT IN ('pending', 'processing'), lead, part DESC
FOR UPDATE;

-- name: comes_round
-- One row if waiting for `target` would, over others, be waiting for oneself.
WITH RECURSIVE chain (delivery) AS (
  VALUES (:target::bigint)
  UNION
  SELECT p.awaits FROM chain JOIN places AS p ON p.delivery = chain.delivery
  WHERE p.awaits > 0
)
SELECT 1 FROM chain WHERE delivery = :delivery LIMIT 1;

-- name: set_awaited
-- What a place waits for: a delivery, or nothing (NULL).
UPDATE places SET awaits = :target::bigint WHERE delivery = :delivery;

-- name: out_of_patience
-- Lines in which somebody's patience has ended, and whether it really has: its wait began on the
-- clock that we have, and it is due.
SELECT s.id, s.turn, p.delivery,
       p.since_ms >= :steady_since_ms
       AND (d.next_attempt_at_ms <= :now_ms::bigint
            OR d.next_attempt_at_ms > :now_ms::bigint + :longest_wait_ms::bigint)
FROM lines AS s CROSS JOIN LATERAL (
  SELECT q.delivery, q.since_ms FROM places AS q
  WHERE q.line = s.id AND q.waiting AND q.delivery IS DISTINCT FROM s.turn
  ORDER BY q.goes_at_ms, q.number LIMIT 1) AS p
JOIN deliveries AS d ON d.id = p.delivery
WHERE s.destination = :destination AND s.overtakes_at_ms <= :now_ms::bigint
ORDER BY s.overtakes_at_ms LIMIT :limit;

-- name: out_of_time
-- Lines in which somebody would wait until a time that only a clock which has jumped can give.
SELECT id FROM lines
WHERE destination = :destination
  AND latest_since_ms > :now_ms::bigint + :longest_wait_ms::bigint
LIMIT :limit;

-- name: recount_waits
-- Waits that began on a clock which has jumped since are counted from then.
UPDATE places
SET since_ms = :since_ms
WHERE line = :line AND waiting
  AND (since_ms < :steady_since_ms OR since_ms > :now_ms::bigint + :longest_wait_ms::bigint);

-- name: recount_patience
-- When each of a line goes at the latest; a next try that only a jump of the clock can have put off
-- so far puts nothing off.
UPDATE places AS p
SET goes_at_ms = greatest(p.since_ms + p.wait_ms, coalesce((
      SELECT d.next_attempt_at_ms FROM deliveries AS d
      WHERE d.id = p.delivery
        AND d.next_attempt_at_ms <= :now_ms::bigint + :longest_wait_ms::bigint), 0))
WHERE p.line = :line AND p.waiting;

-- name: stir_line
-- Have it said anew whose turn it is.
SELECT say_whose_turn_it_is(:line);

-- name: claimed_in_order
-- Those of these deliveries on which somebody's order depends, and how they went out of it.
SELECT d.id, coalesce(o.how, '')
FROM deliveries AS d LEFT JOIN out_of_order AS o ON o.delivery = d.id
WHERE d.id = ANY (ids_in(:deliveries::jsonb)) AND d.behind IS NOT NULL;

-- name: order_of_deliveries
-- How these deliveries stand in their lines: out of order or not; the number of the lead they wait
-- for (0: one that is not known yet), and until when at most.
SELECT d.id, o.how,
       CASE WHEN d.behind IS DISTINCT FROM 1 OR d.status <> 'pending' THEN NULL
            WHEN p.awaits = 0 THEN 0
            WHEN p.awaits IS NOT NULL THEN (
              SELECT n.lead_number FROM deliveries AS a JOIN lead_numbers AS n ON n.lead = a.lead
              WHERE a.id = p.awaits)
            ELSE (SELECT e.number FROM places AS e
                  WHERE e.line = p.line AND e.delivery = coalesce(s.under_way, (
                    SELECT f.delivery FROM places AS f
                    WHERE f.line = p.line AND f.waiting AND f.delivery <> p.delivery
                    ORDER BY f.number LIMIT 1)))
            END,
       CASE WHEN d.behind = 1 AND d.status = 'pending' THEN p.goes_at_ms END
FROM deliveries AS d
LEFT JOIN out_of_order AS o ON o.delivery = d.id
LEFT JOIN places AS p ON p.delivery = d.id
LEFT JOIN lines AS s ON s.id = p.line
WHERE d.id = ANY (ids_in(:deliveries::jsonb)) AND d.behind IS NOT NULL;

-- name: forgotten_in_line
-- Leads that wait in a line in which it is nobody's turn and never will be.
SELECT d.lead_id::text
FROM lines AS s
JOIN places AS p ON p.line = s.id AND p.waiting
JOIN deliveries AS d ON d.id = p.delivery
WHERE (s.under_way IS NULL AND s.turn IS NULL AND s.overtakes_at_ms IS NULL)
   OR (s.under_way IS NOT NULL AND NOT EXISTS (
         SELECT FROM deliveries AS u WHERE u.id = s.under_way AND u.status = 'processing'))
LIMIT 100;

-- name: behind_nobody
-- Leads that wait behind others without a place in any line.
SELECT d.lead_id::text
FROM deliveries AS d
WHERE d.status = 'pending' AND d.behind = 1
  AND NOT EXISTS (SELECT FROM places AS p WHERE p.delivery = d.id AND p.waiting)
LIMIT 100;
