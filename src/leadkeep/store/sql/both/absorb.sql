-- name: destinations_of_lead
-- Where a lead's deliveries go (NULL: nowhere yet), each with its part.
SELECT destination, part FROM deliveries WHERE lead = :lead;
