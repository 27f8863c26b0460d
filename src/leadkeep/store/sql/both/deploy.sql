-- name: carry_deployment
-- The term of a deployment, as read on another boot's clock.
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
