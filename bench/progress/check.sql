-- Statements that report by hand, with errors that are known: what the harness itself is tested with (bench/progress/run -c).
INSERT INTO bench.statement (name, class, sql) VALUES
('right', 'scan', 'DO $$ DECLARE t timestamptz := clock_timestamp(); BEGIN
   FOR i IN 0 .. 99 LOOP PERFORM pg_background_progress(i), pg_sleep(extract(epoch FROM t - clock_timestamp()) + (i + 1) * 0.02); END LOOP; END $$'),
('always 50', 'scan', 'DO $$ BEGIN PERFORM pg_background_progress(50); PERFORM pg_sleep(1); END $$'),
('backwards', 'scan', 'DO $$ BEGIN PERFORM pg_background_progress(60), pg_sleep(0.5); PERFORM pg_background_progress(40), pg_sleep(0.5); END $$'),
('early', 'scan', 'DO $$ BEGIN PERFORM pg_background_progress(50), pg_sleep(0.5); PERFORM pg_background_progress(100), pg_sleep(0.5); END $$'),
('half unknown', 'scan', 'DO $$ BEGIN PERFORM pg_sleep(0.6); PERFORM pg_background_progress(75), pg_sleep(0.4); END $$');
