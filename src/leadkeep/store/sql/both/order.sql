-- name: anybody_awaits_unknown
-- One row if some place waits for a lead that was not known.
SELECT 1 FROM places WHERE awaits = 0 LIMIT 1;

-- name: watch_for_settling
-- From now on somebody's order depends on where this delivery stands.
UPDATE deliveries SET behind = 0 WHERE id = :target AND behind IS NULL;

-- name: has_lines
-- One row if any lead of a destination has a place in a line.
SELECT 1 FROM lines WHERE destination = :destination LIMIT 1;

-- name: next_overtaking
-- When the patience of the next lead ends that may then overtake.
SELECT min(overtakes_at_ms) FROM lines
WHERE destination = :destination AND overtakes_at_ms IS NOT NULL;

-- name: step_back
-- Whose turn it was waits again.
UPDATE deliveries SET behind = 1 WHERE id = :delivery AND status = 'pending';

-- name: step_forward
-- This one may be claimed now.
UPDATE deliveries SET behind = 0 WHERE id = :delivery AND status = 'pending';

-- name: give_turn
-- Out of its order it is this one's turn.
UPDATE lines SET turn = :delivery, overtakes_at_ms = NULL, latest_since_ms = NULL
WHERE id = :line;
