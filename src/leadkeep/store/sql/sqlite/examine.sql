-- name: integrity
-- What is wrong with the file itself; `ok` if nothing is.
PRAGMA integrity_check(100);

-- name: broken_references
-- Rows that name a row which is not there.
PRAGMA foreign_key_check;

-- name: drifted_counters
-- Counters of deliveries that are not what is counted.
SELECT destination, status, sum(counted), sum(found)
FROM (
  SELECT destination, status, n AS counted, 0 AS found FROM delivery_counts
  UNION ALL
  SELECT ifnull(destination, ''), status, 0, count(*) FROM deliveries GROUP BY destination, status
)
GROUP BY destination, status HAVING sum(counted) <> sum(found);

-- name: drifted_notice_counters
-- Counters of notices that are not what is counted.
SELECT kind, sum(counted), sum(found)
FROM (
  SELECT kind, n AS counted, 0 AS found FROM notice_counts
  UNION ALL
  SELECT kind, 0, count(*) FROM notices GROUP BY kind
)
GROUP BY kind HAVING sum(counted) <> sum(found);

-- name: leads_without_deliveries
-- Leads that would never reach anybody.
SELECT lead_id FROM leads AS l
WHERE NOT EXISTS (SELECT 1 FROM deliveries AS d WHERE d.lead = l.id)
LIMIT 100;

-- name: requests
-- What the store has of these leads' requests.
SELECT lead_id, lead_number, source, received_at_ms, flags, answer_status, peer, method, target,
       headers, body, quarantine_reason, disposition = 'erased'
FROM leads WHERE lead_id IN (SELECT value FROM json_each(:lead_ids));

-- name: forgotten_segments
-- Segments that have left the archive.
SELECT segment FROM segments WHERE forgotten_at_ms IS NOT NULL;
