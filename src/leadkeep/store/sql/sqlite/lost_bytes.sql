-- name: absorbed_leads
-- Leads of a segment that were absorbed from groups that begin in this range.
SELECT l.lead_id, l.received_at_ms / 86400000, l.source, l.answer_status, l.group_offset,
       l.acknowledged
FROM segments AS s
CROSS JOIN leads AS l INDEXED BY leads_for_the_ledger ON l.segment = s.id
WHERE s.segment = :segment AND l.group_offset >= :offset AND l.group_offset < :end;
