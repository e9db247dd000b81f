-- What is asked of the ledger and written to it, each under the name that it is called by.

-- name: plan
INSERT INTO deliveries (webhook_id, event, target, position, story, alert, kind, level, fast,
    state, reason, made_ms, due_ms, expires_ms, ended_ms, digested)
VALUES (:webhook_id, :event, :target, :position, :story, :alert, :kind, :level, :fast,
    :state, :reason, :now, :due, :expires, :ended, :digested)
ON CONFLICT (event, target) DO NOTHING

-- name: move
INSERT INTO reactions VALUES (:reaction, :checkpoint, :event)
ON CONFLICT (reaction) DO UPDATE SET checkpoint = excluded.checkpoint, event = excluded.event
WHERE excluded.checkpoint >= checkpoint

-- name: due
SELECT delivery, webhook_id, event, target, position, story, alert, kind, level, fast, tries + 1,
    before, made_ms, expires_ms, reason
FROM deliveries
WHERE target = :target AND state IN ('pending', 'retry') AND due_ms <= :now
    AND story NOT IN (SELECT value FROM json_each(:busy))
ORDER BY fast DESC, due_ms, delivery LIMIT :most

-- name: in-flight
-- Of which stories something is on its way, and whether by itself or told in a digest.
SELECT story, 1 FROM deliveries WHERE target = :target AND state = 'in flight'
UNION ALL
SELECT told.story, 0 FROM deliveries AS sent INDEXED BY deliveries_in_flight
CROSS JOIN deliveries AS told ON told.digest = sent.delivery
WHERE sent.target = :target AND sent.story = '' AND sent.state = 'in flight'

-- name: claim
UPDATE deliveries SET state = 'in flight', tries = :tries, began_ms = :now
WHERE delivery = :delivery

-- name: expire
UPDATE deliveries SET state = 'expired', ended_ms = :now
WHERE delivery = :delivery OR digest = :delivery AND state = 'held'

-- name: attempted
-- By place, as is what follows: each delivery that is sent comes by here.
INSERT INTO attempts VALUES (?, ?, ?, ?, ?, ?, ?, ?)

-- name: end
UPDATE deliveries SET
    state = CASE WHEN overtaken AND ?2 <> 'delivered' THEN 'superseded' ELSE ?2 END,
    due_ms = ?3, ended_ms = CASE WHEN ?2 = 'retry' THEN NULL ELSE ?4 END,
    shown_as = coalesce(?5, shown_as)
WHERE delivery = ?1 AND state = 'in flight'

-- name: claim-next
-- Of a target ?1 at a time ?2, while fewer than ?3 are on their way to it; what is too old is left
-- for who looks at all of it.
UPDATE deliveries SET state = 'in flight', tries = tries + 1, began_ms = ?2
WHERE delivery = (
    SELECT delivery FROM deliveries AS waits
    WHERE target = ?1 AND state IN ('pending', 'retry') AND due_ms <= ?2 AND expires_ms > ?2
        AND NOT EXISTS (SELECT 1 FROM deliveries AS sent
            WHERE sent.target = ?1 AND sent.story = waits.story AND sent.state = 'in flight')
        AND NOT EXISTS (SELECT 1 FROM deliveries AS sent INDEXED BY deliveries_in_flight
            CROSS JOIN deliveries AS told ON told.digest = sent.delivery -- nor what a digest tells
            WHERE sent.target = ?1 AND sent.story = '' AND sent.state = 'in flight'
                AND told.story = waits.story)
        AND (SELECT count(*) FROM deliveries WHERE target = ?1 AND state = 'in flight') < ?3
    ORDER BY fast DESC, due_ms, delivery LIMIT 1
)
RETURNING delivery, webhook_id, event, target, position, story, alert, kind, level, fast, tries,
    before, made_ms, expires_ms, reason

-- name: end-digested
-- As the digest did.
UPDATE deliveries SET state = ?3, ended_ms = ?2
WHERE digest = ?1 AND state = 'held'

-- name: orphaned-attempts
INSERT INTO attempts
SELECT delivery, tries, began_ms, max(0, :now - began_ms), NULL, 'killed', NULL, 1
FROM deliveries WHERE state = 'in flight'

-- name: orphaned
UPDATE deliveries SET state = CASE WHEN overtaken THEN 'superseded' ELSE 'retry' END, due_ms = :now
WHERE state = 'in flight'

-- name: waiting
WITH RECURSIVE each (target) AS (
    SELECT min(target) FROM deliveries WHERE state IN ('pending', 'retry')
    UNION ALL
    SELECT (SELECT min(target) FROM deliveries
        WHERE state IN ('pending', 'retry') AND target > each.target)
    FROM each WHERE target IS NOT NULL
)
SELECT target FROM each WHERE EXISTS (
    SELECT 1 FROM deliveries AS waits INDEXED BY deliveries_waiting
    WHERE waits.target = each.target AND state IN ('pending', 'retry') AND due_ms <= :now)

-- name: held
-- What tells another in its place is decided on as that: it is what its target wanted.
SELECT held.delivery, coalesce(first.event, held.event), held.target,
    coalesce(first.position, held.position), held.level, held.digested
FROM deliveries AS held LEFT JOIN deliveries AS first
    ON first.delivery = (SELECT min(delivery) FROM deliveries WHERE digest = held.delivery)
WHERE held.state = 'held' AND held.due_ms <= :now AND held.digest IS NULL
ORDER BY held.due_ms, held.delivery LIMIT :most

-- name: decide-again
UPDATE deliveries SET state = :state, reason = :reason, due_ms = :due, digested = :digested,
    ended_ms = CASE WHEN :state IN ('held', 'pending') THEN NULL ELSE :now END
WHERE delivery = :delivery AND state = 'held'

-- name: into-digest
UPDATE deliveries INDEXED BY deliveries_held SET digest = (SELECT d.delivery FROM deliveries AS d WHERE d.event = :event
    AND d.target = deliveries.target)
WHERE target = :target AND state = 'held' AND digested AND digest IS NULL AND due_ms <= :now

-- name: digested
SELECT position, event, kind FROM deliveries
WHERE digest = :delivery AND state IN ('held', 'delivered') ORDER BY position

-- name: of-alerts
-- The deliveries of some alerts of a story, and what told them in their place by a position.
WITH own AS (
    SELECT delivery, digest FROM deliveries
    WHERE story = :story AND alert IN (SELECT value FROM json_each(:alerts))
)
SELECT delivery FROM own
UNION
SELECT told.delivery FROM own CROSS JOIN deliveries AS told ON told.delivery = own.digest
WHERE told.story = :story AND told.position < :position

-- name: chased
-- Targets that got, or may have got, one of some deliveries: delivered, being sent at this moment,
-- or tried with an end that nobody knows.
SELECT DISTINCT target FROM deliveries AS sent
WHERE delivery IN (SELECT value FROM json_each(:deliveries)) AND (
    state IN ('delivered', 'in flight')
    OR EXISTS (SELECT 1 FROM attempts
        WHERE delivery IN (sent.delivery, sent.digest) AND may_have)
    OR EXISTS (SELECT 1 FROM deliveries AS told
        WHERE told.delivery = sent.digest AND told.state = 'in flight')
)
ORDER BY target

-- name: without-words
-- Once, in a ledger from before: the reason of a correction was what it says.
UPDATE deliveries SET reason = :reason WHERE kind IN ('alert-corrected', 'alert-retracted')

-- name: unheard
-- What of them may still be sent and nobody has got, what waits for its turn before what was missed;
-- and as what the correction is news there: who was to get an alert of them has got none.
SELECT delivery, target, iif(alerted, 'alert-issued', :kind) FROM (
    SELECT *, max(kind = 'alert-issued') OVER (PARTITION BY target) AS alerted FROM deliveries
    WHERE delivery IN (SELECT value FROM json_each(:deliveries))
        AND target NOT IN (SELECT value FROM json_each(:chased))
)
WHERE state IN ('pending', 'retry', 'held', 'failed', 'expired', 'skipped') AND NOT overtaken
ORDER BY state NOT IN ('pending', 'retry', 'held'), due_ms, delivery

-- name: tell-instead
-- When it would have been told; what was missed can be recovered in these words.
INSERT INTO deliveries (webhook_id, event, target, position, story, alert, kind, level, fast,
    state, reason, made_ms, due_ms, expires_ms, ended_ms, digested, digest)
SELECT :webhook_id, :event, target, :position, :story, :alert, :kind, level, fast,
    CASE WHEN state = 'held' THEN 'held' WHEN state IN ('pending', 'retry') THEN 'pending'
        ELSE 'skipped' END,
    :reason, :now, due_ms, expires_ms,
    iif(state IN ('pending', 'retry', 'held'), NULL, :now), digested, digest
FROM deliveries WHERE delivery = :delivery
ON CONFLICT (event, target) DO NOTHING

-- name: told-by
-- What tells it from now on, so that whoever corrects it next finds that. By place, not by target.
UPDATE deliveries AS untold SET digest = (SELECT told.delivery FROM deliveries AS told
    WHERE told.event = :event AND told.target = untold.target)
WHERE +target IN (SELECT value FROM json_each(:told))
    AND (delivery IN (SELECT value FROM json_each(:deliveries))
        OR digest IN (SELECT value FROM json_each(:deliveries)))

-- name: supersede
UPDATE deliveries SET state = 'superseded', reason = :reason, ended_ms = :now
WHERE delivery IN (SELECT value FROM json_each(:deliveries))
    AND state IN ('pending', 'retry', 'held')

-- name: overtake
-- What is on its way is not tried again, and what was missed is not sent any more. A digest that goes
-- out later does not tell it.
UPDATE deliveries SET overtaken = 1,
    digest = iif(target IN (SELECT value FROM json_each(:chased)), digest, NULL)
WHERE delivery IN (SELECT value FROM json_each(:deliveries)) AND state <> 'delivered'
    AND NOT overtaken

-- name: plan-chase
INSERT INTO deliveries (webhook_id, event, target, position, story, alert, kind, level, fast,
    state, reason, made_ms, due_ms, expires_ms, ended_ms, digested)
SELECT :webhook_id, :event, :target, :position, :story, :alert, :kind, :level, 1,
    iif(calls, 'pending', 'skipped'), :reason, :now, :due, :expires, iif(calls, NULL, :now), 0
FROM (SELECT count(*) AS calls FROM targets WHERE target = :target AND state = 'active')
WHERE true
ON CONFLICT (event, target) DO NOTHING

-- name: had
SELECT DISTINCT target FROM deliveries WHERE event = :event AND state <> 'held'

-- name: sent-since
-- What was held counts from when it was let go.
SELECT level, coalesce(ended_ms, began_ms, max(made_ms, due_ms)) AS at FROM deliveries
WHERE target = :target AND made_ms > :since - :life AND at > :since
    AND kind = 'alert-issued' AND NOT digested AND state IN ('pending', 'in flight', 'retry', 'delivered')

-- name: tally
SELECT alert, state, count(*)
FROM deliveries WHERE story = :story AND position > 0 GROUP BY alert, state

-- name: totals
-- What ended as it was counted, and what is open as each index has it.
WITH open (state, position) AS (
    SELECT state, position FROM deliveries INDEXED BY deliveries_waiting
    WHERE state IN ('pending', 'retry')
    UNION ALL
    SELECT state, position FROM deliveries INDEXED BY deliveries_held WHERE state = 'held'
    UNION ALL
    SELECT state, position FROM deliveries INDEXED BY deliveries_in_flight
    WHERE state = 'in flight'
)
SELECT state, deliveries, alerts FROM counted WHERE deliveries > 0
UNION ALL
SELECT state, count(*), sum(position > 0) FROM open GROUP BY state

-- name: recount
INSERT OR REPLACE INTO counted
SELECT state, count(*), sum(position > 0) FROM deliveries
WHERE state IN (SELECT state FROM counted) GROUP BY state

-- name: earlier
-- What a target was shown of the alerts that a correction refers to, or in their place. By alert and
-- by place: a story and a target may have many others.
WITH own AS (
    SELECT delivery, digest FROM deliveries
    WHERE story = :story AND +target = :target AND alert IN (SELECT value FROM json_each(:alerts))
)
SELECT webhook_id, shown_as FROM deliveries
WHERE delivery IN (SELECT delivery FROM own UNION SELECT digest FROM own)
    AND +story = :story AND state NOT IN ('suppressed', 'in flight') -- which the correction is
    AND NOT (state = 'superseded' AND (tries = 0 OR digest IS NOT NULL))
ORDER BY delivery

-- name: resend
UPDATE deliveries SET state = 'pending', due_ms = :now, expires_ms = :expires, ended_ms = NULL,
    before = tries, reason = iif(kind = 'notice', reason, :reason) -- which is what a notice says
WHERE webhook_id = :webhook_id AND state NOT IN ('pending', 'in flight', 'retry')
    AND NOT overtaken -- its correction went to others, and would not follow
RETURNING delivery

-- name: recover
-- All news; what was to be told in a digest is told in it again.
UPDATE deliveries SET state = 'pending', due_ms = :now, expires_ms = :expires, ended_ms = NULL,
    before = tries, reason = :reason
WHERE target = :target AND made_ms >= :since AND NOT overtaken
    AND state IN ('failed', 'expired', 'skipped') AND digest IS NULL
    AND kind NOT IN ('drill', 'notice')
RETURNING delivery

-- name: hold-digested
-- What a digest is to tell that is sent again.
UPDATE deliveries SET state = 'held', ended_ms = NULL
WHERE digest = ? AND state IN ('failed', 'expired', 'skipped') AND NOT overtaken

-- name: attempts
SELECT d.webhook_id, d.kind, d.story, d.alert, d.state, d.reason, a.number, a.began_ms,
    a.milliseconds, a.status, a.error, a.address, d.target
FROM deliveries AS d LEFT JOIN attempts AS a USING (delivery)
WHERE (:target IS NULL OR d.target = :target)
    AND (:webhook_id IS NULL OR d.webhook_id = :webhook_id)
ORDER BY d.delivery DESC, a.number LIMIT :most

-- name: skip
UPDATE deliveries SET state = 'skipped', reason = iif(kind = 'notice', reason, :reason),
    ended_ms = :now
WHERE target = :target AND (state IN ('pending', 'retry') OR state = 'held' AND NOT EXISTS (
    SELECT 1 FROM deliveries AS sent -- what is told at this moment ends as its digest does
    WHERE sent.delivery = deliveries.digest AND sent.state = 'in flight'))

-- name: count-targets
SELECT count(*) FROM targets WHERE channel = ?

-- name: forget-gone
DELETE FROM targets WHERE channel = 'push' AND state = 'disabled'

-- name: has-target
SELECT count(*) FROM targets WHERE target = ?

-- name: add-target
INSERT INTO targets (target, channel, wishes, address, shown, named, owner, state, made_ms)
VALUES (:target, :channel, :wishes, :address, :shown, :named, :owner, 'active', :now)

-- name: change-target
UPDATE targets SET channel = :channel, wishes = :wishes, address = :address, shown = :shown
WHERE target = :target AND named

-- name: renew
UPDATE targets SET wishes = :wishes, address = :address WHERE target = :target

-- name: named-targets
SELECT target FROM targets WHERE named

-- name: is-named
SELECT count(*) FROM targets WHERE target = ? AND named

-- name: change-wishes
UPDATE targets SET wishes = :wishes WHERE target = :target

-- name: add-secret
INSERT INTO secrets (target, made_ms, until_ms, sealed) VALUES (?, ?, ?, ?)

-- name: first-secret
INSERT INTO secrets SELECT ?1, ?2, NULL, ?3
WHERE NOT EXISTS (SELECT 1 FROM secrets WHERE target = ?1)

-- name: forget-secrets
DELETE FROM secrets WHERE target = ? AND until_ms <= ?

-- name: outdate-secrets
UPDATE secrets SET until_ms = ? WHERE target = ? AND until_ms IS NULL

-- name: targets
SELECT target, channel, wishes, address, shown, owner, state, reason, made_ms, failing_ms, warned_ms
FROM targets

-- name: secrets
SELECT target, until_ms, sealed FROM secrets

-- name: disable
UPDATE targets SET state = 'disabled', reason = :reason, failing_ms = iif(:fails, failing_ms, NULL)
WHERE target = :target

-- name: enable
UPDATE targets SET state = 'active', reason = NULL, failing_ms = NULL, warned_ms = NULL
WHERE target = ?

-- name: enable-failing
-- What the desk disabled stays so.
UPDATE targets SET state = 'active', reason = NULL, failing_ms = NULL, warned_ms = NULL
WHERE target = ? AND failing_ms IS NOT NULL

-- name: failing
UPDATE targets SET failing_ms = ? WHERE target = ? AND failing_ms IS NULL

-- name: failing-anew
UPDATE targets SET failing_ms = ?, warned_ms = NULL WHERE target = ?

-- name: failing-since
-- Of tries that all failed, the first after which no more than a gap was without one.
SELECT max(tried) FROM (
    SELECT tried, lag(tried) OVER (ORDER BY tried) AS before FROM (
        SELECT :failing AS tried
        UNION ALL
        SELECT :now
        UNION ALL
        SELECT attempts.began_ms FROM deliveries CROSS JOIN attempts USING (delivery)
        WHERE target = :target AND made_ms > :failing - :life AND attempts.began_ms > :failing
    )
) WHERE before IS NULL OR tried - before > :gap

-- name: warned
UPDATE targets SET warned_ms = ? WHERE target = ?

-- name: recovered
UPDATE targets SET failing_ms = NULL, warned_ms = NULL WHERE target = ?

-- name: remove
DELETE FROM targets WHERE target = :target

-- name: trouble
SELECT (SELECT count(*) FROM targets), (SELECT count(*) FROM targets WHERE state = 'disabled'),
    (SELECT count(*) FROM targets WHERE failing_ms IS NOT NULL AND state = 'active'),
    (SELECT count(*) FROM deliveries WHERE state IN ('pending', 'retry', 'in flight', 'held')),
    (SELECT count(*) FROM deliveries WHERE state IN ('failed', 'expired'))
