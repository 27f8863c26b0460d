-- name: confirmed_reply
-- What the destination answered when it confirmed a delivery.
SELECT response_status, response_headers, response_body FROM attempts
WHERE delivery = :delivery AND outcome = 'completed' ORDER BY id DESC LIMIT 1;
