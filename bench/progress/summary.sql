-- The means, beside what is wanted.
\pset format unaligned
\pset fieldsep ' | '
\pset tuples_only on
\pset null '–'
SELECT '| statements | number | mean error | largest | wanted | above it | not known | went backwards | 100 early |' \g
SELECT '|---|---|---|---|---|---|---|---|---|' \g
WITH kind (place, name, wanted) AS (VALUES
  (1, 'all', 'mean ≤ 8'), (2, 'scan', 'each ≤ 12'), (3, 'utility', 'each ≤ 12'), (4, 'rest, 1 s and more', 'each ≤ 20'), (5, 'rest, shorter', '–'),
  (6, 'wrong by 1000 times', 'each ≤ 30'), (7, 'opaque', '–'), (8, 'later', '–')),
member AS (
  SELECT j.*, k.place FROM bench.judged j, LATERAL (VALUES
    (CASE WHEN NOT later THEN 1 END),
    (CASE WHEN later THEN 8 WHEN class = 'scan' THEN 2 WHEN class = 'utility' THEN 3 WHEN class = 'wrong' THEN 6 WHEN class = 'opaque' THEN 7
          WHEN seconds >= 1 THEN 4 ELSE 5 END)) k (place))
SELECT '| ' || k.name, count(*), round(avg(m.mean)::numeric, 1), round(max(m.mean)::numeric, 1), k.wanted, count(*) FILTER (WHERE m.above), count(*) FILTER (WHERE m.missing),
       count(*) FILTER (WHERE m.backwards), count(*) FILTER (WHERE m.early) || ' |'
FROM kind k JOIN member m USING (place) GROUP BY k.place, k.name, k.wanted ORDER BY k.place;
