-- name: refused
-- Leads that are refused as they are, by destination, with the class of the newest refusal.
WITH refused (destination, deliveries, since_ms, newest) AS (
  SELECT destination, count(*), min(first_attempt_at_ms), max(id)
  FROM deliveries INDEXED BY deliveries_to_mend
  WHERE to_mend = 1 AND (status = 'pending' OR status = 'processing')
  GROUP BY destination)
SELECT destination, deliveries, since_ms,
       ifnull((SELECT error_class FROM attempts
               WHERE delivery = newest AND error_class <> '' ORDER BY id DESC LIMIT 1), '')
FROM refused ORDER BY destination;

-- name: incidents
-- Incidents that are open or were resolved since a time, newest first.
SELECT id, version, problem, fired_at_ms, seen_at_ms, told_at_ms, told, resolved_at_ms,
       acknowledged_at_ms, acknowledged_by, silenced_until_ms
FROM incidents
WHERE id IN (SELECT id FROM incidents WHERE resolved_at_ms IS NULL
             UNION ALL
             SELECT id FROM incidents WHERE resolved_at_ms >= :since_ms)
ORDER BY id DESC LIMIT :limit;

-- name: queue_notice
-- Something to tell people.
INSERT INTO alert_notices (incident, notice, queued_at_ms, next_try_at_ms)
VALUES (:incident, :notice, :now_ms, :now_ms);

-- name: claim_notices
-- Take what is due to be sent, for a while. What is due far too late is due because a clock jumped.
UPDATE alert_notices
SET attempts = attempts + 1, lease_boot_id = :boot_id, lease_until_boot_ms = :until_boot_ms
WHERE id IN (
  SELECT id FROM alert_notices INDEXED BY alert_notices_unsent
  WHERE sent_at_ms IS NULL
    AND (next_try_at_ms <= :now_ms OR next_try_at_ms > :now_ms + :longest_wait_ms)
    AND (lease_boot_id IS NULL OR lease_boot_id <> :boot_id OR lease_until_boot_ms <= :boottime_ms)
  ORDER BY id LIMIT :limit)
RETURNING id, attempts - 1, queued_at_ms, notice;

-- name: notice_sent
-- It was handed to a channel that took it.
UPDATE alert_notices
SET sent_at_ms = :now_ms, lease_boot_id = NULL, lease_until_boot_ms = NULL, last_error = ''
WHERE id = :notice;

-- name: notice_unsent
-- It was not: again later.
UPDATE alert_notices
SET next_try_at_ms = :next_try_at_ms, last_error = :error,
    lease_boot_id = NULL, lease_until_boot_ms = NULL
WHERE id = :notice AND sent_at_ms IS NULL;

-- name: outbox
-- What waits to be sent.
SELECT count(*), min(queued_at_ms),
       ifnull((SELECT last_error FROM alert_notices
               WHERE sent_at_ms IS NULL AND last_error <> '' ORDER BY id DESC LIMIT 1), '')
FROM alert_notices WHERE sent_at_ms IS NULL;

-- name: forget_incidents
-- Incidents that were resolved long ago and told to the end, a few at a time.
DELETE FROM incidents WHERE id IN (
  SELECT id FROM incidents AS i
  WHERE i.resolved_at_ms < :before_ms
    AND NOT EXISTS (SELECT 1 FROM alert_notices AS n
                    WHERE n.incident = i.id AND n.sent_at_ms IS NULL)
  ORDER BY i.resolved_at_ms LIMIT :limit);
