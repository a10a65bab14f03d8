"""What the store does by itself when several machines share its accounts: claims, and budgets.

*A claim* is one call of the function ``claim``, which is one transaction. Claims of all machines
are made one after the other (an advisory lock), so that what counts the connections of a host sees
every claim before; one takes some milliseconds and brings hundreds of accounts. It is a function
because a machine that is stopped in the middle of a transaction of several statements would hold
the lock.

*A budget* is the number of accounts of one host that are polled at a time, over all machines. Those
that wait for news of their server (``watching``) do not count, as in a single daemon. A due account
whose host has no room is put aside (``waits``): otherwise each claim would walk over all of them
again. They come first once their host has room.

*A host* that has refused connections has a budget of its own, half of what was open; it grows by
one each minute.
"""

from __future__ import annotations

CLAIM_LOCK = 0x6D68636C61696D
"""The number of the advisory lock of claims: "mhclaim" in ASCII."""

CLAIM = f"""
CREATE FUNCTION claim(me bigint, polls bigint, watches bigint, own bigint[], most bigint)
RETURNS TABLE (id bigint, name text, origin text, text text, epoch bigint, failures bigint,
    refusals bigint, late double precision)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    wanted bigint := polls;
    -- A standby server that takes over without the last claims must not give an epoch again.
    step bigint := 1 + floor(random() * 1048576);
    taken bigint[];
    more bigint[];
    passed bigint;
BEGIN
    PERFORM pg_advisory_xact_lock({CLAIM_LOCK});
    -- One that was paused has to register again first.
    IF NOT EXISTS (SELECT 1 FROM worker w WHERE w.id = me AND w.expires > now()) THEN
        RETURN;
    END IF;
    PERFORM free_expired();
    -- Those that wait for their host come first.
    WITH RECURSIVE hosts(host) AS (
        (SELECT a.host FROM account a WHERE a.waits AND a.owner IS NULL AND NOT a.paused
            ORDER BY a.host LIMIT 1)
        UNION ALL
        SELECT (SELECT a.host FROM account a WHERE a.waits AND a.owner IS NULL AND NOT a.paused
            AND a.host > hosts.host ORDER BY a.host LIMIT 1) FROM hosts WHERE hosts.host IS NOT NULL
    )
    SELECT array_agg(found.id) INTO taken FROM (
        SELECT one.id FROM rooms(ARRAY(SELECT n.host FROM hosts n WHERE n.host IS NOT NULL),
            most) h
        CROSS JOIN LATERAL (
            SELECT a.id, a.due FROM account a
            WHERE a.waits AND a.owner IS NULL AND NOT a.paused AND a.host = h.host
                AND (a.origin = 'store' OR a.id = ANY (own)) AND (watches > 0 OR NOT a.watched)
            ORDER BY a.due LIMIT greatest(h.room, 0)
        ) one ORDER BY one.due LIMIT wanted
    ) found;
    WITH changed AS (
        UPDATE account a SET owner = me, epoch = a.epoch + step, waits = false, watching = false
            WHERE a.id = ANY (taken) AND a.owner IS NULL AND NOT a.paused RETURNING a.id
    )
    SELECT coalesce(array_agg(c.id), '{{}}') INTO taken FROM changed c;
    FOR round IN 1..8 LOOP
        EXIT WHEN cardinality(taken) >= wanted;
        WITH seen AS MATERIALIZED (
            SELECT a.id, a.host, a.due, a.watched FROM account a
            WHERE a.owner IS NULL AND NOT a.paused AND NOT a.waits AND a.due <= now()
                AND (a.origin = 'store' OR a.id = ANY (own)) AND (watches > 0 OR NOT a.watched)
            ORDER BY a.due LIMIT wanted - cardinality(taken)
            FOR UPDATE SKIP LOCKED
        ), ranked AS (
            SELECT s.id, s.host, s.watched,
                row_number() OVER (PARTITION BY s.host ORDER BY s.due) AS place,
                row_number() OVER (PARTITION BY s.watched ORDER BY s.due) AS among_watched
            FROM seen s
        ), rooms AS (
            SELECT h.host, h.room FROM rooms(ARRAY(SELECT s.host FROM seen s), most) h
        ), changed AS (
            UPDATE account a SET
                owner = CASE WHEN r.place <= m.room THEN me END,
                epoch = a.epoch + CASE WHEN r.place <= m.room THEN step ELSE 0 END,
                waits = r.place > m.room, watching = false
            FROM ranked r JOIN rooms m ON m.host = r.host
            WHERE a.id = r.id AND (NOT r.watched OR r.among_watched <= watches)
            RETURNING a.id, a.owner
        )
        SELECT coalesce(array_agg(c.id) FILTER (WHERE c.owner IS NOT NULL), '{{}}'),
            count(*) FILTER (WHERE c.owner IS NULL) INTO more, passed FROM changed c;
        taken := taken || more;
        -- Without accounts that were put aside, everything that is due has been seen.
        EXIT WHEN passed = 0;
    END LOOP;
    RETURN QUERY SELECT a.id, a.name, a.origin, a.text, a.epoch, a.failures, a.refusals,
        extract(epoch FROM now() - a.due)::double precision
        FROM account a WHERE a.id = ANY (taken);
END $$
"""  # noqa: S608  the number is ours

FREE_EXPIRED = """
CREATE FUNCTION free_expired() RETURNS void LANGUAGE sql AS $$
    UPDATE account a SET owner = NULL, watching = false, due = least(a.due, now())
        FROM worker w WHERE w.expires <= now() AND a.owner = w.id AND a.owner > 0
$$
"""

ROOMS = """
CREATE FUNCTION rooms(wanted text[], most bigint) RETURNS TABLE (host text, room bigint)
LANGUAGE sql STABLE AS $$
    SELECT h.name, least($2, coalesce(
            b.most + floor(extract(epoch FROM now() - b.refused) / 60)::bigint, $2))
        - coalesce(c.busy, 0)
    FROM (SELECT DISTINCT unnest($1) AS name) h
    LEFT JOIN host b ON b.name = h.name
    LEFT JOIN (SELECT a.host, count(*) AS busy FROM account a
        WHERE a.owner IS NOT NULL AND NOT a.watching GROUP BY a.host) c ON c.host = h.name
$$
"""

STATEMENTS = (
    # ``watched``: the settings want to wait for news. ``watching``: the owner does. ``waits``: it
    # is due, and its host has no room.
    "ALTER TABLE account ADD watched boolean NOT NULL DEFAULT false,"
    " ADD watching boolean NOT NULL DEFAULT false, ADD waits boolean NOT NULL DEFAULT false",
    # Each poll changes a row twice, and its place in an index.
    "ALTER TABLE account SET (autovacuum_vacuum_scale_factor = 0.02,"
    " autovacuum_vacuum_cost_delay = 0, autovacuum_analyze_scale_factor = 0.2)",
    "DROP INDEX account_due",
    "CREATE INDEX account_due ON account (due) WHERE owner IS NULL AND NOT paused AND NOT waits",
    "CREATE INDEX account_waits ON account (host, due)"
    " WHERE waits AND owner IS NULL AND NOT paused",
    # With this condition it is not used to count: before the first ANALYZE, all that is claimed
    # seems to be as cheap to read as what is busy at one host.
    "DROP INDEX account_owner",
    "CREATE INDEX account_owner ON account (owner) WHERE owner > 0",
    "CREATE INDEX account_busy ON account (host) WHERE owner IS NOT NULL AND NOT watching",
    "CREATE INDEX account_failing ON account (name) WHERE failures > 0 OR problem <> ''",
    'CREATE TABLE host (name text COLLATE "C" PRIMARY KEY, most bigint NOT NULL,'
    " refused timestamptz NOT NULL)",
    FREE_EXPIRED,
    ROOMS,
    CLAIM,
)
"""The upgrade of the tables of version 1."""
