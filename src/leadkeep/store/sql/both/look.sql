-- name: deliveries_of_lead
-- The ids of a lead's deliveries, oldest first.
SELECT id FROM deliveries WHERE lead = :lead ORDER BY id;

-- name: attempts_of_delivery
-- A delivery's tries, oldest first.
SELECT attempt, started_at_ms, duration_ms, outcome, error_class, error_message, response_status,
       response_body
FROM attempts WHERE delivery = :delivery ORDER BY id;

-- name: notice_counts
-- Probes, rejections and handshakes, from the maintained counters.
SELECT kind, n FROM notice_counts;
