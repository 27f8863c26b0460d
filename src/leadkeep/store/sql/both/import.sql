-- name: deliveries_of_import
-- The deliveries of a lead that was imported a moment ago, and where they begin.
SELECT id, status FROM deliveries WHERE lead = :lead;

-- name: note_import
-- What the queue that it came from said of a delivery's last try.
UPDATE deliveries SET error_message = :error WHERE id = :delivery;
