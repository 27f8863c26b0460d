-- name: count_leads
-- How many leads there are.
SELECT count(*) FROM leads;
