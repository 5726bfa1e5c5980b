/**
 * How many calls a rate limit refused, in the rollups: reports show it of every user, and the calls are too many to count it
 * there. The days of a file are those in which its users called: no two of them overlap.
 */
export const rateLimitedSchema = `
  ALTER TABLE rollup_users ADD COLUMN rate_limited_requests INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE rollup_models ADD COLUMN rate_limited_requests INTEGER NOT NULL DEFAULT 0;

  CREATE TEMP TABLE rate_limited AS
    SELECT d.bucket, c.user_id, c.model_id, count(*) AS n
    FROM (SELECT bucket, min(first_ms) AS first_ms, max(last_ms) AS last_ms FROM rollup_users WHERE bucket % 100 <> 0 GROUP BY bucket) AS d
    CROSS JOIN llm_calls AS c ON c.start_ms BETWEEN d.first_ms AND d.last_ms AND c.counted = 1
    WHERE c.kind_id IN (SELECT kind_id FROM kinds WHERE error_class = 'rate_limit')
    GROUP BY d.bucket, c.user_id, c.model_id;

  UPDATE rollup_users SET rate_limited_requests = found.n
    FROM (SELECT bucket, user_id, sum(n) AS n FROM rate_limited GROUP BY bucket, user_id
          UNION ALL SELECT bucket - bucket % 100, user_id, sum(n) FROM rate_limited GROUP BY bucket - bucket % 100, user_id) AS found
    WHERE rollup_users.bucket = found.bucket AND rollup_users.user_id = found.user_id;
  UPDATE rollup_models SET rate_limited_requests = found.n
    FROM (SELECT bucket, model_id, sum(n) AS n FROM rate_limited GROUP BY bucket, model_id
          UNION ALL SELECT bucket - bucket % 100, model_id, sum(n) FROM rate_limited GROUP BY bucket - bucket % 100, model_id) AS found
    WHERE rollup_models.bucket = found.bucket AND rollup_models.model_id = found.model_id;
  DROP TABLE rate_limited;
`
