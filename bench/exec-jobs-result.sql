\pset format unaligned
\pset fieldsep ' | '
\pset tuples_only on
WITH line AS (
  SELECT o.task, o.place, o.by, o.clients, bench.middle(array_agg(o.tps)) AS tps, sum(o.errors) AS errors,
    CASE WHEN o.by <> peer.by THEN bench.ratio(array_agg(o.tps / peer.tps)) ELSE '' END AS against
  FROM bench.exec_jobs o JOIN bench.exec_jobs peer USING (task, clients, repetition)
  WHERE peer.by = 'launch, result'
  GROUP BY o.task, o.place, o.by, peer.by, o.clients
)
SELECT '| ' || task, by, string_agg(round(tps)::text, ' | ' ORDER BY clients), string_agg(against, ' | ' ORDER BY clients), sum(errors) || ' |'
FROM line GROUP BY task, place, by ORDER BY task DESC, place;
