-- The tables of the report.
\pset format unaligned
\pset fieldsep ' | '
\pset tuples_only on
\pset null '–'
SELECT '| statement | class | s | error, mean | worst | unknown, % of the time | |' \g
SELECT '|---|---|---|---|---|---|---|' \g
SELECT '| ' || name, class, round(seconds::numeric, 1), round(mean::numeric, 1), round(worst::numeric), nullif(round(100 * unknown::numeric), 0),
       concat_ws(', ', CASE WHEN missing THEN 'not known' END, CASE WHEN above THEN 'above ' || target END,
                 CASE WHEN backwards THEN '**went backwards**' END, CASE WHEN early THEN '**100 early**' END) || ' |'
FROM bench.judged WHERE later = :later ORDER BY id;
