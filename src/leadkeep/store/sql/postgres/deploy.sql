-- name: holds_of_destination
-- What holds a destination, each with its term: a person, a deployment that failed, and one that
-- is under way.
SELECT 'person', NULL::bigint, term_span_ms, term_until_ms, term_boot_id, term_until_boot_ms
FROM destination_states WHERE name = :destination AND held
UNION ALL
SELECT 'failed', deployment, NULL, NULL, NULL, NULL
FROM kept_holds WHERE destination = :destination
UNION ALL
SELECT 'under_way', id, span_ms, until_ms, boot_id, until_boot_ms
FROM deployments WHERE destination = :destination AND ended_at_ms IS NULL;

-- name: end_hold
-- A person's hold ends because its time is over.
UPDATE destination_states
SET held = false, hold_reason = '', since_ms = :now_ms, term_span_ms = NULL, term_until_ms = NULL,
    term_boot_id = NULL, term_until_boot_ms = NULL
WHERE name = :destination AND held;

-- name: carry_hold
-- The term of a person's hold, as read on another clock.
UPDATE destination_states
SET term_until_ms = :until_ms, term_boot_id = :boot_id, term_until_boot_ms = :until_boot_ms
WHERE name = :destination AND held;

-- name: carry_deployment
-- The term of a deployment, as read on another clock.
UPDATE deployments
SET until_ms = :until_ms, boot_id = :boot_id, until_boot_ms = :until_boot_ms
WHERE id = :deployment;

-- name: keep_held
-- What a deployment that failed leaves held; until a person resumes it, or another succeeds.
INSERT INTO kept_holds (destination, deployment, reason, since_ms)
VALUES (:destination, :deployment, :reason, :now_ms)
ON CONFLICT (destination) DO UPDATE SET
  deployment = excluded.deployment, reason = excluded.reason, since_ms = excluded.since_ms;

-- name: keep_held_no_more
-- A person resumes it, or another deployment has succeeded.
DELETE FROM kept_holds WHERE destination = :destination;

-- name: begin_deployment
-- A deployment begins, and with it its hold.
INSERT INTO deployments
  (destination, actor, note, begun_at_ms, span_ms, until_ms, boot_id, until_boot_ms)
VALUES
  (:destination, :actor, :note, :now_ms, :span_ms, :until_ms, :boot_id, :until_boot_ms)
RETURNING id;

-- name: end_deployment
-- How a deployment ended.
UPDATE deployments
SET ended_at_ms = :now_ms, result = :result, detail = :detail, exit_code = :exit_code,
    switched_to = :switched_to, canary_lead_id = :canary_lead_id, waited = :waited,
    longest_wait_ms = :longest_wait_ms
WHERE id = :deployment AND ended_at_ms IS NULL;

-- name: deployment_under_way
-- The deployment of a destination that has not ended.
SELECT id FROM deployments WHERE destination = :destination AND ended_at_ms IS NULL;

-- name: deployments
-- Deployments, newest first: one, those of a destination, or (NULL) all.
SELECT id, destination, actor, note, begun_at_ms, span_ms, until_ms, boot_id, until_boot_ms,
       ended_at_ms, result, detail, exit_code, switched_to, canary_lead_id, waited,
       longest_wait_ms
FROM deployments
WHERE (:deployment::bigint IS NULL OR id = :deployment::bigint)
  AND (:destination::text IS NULL OR destination = :destination::text)
  AND (NOT :under_way::boolean OR ended_at_ms IS NULL)
ORDER BY id DESC LIMIT :limit;

-- name: deployment_holds
-- Deployments under way, as far as noted, with what is shown of their holds.
SELECT id, destination, actor, span_ms, until_ms, boot_id, until_boot_ms
FROM deployments WHERE ended_at_ms IS NULL;

-- name: kept_holds
-- What deployments that failed have left held.
SELECT deployment, destination, reason FROM kept_holds;

-- name: switched_url
-- The address that a destination's leads go to instead of the configured one.
SELECT url FROM switched_urls WHERE destination = :destination;

-- name: switched_urls
-- Every address that is not the configured one.
SELECT destination, url, instead_of, deployment, at_ms FROM switched_urls;

-- name: switch_url
-- Leads of a destination go to this address from now on.
INSERT INTO switched_urls (destination, url, instead_of, deployment, at_ms)
VALUES (:destination, :url, :instead_of, :deployment, :now_ms)
ON CONFLICT (destination) DO UPDATE SET
  url = excluded.url, instead_of = excluded.instead_of, deployment = excluded.deployment,
  at_ms = excluded.at_ms;

-- name: drop_switched_url
-- Leads of a destination go to the configured address again.
DELETE FROM switched_urls WHERE destination = :destination;

-- name: under_way
-- Deliveries of a destination that are leased, from the maintained counters.
SELECT n FROM delivery_counters WHERE destination = :destination AND status = 'processing';

-- name: backlog
-- How many leads of a destination are due and wait for it (and for no other lead), and since when
-- the first of them.
SELECT count(*), min(next_attempt_at_ms) FROM deliveries
WHERE status = 'pending' AND destination = :destination AND next_attempt_at_ms <= :now_ms
  AND behind IS DISTINCT FROM 1;
