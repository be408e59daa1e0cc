\pset format unaligned
\pset fieldsep ' | '
\pset tuples_only on
WITH middle AS (
  SELECT kind, clients, bench.middle(array_agg(tps)) AS tps, sum(errors) AS errors FROM bench.jobs GROUP BY 1, 2
), against AS (
  SELECT ours.kind, array_agg(ours.tps / peer.tps) AS ratios
  FROM bench.jobs ours JOIN bench.jobs peer USING (clients, repetition)
  WHERE clients = 8 AND ours.kind LIKE 'ours%' AND peer.kind = replace(ours.kind, 'ours', 'dblink-new')
  GROUP BY 1
)
SELECT CASE WHEN m.kind LIKE '%select' THEN '| SELECT 1' ELSE '| INSERT' END,
  CASE split_part(m.kind, '-', 2) WHEN 'kept' THEN 'dblink, connection kept open' WHEN 'new' THEN 'dblink, new connection'
    WHEN 'select' THEN 'launch, result' ELSE 'submit, wait, detach' END,
  string_agg(round(tps)::text, ' | ' ORDER BY clients), coalesce(bench.ratio(ratios), ''), sum(errors) || ' |'
FROM middle m LEFT JOIN against USING (kind)
GROUP BY m.kind, ratios ORDER BY m.kind LIKE '%insert', m.kind;
