-- A session and all that came from it, deleted ones too, with the version each stream is at.
--   $1 tenant text, $2 session key text
--   $3 spare  boolean  leave out who has an expiry of its own that is still to come, and what is below it
-- UNION, not UNION ALL: sessions that are each other's parents must end.
WITH RECURSIVE tree AS (
    SELECT s.stream_id, s.key, s.state
    FROM {schema}.sessions AS s
    WHERE s.stream_id = (
        SELECT i.id FROM {schema}.streams AS i WHERE i.tenant = $1 AND i.kind = 'session' AND i.key = $2)
    UNION
    SELECT s.stream_id, s.key, s.state
    FROM tree
    JOIN {schema}.sessions AS s ON s.tenant = $1 AND s.parent = tree.key
    WHERE NOT ($3 AND coalesce(s.expires_at > now(), false))
)
SELECT tree.key, tree.state, i.version
FROM tree JOIN {schema}.streams AS i ON i.id = tree.stream_id
ORDER BY tree.stream_id
