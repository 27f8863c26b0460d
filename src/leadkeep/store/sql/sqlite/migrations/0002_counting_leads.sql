-- What the ledger counts from: every lead by segment, UTC day and source, read from the index alone.
-- Runs in one transaction. Features of SQLite 3.40 only: older shells read this database.

CREATE INDEX leads_for_the_ledger ON leads (segment, received_at_ms / 86400000, source);

CREATE INDEX leads_set_aside ON leads (disposition, received_at_ms / 86400000, source)
  WHERE disposition IN ('duplicate', 'erased');
