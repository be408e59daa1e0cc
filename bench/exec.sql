-- A trigger that writes a row of an audit in a transaction of its own, for each row that is inserted.
CREATE TABLE bench.audit (id int, name text, noted timestamptz DEFAULT now());
CREATE TABLE bench.audit_way (id int PRIMARY KEY, name text, code text);
INSERT INTO bench.audit_way VALUES
  (1, 'dblink, connection kept open', $$PERFORM dblink_exec('kept', format('INSERT INTO bench.audit VALUES (%L, %L)', NEW.id, NEW.name))$$),
  (2, 'launch, result',
   $$PERFORM r.x FROM pg_background_launch_v2(format('INSERT INTO bench.audit VALUES (%L, %L)', NEW.id, NEW.name)) h,
             pg_background_result_v2(h.pid, h.cookie) AS r (x text)$$),
  (3, 'exec, values in the text', $$PERFORM pg_background_exec(format('INSERT INTO bench.audit VALUES (%L, %L)', NEW.id, NEW.name))$$),
  (4, 'exec, parameters', $$PERFORM pg_background_exec('INSERT INTO bench.audit VALUES ($1, $2)', ROW(NEW.id, NEW.name))$$);
SELECT format('CREATE TABLE bench.item_%s (id int, name text)', id) FROM bench.audit_way ORDER BY id \gexec
SELECT format('CREATE FUNCTION bench.note_%s() RETURNS trigger LANGUAGE plpgsql AS $body$ BEGIN %s; RETURN NULL; END $body$', id, code)
FROM bench.audit_way ORDER BY id \gexec
SELECT format('CREATE TRIGGER note AFTER INSERT ON bench.item_%s FOR EACH ROW EXECUTE FUNCTION bench.note_%1$s()', id)
FROM bench.audit_way ORDER BY id \gexec

CREATE TABLE bench.audited (name text, repetition int, ms float8);
-- n rows of each of these kinds, in a random order.
CREATE FUNCTION bench.audit(ways int[], prefix text, n int, repetition int) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  w bench.audit_way; started timestamptz; noted int;
BEGIN
  FOR w IN SELECT * FROM bench.audit_way WHERE id = ANY (ways) ORDER BY random() LOOP
    -- the first call of a session is not what is measured
    EXECUTE format('INSERT INTO bench.item_%s VALUES (0, $x$first$x$)', w.id);
    started := clock_timestamp();
    EXECUTE format('INSERT INTO bench.item_%s SELECT i, $x$item $x$ || i FROM generate_series(1, %s) i', w.id, n);
    INSERT INTO bench.audited VALUES (prefix || w.name, repetition, extract(epoch FROM clock_timestamp() - started) * 1e3);
  END LOOP;
  SELECT count(*) INTO noted FROM bench.audit WHERE id > 0;
  IF noted <> n * cardinality(ways) THEN
    RAISE EXCEPTION '% rows of the audit instead of %', noted, n * cardinality(ways);
  END IF;
END $$;
