-- Jobs of each state and their picture, for scripts/timeline-test and scripts/timeline-picture. The server has room for five jobs. :svg and
-- :expected are files.
\set ON_ERROR_STOP on
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS pg_background;
CREATE TABLE orders AS SELECT i AS id, i % 1000 AS customer, i * 7 % 500 AS amount, repeat('x', i % 40) AS note FROM generate_series(1, 150000) AS i;
CREATE TABLE monthly (customer int, amount bigint);
CREATE FUNCTION pg_temp.until(condition text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    holds boolean;
BEGIN
    FOR i IN 1..6000 LOOP
        PERFORM pg_stat_clear_snapshot();
        EXECUTE 'SELECT ' || condition INTO holds;
        IF holds THEN RETURN; END IF;
        PERFORM pg_sleep(0.01);
    END LOOP;
    RAISE EXCEPTION 'waited in vain for: %', condition;
END
$$;
SET pg_background.launch_timeout = '60s';
SELECT pg_background_start('INSERT INTO monthly SELECT customer, sum(amount) FROM orders GROUP BY customer', label => 'monthly totals') \g /dev/null
SELECT pg_background_start('CREATE INDEX ON orders (customer, amount)', label => 'index: orders by customer') \g /dev/null
SELECT pg_background_start('SELECT count(*) FROM orders WHERE note LIKE ''%xxxxxx%''') \g /dev/null
SELECT pg_background_start('SELECT pg_sleep(0.7); SELECT 1 / (amount - amount) AS "</svg><script>document.title = ''done''</script>" FROM orders', label => 'check: </svg><script>document.title = "done"</script>') \g /dev/null
SELECT pid, cookie FROM pg_background_start('DELETE FROM orders WHERE pg_sleep(600) IS NULL', label => 'clean-up') \gset
SELECT pg_temp.until('EXISTS (SELECT FROM pg_stat_background WHERE label = ''clean-up'' AND state = ''running'')') \g /dev/null
SELECT pg_sleep(0.6) \g /dev/null
SELECT pg_background_stop((:pid, :cookie)) \g /dev/null
SELECT count(*) FROM pg_background_map(
    ARRAY(SELECT format('SELECT pg_sleep(%s)', round(0.1 + 0.02 * (i * 5 % 13), 2)) FROM generate_series(1, 16) AS i), parallel => 3, label => 'mail') \g /dev/null
SELECT pg_temp.until('NOT EXISTS (SELECT FROM pg_stat_background)') \g /dev/null
SELECT pg_background_start('VACUUM (ANALYZE) orders', label => 'vacuum orders', autocommit => true) \g /dev/null
SELECT pg_background_start('DO ''BEGIN PERFORM pg_background_progress(20, ''''eggs''''); PERFORM pg_sleep(0.5);
    PERFORM pg_background_progress(65, ''''customers''''); PERFORM pg_sleep(600); END''', label => 'export: customers') \g /dev/null
SELECT pg_background_start('DO ''BEGIN PERFORM pg_background_progress(30, ''''reading''''); PERFORM pg_sleep(600); END''', label => 'report for K' || U&'\00f6' || 'ln') \g /dev/null
SELECT pg_background_start('SELECT pg_sleep(600)', label => 'listener') \g /dev/null
SELECT pg_background_start('SELECT pg_sleep(600)') \g /dev/null
SELECT pg_temp.until('EXISTS (SELECT FROM pg_background_history WHERE label = ''vacuum orders'')') \g /dev/null
SELECT pg_background_start('SELECT pg_sleep(601)') \g /dev/null
-- one that waits for its start: there is no room left
SELECT pg_background_start('SELECT 1', label => 'the next one', at_commit => true) \g /dev/null
SELECT pg_temp.until('(SELECT count(*) = 5 FROM pg_stat_background WHERE state = ''running'') AND
                      (SELECT count(*) = 1 FROM pg_stat_background WHERE state = ''starting'') AND
                      (SELECT count(*) = 2 FROM pg_stat_background WHERE progress_pct IN (30, 65) AND progress_source = ''manual'')') \g /dev/null
SELECT pg_sleep(:pause) \g /dev/null
\t on
\a
SELECT pg_background_timeline() \g :svg
SELECT cookie, coalesce(pid, 0), state FROM pg_stat_background
UNION ALL SELECT cookie, pid, state FROM pg_background_history \g :expected
