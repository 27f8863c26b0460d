-- name: asked_delivery
-- Where the delivery that a vendor waits for stands; without a name, the lead's first.
-- No row: the lead is not absorbed yet. No delivery: it goes nowhere, or not there.
SELECT d.id, d.destination, d.status, d.attempts,
       d.part > 0 AND (SELECT count(*) > 1 FROM lead_parts WHERE lead = d.lead)
FROM leads AS l
LEFT JOIN deliveries AS d
  ON d.lead = l.id AND d.destination IS NOT NULL
 AND (:destination = '' OR d.destination = :destination)
WHERE l.lead_id = :lead_id
ORDER BY d.id LIMIT 1;

-- name: due_among
-- As `due`, but only first tries among these deliveries; what is due is the same.
SELECT d.id, d.fence + 1, d.attempts + 1, d.first_attempt_at_ms,
       l.lead_id, l.lead_number, l.source, l.received_at_ms, l.method, l.target, l.headers,
       iif(d.part = 0, l.body, x''), d.part
FROM json_each(:among) AS asked
CROSS JOIN deliveries AS d ON d.id = asked.value
CROSS JOIN leads AS l ON l.id = d.lead
WHERE d.status = 'pending' AND d.destination = :destination AND d.attempts = 0
  AND d.behind IS NOT 1
  AND (d.next_attempt_at_ms <= :now_ms OR d.next_attempt_at_ms > :now_ms + :longest_wait_ms)
ORDER BY d.id LIMIT :limit;

-- name: insert_ping
-- A ping, once, however many journals it stands in; parameters in the order of the columns.
INSERT INTO pings (ping_id, source, received_at_ms, peer, method, path, no_bid_status)
VALUES (?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (ping_id) DO NOTHING;

-- name: insert_ping_outcome
-- What came of a ping; parameters in the order of the columns.
INSERT INTO ping_outcomes
  (ping_id, destination, started_at_ms, duration_ms, result, message, response_status,
   response_body)
VALUES (?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (ping_id) DO NOTHING;

-- name: pings
-- Pings with what came of them, newest first.
SELECT p.id, p.ping_id, p.source, p.received_at_ms, p.peer, p.method, p.path, p.no_bid_status,
       ifnull(o.result, 'unanswered'), ifnull(o.destination, ''), o.started_at_ms, o.duration_ms,
       ifnull(o.message, ''), o.response_status, ifnull(o.response_body, x'')
FROM pings AS p LEFT JOIN ping_outcomes AS o ON o.ping_id = p.ping_id
WHERE p.id < :before AND (:source IS NULL OR p.source = :source)
  AND (:ping_id IS NULL OR p.ping_id = :ping_id)
ORDER BY p.id DESC LIMIT :limit;

-- name: prune_pings
-- Forget pings whose ids, and so times, are below this one.
DELETE FROM pings WHERE id IN (SELECT id FROM pings WHERE ping_id < :below LIMIT :limit);

-- name: prune_ping_outcomes
-- The same for what came of them.
DELETE FROM ping_outcomes
WHERE id IN (SELECT id FROM ping_outcomes WHERE ping_id < :below LIMIT :limit);
