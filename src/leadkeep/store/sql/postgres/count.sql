-- name: leads_by_segment
-- Every lead, counted by the segment it is stored under (NULL: one that is not known), day and source.
SELECT s.segment::text, counted.day, counted.source, counted.n
FROM (
  SELECT segment, received_at_ms / 86400000 AS day, source, count(*) AS n
  FROM leads GROUP BY segment, received_at_ms / 86400000, source
) AS counted LEFT JOIN segments AS s ON s.id = counted.segment;

-- name: leads_of_segment
-- The same of one segment.
SELECT l.received_at_ms / 86400000, l.source, count(*)
FROM segments AS s JOIN leads AS l ON l.segment = s.id
WHERE s.segment = :segment::uuid
GROUP BY l.received_at_ms / 86400000, l.source;

-- name: segment_is_finished
-- Whether all of a segment is absorbed.
SELECT finished FROM segments WHERE segment = :segment::uuid;

-- name: leads_set_aside
-- Leads whose own disposition says where they stand.
SELECT received_at_ms / 86400000, source, disposition, count(*)
FROM leads WHERE disposition IN ('duplicate', 'erased')
GROUP BY disposition, received_at_ms / 86400000, source;

-- name: leads_by_urgency
-- The other leads that have any delivery in one of these statuses, by the first of them (a JSON
-- object: status → rank); a lead of the last rank only if no delivery of it was completed.
WITH urgency AS (
  SELECT key AS status, value::integer AS rank FROM jsonb_each_text(:urgency::jsonb)
), standing AS (
  SELECT d.lead, d.lead_id, min(u.rank) AS rank
  FROM urgency AS u JOIN deliveries AS d ON d.status = u.status
  GROUP BY d.lead, d.lead_id
)
SELECT l.received_at_ms / 86400000, l.source, o.rank, count(*)
FROM standing AS o JOIN leads AS l ON l.lead_id = o.lead_id
WHERE l.disposition NOT IN ('duplicate', 'erased')
  AND (o.rank < :last OR NOT EXISTS (
    SELECT FROM deliveries AS d WHERE d.status = 'completed' AND d.lead = o.lead))
GROUP BY l.received_at_ms / 86400000, l.source, o.rank;

-- name: leads_not_in_any_delivery
-- How many leads no delivery names.
SELECT (SELECT count(*) FROM leads) - (SELECT count(DISTINCT lead) FROM deliveries);

-- name: leads_without_delivery
-- Leads that should have a delivery and have none.
SELECT l.received_at_ms / 86400000, l.source, count(*)
FROM leads AS l
WHERE NOT EXISTS (SELECT FROM deliveries AS d WHERE d.lead = l.id)
  AND l.disposition NOT IN ('duplicate', 'erased')
GROUP BY l.received_at_ms / 86400000, l.source;

-- name: whereabouts
-- Under which segment each of these leads is stored.
SELECT l.lead_id::text, s.segment::text
FROM leads AS l JOIN segments AS s ON s.id = l.segment
WHERE l.lead_id = ANY (uuids_in(:lead_ids::jsonb));

-- name: leads_of_groups
-- Leads of a segment that were absorbed from groups that begin in this range.
SELECT l.received_at_ms / 86400000, l.source, count(*)
FROM segments AS s JOIN leads AS l ON l.segment = s.id
WHERE s.segment = :segment::uuid AND l.group_offset >= :offset AND l.group_offset < :end
GROUP BY l.received_at_ms / 86400000, l.source;
