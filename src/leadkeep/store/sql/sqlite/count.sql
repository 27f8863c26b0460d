-- name: leads_by_segment
-- Every lead, counted by the segment it is stored under (NULL: one that is not known), day and source.
SELECT s.segment, counted.day, counted.source, counted.n
FROM (
  SELECT segment, received_at_ms / 86400000 AS day, source, count(*) AS n
  FROM leads INDEXED BY leads_for_the_ledger
  GROUP BY segment, received_at_ms / 86400000, source
) AS counted LEFT JOIN segments AS s ON s.id = counted.segment;

-- name: leads_of_segment
-- The same of one segment.
SELECT l.received_at_ms / 86400000, l.source, count(*)
FROM segments AS s
CROSS JOIN leads AS l INDEXED BY leads_for_the_ledger ON l.segment = s.id
WHERE s.segment = :segment
GROUP BY l.received_at_ms / 86400000, l.source;

-- name: segment_is_finished
-- Whether all of a segment is absorbed.
SELECT finished FROM segments WHERE segment = :segment;

-- name: leads_set_aside
-- Leads whose own disposition says where they stand.
SELECT received_at_ms / 86400000, source, disposition, count(*)
FROM leads INDEXED BY leads_set_aside
WHERE disposition IN ('duplicate', 'erased')
GROUP BY disposition, received_at_ms / 86400000, source;

-- name: leads_by_urgency
-- The other leads that have any delivery in one of these statuses, by the first of them (a JSON
-- object: status → rank); a lead of the last rank only if no delivery of it was completed.
WITH urgency (status, rank) AS (SELECT key, value FROM json_each(:urgency)),
standing (lead, rank) AS (
  SELECT d.lead, min(u.rank)
  FROM urgency AS u
  CROSS JOIN deliveries AS d INDEXED BY deliveries_by_status ON d.status = u.status
  GROUP BY d.lead
)
SELECT l.received_at_ms / 86400000, l.source, o.rank, count(*)
FROM standing AS o CROSS JOIN leads AS l ON l.id = o.lead
WHERE l.disposition NOT IN ('duplicate', 'erased')
  AND (o.rank < :last OR NOT EXISTS (
    SELECT 1 FROM deliveries AS d INDEXED BY deliveries_by_status
    WHERE d.status = 'completed' AND d.lead = o.lead))
GROUP BY l.received_at_ms / 86400000, l.source, o.rank;

-- name: leads_not_in_any_delivery
-- How many leads no delivery names.
SELECT (SELECT count(*) FROM leads) - (SELECT count(*) FROM (SELECT DISTINCT lead FROM deliveries));

-- name: leads_without_delivery
-- Leads that should have a delivery and have none; found by indexes alone, then looked at.
WITH homeless (id) AS MATERIALIZED (
  SELECT l.id FROM leads AS l INDEXED BY leads_by_time
  WHERE NOT EXISTS (SELECT 1 FROM deliveries AS d INDEXED BY deliveries_by_lead WHERE d.lead = l.id)
)
SELECT l.received_at_ms / 86400000, l.source, count(*)
FROM homeless AS h CROSS JOIN leads AS l ON l.id = h.id
WHERE l.disposition NOT IN ('duplicate', 'erased')
GROUP BY l.received_at_ms / 86400000, l.source;

-- name: whereabouts
-- Under which segment each of these leads is stored.
SELECT l.lead_id, s.segment
FROM leads AS l JOIN segments AS s ON s.id = l.segment
WHERE l.lead_id IN (SELECT value FROM json_each(:lead_ids));

-- name: leads_of_groups
-- Leads of a segment that were absorbed from groups that begin in this range.
SELECT l.received_at_ms / 86400000, l.source, count(*)
FROM segments AS s
CROSS JOIN leads AS l INDEXED BY leads_for_the_ledger ON l.segment = s.id
WHERE s.segment = :segment AND l.group_offset >= :offset AND l.group_offset < :end
GROUP BY l.received_at_ms / 86400000, l.source;
