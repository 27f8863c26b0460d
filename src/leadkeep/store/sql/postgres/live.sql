-- name: asked_delivery
-- Where the delivery that a vendor waits for stands; without a name, the lead's first.
-- No row: the lead is not absorbed yet. No delivery: it goes nowhere, or not there.
SELECT d.id, d.destination, d.status, d.attempts,
       d.part > 0 AND (SELECT count(*) > 1 FROM lead_parts WHERE lead = d.lead)
FROM leads AS l
LEFT JOIN deliveries AS d
  ON d.lead = l.id AND d.destination IS NOT NULL
 AND (:destination::text = '' OR d.destination = :destination::text)
WHERE l.lead_id = :lead_id::uuid
ORDER BY d.id LIMIT 1;

-- name: due_among
-- As `due`, but only first tries among these deliveries; what is due is the same.
WITH due AS (
  SELECT id, fence, attempts, first_attempt_at_ms, lead_id, part
  FROM deliveries AS d
  WHERE id = ANY (ids_in(:among::jsonb))
    AND d.status = 'pending' AND d.destination = :destination AND d.attempts = 0
    AND d.behind IS DISTINCT FROM 1
    AND (d.next_attempt_at_ms <= :now_ms::bigint
         OR d.next_attempt_at_ms > :now_ms::bigint + :longest_wait_ms::bigint)
  ORDER BY d.id LIMIT :limit
  FOR UPDATE SKIP LOCKED
)
SELECT d.id, d.fence + 1, d.attempts + 1, d.first_attempt_at_ms,
       l.lead_id::text, l.lead_number, l.source, l.received_at_ms, l.method, l.target, l.headers,
       CASE d.part WHEN 0 THEN l.body ELSE ''::bytea END, d.part
FROM due AS d JOIN leads AS l ON l.lead_id = d.lead_id
ORDER BY d.id;

-- name: insert_ping
-- Pings, once, however many journals they stand in; parameters in the order of the columns.
INSERT INTO pings (ping_id, source, received_at_ms, peer, method, path, no_bid_status)
SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[], $4::text[], $5::text[], $6::text[],
                     $7::integer[])
ON CONFLICT (ping_id) DO NOTHING;

-- name: insert_ping_outcome
-- What came of pings; parameters in the order of the columns.
INSERT INTO ping_outcomes
  (ping_id, destination, started_at_ms, duration_ms, result, message, response_status,
   response_body)
SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[], $5::text[], $6::text[],
                     $7::integer[], $8::bytea[])
ON CONFLICT (ping_id) DO NOTHING;

-- name: pings
-- Pings with what came of them, newest first.
SELECT p.id, p.ping_id, p.source, p.received_at_ms, p.peer, p.method, p.path, p.no_bid_status,
       coalesce(o.result, 'unanswered'), coalesce(o.destination, ''), o.started_at_ms,
       o.duration_ms, coalesce(o.message, ''), o.response_status,
       coalesce(o.response_body, ''::bytea)
FROM pings AS p LEFT JOIN ping_outcomes AS o ON o.ping_id = p.ping_id
WHERE p.id < :before AND (:source::text IS NULL OR p.source = :source::text)
  AND (:ping_id::text IS NULL OR p.ping_id = :ping_id::text)
ORDER BY p.id DESC LIMIT :limit;

-- name: prune_pings
-- Forget pings whose ids, and so times, are below this one.
DELETE FROM pings WHERE id IN (
  SELECT id FROM pings WHERE ping_id < :below LIMIT :limit FOR UPDATE SKIP LOCKED);

-- name: prune_ping_outcomes
-- The same for what came of them.
DELETE FROM ping_outcomes WHERE id IN (
  SELECT id FROM ping_outcomes WHERE ping_id < :below LIMIT :limit FOR UPDATE SKIP LOCKED);
