\pset format unaligned
\pset fieldsep ' | '
\pset tuples_only on
SELECT '| ' || s.name,
  round(bench.middle(array_agg(t.ms) FILTER (WHERE way = 1))), round(bench.middle(array_agg(t.ms) FILTER (WHERE way = 2))),
  round(bench.middle(array_agg(t.ms) FILTER (WHERE way = 3))), round(bench.middle(array_agg(t.ms) FILTER (WHERE way = 4))),
  round(bench.middle(array_agg(t.ms) FILTER (WHERE way = 5))),
  bench.ratio(array_agg(t.ms / g.ms) FILTER (WHERE way = 4)), bench.ratio(array_agg(t.ms / g.ms) FILTER (WHERE way = 5)) || ' |'
FROM bench.shape s JOIN bench.transfer t ON t.shape = s.id
JOIN (SELECT shape, repetition, ms FROM bench.transfer WHERE way = 2) g USING (shape, repetition)
GROUP BY s.id, s.name ORDER BY s.id;
