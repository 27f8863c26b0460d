-- name: drifted_counters
-- Counters of deliveries that are not what is counted.
SELECT destination, status, sum(counted)::bigint, sum(found)::bigint
FROM (
  SELECT destination, status, n AS counted, 0 AS found FROM delivery_counters
  UNION ALL
  SELECT coalesce(destination, ''), status, 0, count(*) FROM deliveries GROUP BY destination, status
) AS both_ways
GROUP BY destination, status HAVING sum(counted) <> sum(found);

-- name: drifted_notice_counters
-- Counters of notices that are not what is counted.
SELECT kind, sum(counted)::bigint, sum(found)::bigint
FROM (
  SELECT kind, n AS counted, 0 AS found FROM notice_counts
  UNION ALL
  SELECT kind, 0, count(*) FROM notices GROUP BY kind
) AS both_ways
GROUP BY kind HAVING sum(counted) <> sum(found);

-- name: leads_without_deliveries
-- Leads that would never reach anybody.
SELECT lead_id::text FROM leads AS l
WHERE NOT EXISTS (SELECT FROM deliveries AS d WHERE d.lead = l.id)
LIMIT 100;

-- name: deliveries_without_lead
-- Deliveries of leads that are not there.
SELECT d.id FROM deliveries AS d
WHERE NOT EXISTS (SELECT FROM leads AS l WHERE l.lead_id = d.lead_id AND l.id = d.lead)
LIMIT 100;

-- name: requests
-- What the store has of these leads' requests.
SELECT lead_id::text, lead_number, source, received_at_ms, flags, answer_status, peer, method,
       target, headers, body, quarantine_reason, disposition = 'erased'
FROM leads WHERE lead_id = ANY (uuids_in(:lead_ids::jsonb));

-- name: forgotten_segments
-- Segments that have left the archive.
SELECT segment::text FROM segments WHERE forgotten_at_ms IS NOT NULL;
