\pset format unaligned
\pset fieldsep ' | '
\pset tuples_only on
SELECT '| ' || path, what, figure, wanted, CASE WHEN is_met THEN 'met' WHEN NOT is_met THEN '**not met**' ELSE '–' END || ' |' FROM bench.target ORDER BY place;
