-- name: refused
-- Leads that are refused as they are, by destination, with the class of the newest refusal.
WITH refused AS (
  SELECT destination, count(*) AS deliveries, min(first_attempt_at_ms) AS since_ms,
         max(id) AS newest
  FROM deliveries
  WHERE to_mend AND status IN ('pending', 'processing')
  GROUP BY destination)
SELECT destination, deliveries, since_ms,
       coalesce((SELECT error_class FROM attempts
                 WHERE delivery = newest AND error_class <> '' ORDER BY id DESC LIMIT 1), '')
FROM refused ORDER BY destination;

-- name: incidents
-- Incidents that are open or were resolved since a time, newest first.
SELECT id, version, problem, fired_at_ms, seen_at_ms, told_at_ms, told, resolved_at_ms,
       acknowledged_at_ms, acknowledged_by, silenced_until_ms
FROM incidents
WHERE resolved_at_ms IS NULL OR resolved_at_ms >= :since_ms
ORDER BY id DESC LIMIT :limit;

-- name: queue_notice
-- Something to tell people.
INSERT INTO alert_notices (incident, notice, queued_at_ms, next_try_at_ms)
VALUES (:incident, :notice, :now_ms::bigint, :now_ms::bigint);

-- name: claim_notices
-- Take what is due to be sent, for a while. What is due far too late is due because a clock jumped.
UPDATE alert_notices
SET attempts = attempts + 1, lease_boot_id = :boot_id::text, lease_until_boot_ms = :until_boot_ms
WHERE id IN (
  SELECT id FROM alert_notices
  WHERE sent_at_ms IS NULL
    AND (next_try_at_ms <= :now_ms::bigint
         OR next_try_at_ms > :now_ms::bigint + :longest_wait_ms::bigint)
    AND (lease_boot_id IS NULL OR lease_boot_id <> :boot_id::text
         OR lease_until_boot_ms <= :boottime_ms)
  ORDER BY id LIMIT :limit
  FOR UPDATE SKIP LOCKED)
RETURNING id, attempts - 1, queued_at_ms, notice;

-- name: notice_sent
-- They were handed to a channel that took them.
UPDATE alert_notices AS n
SET sent_at_ms = g.now_ms, lease_boot_id = NULL, lease_until_boot_ms = NULL, last_error = ''
FROM unnest(:notice::bigint[], :now_ms::bigint[]) AS g (notice, now_ms)
WHERE n.id = g.notice;

-- name: notice_unsent
-- They were not: again later.
UPDATE alert_notices AS n
SET next_try_at_ms = g.next_try_at_ms, last_error = g.error,
    lease_boot_id = NULL, lease_until_boot_ms = NULL
FROM unnest(:notice::bigint[], :next_try_at_ms::bigint[], :error::text[])
  AS g (notice, next_try_at_ms, error)
WHERE n.id = g.notice AND n.sent_at_ms IS NULL;

-- name: outbox
-- What waits to be sent.
SELECT count(*), min(queued_at_ms),
       coalesce((SELECT last_error FROM alert_notices
                 WHERE sent_at_ms IS NULL AND last_error <> '' ORDER BY id DESC LIMIT 1), '')
FROM alert_notices WHERE sent_at_ms IS NULL;

-- name: forget_incidents
-- Incidents that were resolved long ago and told to the end, a few at a time.
DELETE FROM incidents WHERE id IN (
  SELECT id FROM incidents AS i
  WHERE i.resolved_at_ms < :before_ms
    AND NOT EXISTS (SELECT FROM alert_notices AS n
                    WHERE n.incident = i.id AND n.sent_at_ms IS NULL)
  ORDER BY i.resolved_at_ms LIMIT :limit
  FOR UPDATE SKIP LOCKED);
