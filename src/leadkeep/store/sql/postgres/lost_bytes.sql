-- name: absorbed_leads
-- Leads of a segment that were absorbed from groups that begin in this range.
SELECT l.lead_id::text, l.received_at_ms / 86400000, l.source, l.answer_status, l.group_offset,
       l.acknowledged
FROM segments AS s JOIN leads AS l ON l.segment = s.id
WHERE s.segment = :segment::uuid AND l.group_offset >= :offset AND l.group_offset < :end;
