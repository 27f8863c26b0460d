-- name: homeless_delivery
-- A lead's delivery, or that of a part, that waits without a destination.
SELECT id FROM deliveries
WHERE lead = :lead AND destination IS NULL AND part = :part AND status IN ('pending', 'held');

-- name: is_tried
-- One row if this try of a delivery is recorded.
SELECT 1 FROM attempts WHERE delivery = :delivery AND attempt = :attempt;
