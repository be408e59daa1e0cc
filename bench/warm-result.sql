\pset format unaligned
\pset fieldsep ' | '
\pset tuples_only on
SELECT '| ' || c.task || CASE WHEN c.task = 'INSERT' THEN ', fsync ' || q.fsync ELSE '' END, q.regime, replace(q.spin, 'default', :'default'), c.by,
  round(bench.middle(array_agg(q.p50))), round(bench.middle(array_agg(q.p95))), round(bench.middle(array_agg(q.p99))),
  coalesce(bench.ratio(array_agg(q.p50 / d.p50) FILTER (WHERE d.call <> q.call)), ''),
  coalesce(bench.ratio(array_agg(q.p99 / d.p99) FILTER (WHERE d.call <> q.call)), ''),
  coalesce(bench.ratio(array_agg(n.p50 / q.p50) FILTER (WHERE d.call <> q.call)), '') || ' |'
FROM bench.warm_quantile q JOIN bench.warm_call c ON c.id = q.call
JOIN bench.warm_call peer ON peer.task = c.task AND peer.by = 'dblink'
LEFT JOIN bench.warm_quantile d USING (regime, spin, fsync, repetition)
LEFT JOIN bench.warm_quantile n ON n.regime = 'new worker' AND (n.fsync, n.repetition, n.call) = (q.fsync, q.repetition, q.call)
WHERE (d.call = peer.id OR d.call IS NULL) AND q.regime <> 'new worker'
GROUP BY c.task, q.fsync, q.regime, q.spin, c.id
UNION ALL
SELECT '| ' || c.task || CASE WHEN c.task = 'INSERT' THEN ', fsync ' || q.fsync ELSE '' END, q.regime, '', c.by,
  round(bench.middle(array_agg(p50))), round(bench.middle(array_agg(p95))), round(bench.middle(array_agg(p99))), '', '', '|'
FROM bench.warm_quantile q JOIN bench.warm_call c ON c.id = q.call WHERE regime = 'new worker'
GROUP BY c.task, q.fsync, q.regime, c.id
ORDER BY 1 DESC, 2, 3, 4;
