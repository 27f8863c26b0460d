-- A worker sets a delivery aside that it cannot send at all; a delivery may stand in for another.
-- Runs in one transaction. Features of SQLite 3.40 only: older shells read this database.

-- The delivery that this one stands in for, because that one's destination had failed for too long.
ALTER TABLE deliveries ADD COLUMN stands_in_for INTEGER REFERENCES deliveries (id);

-- Deliveries whose tries have failed so far, by when the first try began.
CREATE INDEX deliveries_failing ON deliveries (destination, first_attempt_at_ms)
  WHERE status = 'pending' AND first_attempt_at_ms IS NOT NULL;

-- The graph of leadkeep.states, tested equal to it.
DROP TRIGGER refuse_a_move_outside_the_graph;
CREATE TRIGGER refuse_a_move_outside_the_graph BEFORE UPDATE OF status ON deliveries
WHEN old.status <> new.status AND NOT CASE old.status || ' to ' || new.status
  WHEN 'pending to processing' THEN 1
  WHEN 'pending to completed' THEN 1
  WHEN 'pending to held' THEN 1
  WHEN 'pending to cancelled' THEN 1
  WHEN 'processing to pending' THEN 1
  WHEN 'processing to completed' THEN 1
  WHEN 'processing to failed' THEN 1
  WHEN 'processing to held' THEN 1
  WHEN 'failed to pending' THEN 1
  WHEN 'failed to completed' THEN 1
  WHEN 'failed to held' THEN 1
  WHEN 'failed to cancelled' THEN 1
  WHEN 'held to pending' THEN 1
  WHEN 'held to completed' THEN 1
  WHEN 'held to cancelled' THEN 1
  WHEN 'cancelled to pending' THEN 1
  ELSE 0
END
BEGIN
  SELECT raise(ABORT, 'a delivery cannot go from this status to that one');
END;
