-- Which of check.sql's statements was not measured as it should be; no row is good.
SELECT e.name || ': ' || concat_ws(', ', j.mean, j.unknown, 'missing ' || j.missing, 'backwards ' || j.backwards, 'early ' || j.early)
FROM (VALUES
  ('right', 0.0, 3.0, 0.1, false, false, false), ('always 50', 22, 28, 0.1, false, false, false), ('backwards', 28, 38, 0.1, false, true, false),
  ('early', 22, 28, 0.1, false, false, true), ('half unknown', 7, 14, 0.7, true, false, false)) e (name, low, high, unknown, missing, backwards, early)
LEFT JOIN bench.judged j USING (name)
WHERE (j.mean BETWEEN e.low AND e.high AND j.unknown <= e.unknown AND j.missing = e.missing AND j.backwards = e.backwards AND j.early = e.early) IS NOT TRUE;
