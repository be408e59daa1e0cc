\pset format unaligned
\pset fieldsep ' | '
\pset tuples_only on
WITH run AS (
  SELECT split_part(kind, '/', 1) AS task, split_part(kind, '/', 2) AS by, clients, repetition, tps, errors FROM bench.warm_jobs
), line AS (
  SELECT o.task, o.by, o.clients, bench.middle(array_agg(o.tps)) AS tps, sum(o.errors) AS errors,
    CASE WHEN o.by LIKE 'warm%' THEN bench.ratio(array_agg(o.tps / d.tps)) ELSE '' END AS against_dblink,
    CASE WHEN o.by LIKE 'warm%' THEN bench.ratio(array_agg(o.tps / n.tps)) ELSE '' END AS against_new
  FROM run o JOIN run d USING (task, clients, repetition) JOIN run n USING (task, clients, repetition)
  WHERE d.by = 'dblink, kept open' AND n.by = 'new worker'
  GROUP BY 1, 2, 3
)
SELECT '| ' || task, replace(by, 'default', :'default'), string_agg(round(tps)::text, ' | ' ORDER BY clients), string_agg(against_dblink, ' | ' ORDER BY clients),
  string_agg(against_new, ' | ' ORDER BY clients), sum(errors) || ' |'
FROM line GROUP BY task, by ORDER BY task DESC, by;
