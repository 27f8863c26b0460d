-- name: incident
-- One incident.
SELECT id, version, problem, fired_at_ms, seen_at_ms, told_at_ms, told, resolved_at_ms,
       acknowledged_at_ms, acknowledged_by, silenced_until_ms
FROM incidents WHERE id = :incident;

-- name: open_incident
-- A problem is there that was not there; nothing if another has seen it first.
INSERT INTO incidents
  (kind, subject, version, problem, fired_at_ms, seen_at_ms, told_at_ms, told, silenced_until_ms)
VALUES
  (:kind, :subject, 1, :problem, :fired_at_ms, :seen_at_ms, :told_at_ms, :told, NULL)
ON CONFLICT DO NOTHING
RETURNING id;

-- name: change_incident
-- Change an incident that nobody has changed since it was looked at.
UPDATE incidents
SET version = version + 1, problem = :problem, seen_at_ms = :seen_at_ms, told_at_ms = :told_at_ms,
    told = :told, resolved_at_ms = :resolved_at_ms, acknowledged_at_ms = :acknowledged_at_ms,
    acknowledged_by = :acknowledged_by, silenced_until_ms = :silenced_until_ms
WHERE id = :incident AND version = :version AND resolved_at_ms IS NULL
RETURNING id;
