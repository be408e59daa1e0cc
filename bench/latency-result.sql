\pset format unaligned
\pset fieldsep ' | '
\pset tuples_only on
WITH quantile AS (
  SELECT task, fsync, call, repetition, count(*), percentile_cont('{0.5,0.95,0.99}'::float8[]) WITHIN GROUP (ORDER BY us) q
  FROM bench.latency GROUP BY 1, 2, 3, 4
), against AS (
  SELECT ours.*, ours.q[1] / peer.q[1] AS ratio
  FROM quantile ours JOIN bench.call c ON c.id = ours.call AND c.peer ~ '^(launch|submit)'
  JOIN bench.call p ON p.task = c.task AND p.peer = 'dblink, new connection'
  JOIN quantile peer ON (peer.call, peer.fsync, peer.repetition) = (p.id, ours.fsync, ours.repetition)
)
SELECT '| ' || c.task || CASE WHEN q.task = 'INSERT' THEN ', fsync ' || q.fsync ELSE '' END AS task, c.peer,
  round(bench.middle(array_agg(q.q[1]))), round(bench.middle(array_agg(q.q[2]))), round(bench.middle(array_agg(q.q[3]))),
  coalesce(bench.ratio(array_agg(a.ratio) FILTER (WHERE a.ratio IS NOT NULL)), '') || ' |'
FROM quantile q JOIN bench.call c ON c.id = q.call
LEFT JOIN against a ON (a.call, a.fsync, a.repetition) = (q.call, q.fsync, q.repetition)
GROUP BY q.task, c.task, q.fsync, c.peer, q.call ORDER BY c.task DESC, q.fsync, q.call;
