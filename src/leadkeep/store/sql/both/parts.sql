-- name: has_part
-- One row if a lead has this part.
SELECT 1 FROM lead_parts WHERE lead = :lead AND part = :part;

-- name: parts_of_lead
-- The leads of one request, in their order.
SELECT part, name, phone, email, vendor_lead_id, facts, body FROM lead_parts
WHERE lead = :lead ORDER BY part;

-- name: why_unparted
-- Why the several leads of a request could not be told apart.
SELECT reason FROM unparted_leads WHERE lead = :lead;

-- name: any_part
-- One row if any request was ever found to hold several leads.
SELECT 1 FROM lead_parts LIMIT 1;
