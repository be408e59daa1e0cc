\pset format unaligned
\pset fieldsep ' | '
\pset tuples_only on
SELECT '| ' || c.task, q.regime, q.by, round(bench.middle(array_agg(q.p50))), round(bench.middle(array_agg(q.p95))), round(bench.middle(array_agg(q.p99))),
  coalesce(bench.ratio(array_agg(q.p50 / ours.p50) FILTER (WHERE q.by <> ours.by)), ''),
  coalesce(bench.ratio(array_agg(q.p50 / peer.p50) FILTER (WHERE q.by <> peer.by)), '') || ' |'
FROM bench.exec_quantile q JOIN bench.warm_call c ON c.id = q.call
LEFT JOIN bench.exec_quantile ours ON (ours.task, ours.by, ours.regime, ours.repetition) = (q.task, 'launch, result', q.regime, q.repetition)
LEFT JOIN bench.exec_quantile peer ON (peer.task, peer.by, peer.regime, peer.repetition) = (q.task, 'dblink', q.regime, q.repetition)
GROUP BY c.task, q.regime, q.call, q.by ORDER BY c.task DESC, q.regime, q.by LIKE 'C extension%', q.call;
