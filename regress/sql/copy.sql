-- COPY ... TO STDOUT in a job: its lines are the job's rows. COPY ... FROM STDIN is refused.
\i regress/sql/include/helpers.sql
CREATE TABLE t (i int, x text);
INSERT INTO t VALUES (1, 'one'), (2, NULL), (3, E'a\tb\\c'), (4, E'two\nlines, "quoted"');
CREATE FUNCTION copy(how text) RETURNS SETOF text LANGUAGE sql AS
    $$SELECT * FROM pg_background_query('COPY ' || how) AS (line text)$$;
-- the context is the server's, and not the same in all majors
CREATE FUNCTION fails(command text) RETURNS SETOF text LANGUAGE sql AS $$SELECT * FROM attempt(command) a WHERE a NOT LIKE 'CONTEXT: %'$$;

--
-- formats
--
SELECT * FROM copy('t TO STDOUT');
SELECT * FROM copy('(SELECT i, x FROM t WHERE i > 1 ORDER BY i DESC) TO STDOUT');
SELECT * FROM copy('t (x) TO STDOUT (NULL ''nothing'', DELIMITER ''|'')');
SELECT * FROM copy('t TO STDOUT (FORMAT csv, HEADER)');
SELECT * FROM copy('t TO STDOUT (FORMAT csv, FORCE_QUOTE *, DELIMITER '';'', QUOTE '''''''')');
SELECT * FROM copy('t TO STDOUT WITH CSV HEADER');
SELECT * FROM copy('(SELECT) TO STDOUT');
SELECT count(*), bool_and(line = '') FROM copy('(SELECT FROM t) TO STDOUT') line;
SELECT * FROM copy('(SELECT WHERE false) TO STDOUT');
SELECT * FROM copy('(SELECT 1 AS a WHERE false) TO STDOUT (FORMAT csv, HEADER)');
SELECT * FROM copy('(INSERT INTO t VALUES (5, ''five'') RETURNING i, x) TO STDOUT');
SELECT * FROM copy('(DELETE FROM t WHERE i = 5 RETURNING *) TO STDOUT');
-- binary: the signature is before the first row, and what ends the file is a row of its own
SELECT * FROM pg_background_query('COPY (SELECT 1, ''x''::text UNION ALL SELECT NULL, ''y'') TO STDOUT (FORMAT binary)') AS (data bytea);
SELECT * FROM pg_background_query('COPY (SELECT WHERE false) TO STDOUT (FORMAT binary)') AS (data bytea);

--
-- readers
--
SELECT * FROM pg_background_result(pg_background_launch('COPY t (i) TO STDOUT')) AS (line text);
SELECT pid, cookie FROM pg_background_launch_v2('COPY t (i) TO STDOUT') \gset
SELECT * FROM pg_background_result_v2(:pid, :cookie) AS (line text);
SELECT h AS job FROM pg_background_start('COPY t (i) TO STDOUT (FORMAT csv, HEADER)') h \gset
SELECT * FROM pg_background_columns(:'job');
SELECT * FROM pg_background_fetch(:'job', 2) AS (line text);
SELECT * FROM pg_background_fetch(:'job', 2) AS (line text);
-- rows as they come, and as COPY counts them: without the header
SELECT pg_background_await(:'job');
SELECT state, command_tag, row_count FROM pg_background_outcome(:'job');
SELECT * FROM pg_background_fetch(:'job', 2) AS (line text);
SELECT h AS job FROM pg_background_start('COPY t (i) TO STDOUT (FORMAT binary)') h \gset
SELECT * FROM pg_background_columns(:'job');
SELECT pg_background_await(:'job');
SELECT state, command_tag, row_count FROM pg_background_outcome(:'job');
SELECT count(*), sum(length(data)) FROM pg_background_rows(:'job') AS (data bytea);
SELECT pg_background_query_json('COPY t (x) TO STDOUT');
SELECT pg_background_query_json('COPY (SELECT 1) TO STDOUT (FORMAT binary)');
SELECT pg_background_rows_json(pg_background_start('COPY (SELECT 1) TO STDOUT'));
CREATE TYPE a_line AS (line text);
SELECT * FROM pg_background_query_as(NULL::a_line, 'COPY t (i) TO STDOUT');
-- the column is a text, whatever is in it
SELECT * FROM pg_background_query('COPY t (i) TO STDOUT') AS (line varchar(3));
SELECT attempt($$SELECT * FROM pg_background_query('COPY t (i) TO STDOUT') AS (i int)$$);
SELECT attempt($$SELECT * FROM pg_background_query('COPY t TO STDOUT') AS (i int, x text)$$);
SELECT pg_background_exec('COPY t TO STDOUT');
SELECT ordinal, state, command_tag, row_count FROM pg_background_map(ARRAY['COPY t TO STDOUT', 'COPY (SELECT 1 / 0) TO STDOUT', 'COPY t TO STDOUT (FORMAT csv, HEADER)']);
SELECT h AS job FROM pg_background_start('COPY t TO STDOUT', results => false) h \gset
SELECT pg_background_await(:'job');
SELECT state, command_tag, row_count FROM pg_background_outcome(:'job');
SELECT pg_background_forget(:'job');
SELECT * FROM jobs;

--
-- one of several statements: the rows of the last are the job's
--
SELECT * FROM pg_background_query('COPY t TO STDOUT; SELECT 1') AS (a int);
SELECT * FROM pg_background_query('SELECT 1; COPY t TO STDOUT; COPY (SELECT ''last'') TO STDOUT') AS (line text);
SELECT * FROM pg_background_query('COPY t TO STDOUT; INSERT INTO t VALUES (6, ''six'')') AS (tag text);
SELECT h AS job FROM pg_background_start('DELETE FROM t WHERE i = 6; COPY t (i) TO STDOUT; BEGIN; COPY (SELECT i FROM t WHERE i < 3) TO STDOUT; COMMIT; COPY (SELECT i FROM t WHERE i > 2) TO STDOUT', autocommit => true) h \gset
SELECT * FROM pg_background_rows(:'job') AS (line text);
SELECT * FROM copy('t (i) TO STDOUT;');

--
-- errors; the worker's next job knows nothing of them
--
CREATE FUNCTION after() RETURNS text LANGUAGE sql AS
    $$SELECT string_agg(line, ' ') FROM pg_background_query('COPY (SELECT generate_series(1, 3)) TO STDOUT') AS (line text)$$;
SELECT fails($$SELECT * FROM copy('nowhere TO STDOUT')$$);
SELECT after();
SELECT fails($$SELECT * FROM copy('t TO STDOUT (FORMAT nonsense)')$$);
SELECT fails($$SELECT * FROM copy('t TO STDOUT (ENCODING ''nonsense'')')$$);
SELECT fails($$SELECT * FROM copy('t TO STDOUT (ENCODING ''UTF8'', ENCODING ''UTF8'')')$$);
-- in the middle: no row is a result, whether many have been sent or none
SELECT fails($$SELECT count(*) FROM copy('(SELECT 1 / (5 - i) FROM generate_series(1, 10) i) TO STDOUT')$$);
SELECT after();
SELECT fails($$SELECT count(*) FROM copy('(SELECT repeat(''x'', 100), 1 / (50000 - i) FROM generate_series(1, 100000) i) TO STDOUT (FORMAT csv)')$$);
SELECT after();
SELECT h AS job FROM pg_background_start('COPY (SELECT 1 / (5 - i) FROM generate_series(1, 10) i) TO STDOUT') h \gset
SELECT pg_background_await(:'job');
SELECT state, command_tag, row_count, sqlstate FROM pg_background_outcome(:'job');
SELECT fails($$SELECT * FROM pg_background_fetch('$$ || :'job' || $$', 1) AS (line text)$$);
-- the rights are those of the job's user
CREATE ROLE regress_pgbg_copy;
GRANT USAGE ON SCHEMA public TO regress_pgbg_copy;
SELECT fails($$SELECT * FROM pg_background_query('SET ROLE regress_pgbg_copy; COPY t TO STDOUT') AS (line text)$$);
GRANT SELECT (i) ON t TO regress_pgbg_copy;
ALTER TABLE t ENABLE ROW LEVEL SECURITY;
CREATE POLICY odd ON t USING (i % 2 = 1);
SELECT * FROM pg_background_query('SET ROLE regress_pgbg_copy; COPY t (i) TO STDOUT') AS (line text);
ALTER TABLE t DISABLE ROW LEVEL SECURITY;
REVOKE USAGE ON SCHEMA public FROM regress_pgbg_copy;
REVOKE ALL ON t FROM regress_pgbg_copy;
DROP POLICY odd ON t;
DROP ROLE regress_pgbg_copy;
-- the limit counts the rows of the result: the header is one
SET pg_background.max_result_rows = 4;
SELECT * FROM copy('t (i) TO STDOUT');
SELECT fails($$SELECT * FROM copy('t (i) TO STDOUT (FORMAT csv, HEADER)')$$);
SELECT pg_background_exec('COPY (SELECT generate_series(1, 100)) TO STDOUT');
SELECT after();
RESET pg_background.max_result_rows;
-- a utility statement takes no parameters
SELECT fails($$SELECT * FROM pg_background_query('COPY (SELECT $1) TO STDOUT', ROW(1)) AS (line text)$$);
-- inside of functions and blocks the server refuses it
SELECT fails($$SELECT pg_background_exec($x$DO 'BEGIN COPY t TO STDOUT; END'$x$)$$);
SELECT fails($$SELECT pg_background_exec($x$DO 'BEGIN EXECUTE ''COPY t TO STDOUT''; END'$x$)$$);
SELECT fails($$SELECT pg_background_exec($x$CREATE FUNCTION pg_temp.f() RETURNS void LANGUAGE sql AS 'COPY t TO STDOUT'; SELECT pg_temp.f()$x$)$$);
SELECT after();

--
-- FROM STDIN
--
SELECT fails($$SELECT pg_background_exec('COPY t FROM STDIN')$$);
SELECT fails($$SELECT pg_background_exec('DELETE FROM t; COPY t FROM STDIN (FORMAT csv)')$$);
SELECT fails($$SELECT pg_background_exec($x$DO 'BEGIN COPY t FROM STDIN; END'$x$)$$);
SELECT fails($$SELECT pg_background_exec($x$DO 'BEGIN EXECUTE ''COPY t FROM STDIN''; END'$x$)$$);
SELECT count(*) FROM t;

--
-- volume: rows of all lengths, through queues of many sizes; read at once, later, in pieces, never
--
CREATE VIEW rows_of_many_lengths AS SELECT i, repeat(chr(97 + i % 26), (i * i) % 3000) AS x FROM generate_series(1, 3000) i;
CREATE FUNCTION same(job pg_background_handle) RETURNS text LANGUAGE sql AS $$
    SELECT concat_ws(' ', count(*), bool_and(line = i || E'\t' || x))
      FROM (SELECT line, row_number() OVER () AS i FROM pg_background_rows(job) AS (line text)) l FULL JOIN rows_of_many_lengths USING (i)
$$;
SELECT queue_size, same(pg_background_start('COPY (SELECT * FROM rows_of_many_lengths) TO STDOUT', queue_size => queue_size))
  FROM unnest(ARRAY[4096, 65536, 1048576]) queue_size;
SELECT h AS job FROM pg_background_start('COPY (SELECT * FROM rows_of_many_lengths) TO STDOUT', queue_size => 8192) h \gset
SELECT pg_background_await(:'job');
SELECT same(:'job');
SELECT h AS job FROM pg_background_start('COPY (SELECT * FROM rows_of_many_lengths) TO STDOUT', queue_size => 8192) h \gset
CALL until(format('(SELECT state FROM pg_background_outcome(%L)) = ''stopped''', :'job'));
SELECT same(:'job');
-- longer than a piece
SELECT n, length(line) - n AS same, line = repeat('x', n) AS equal
  FROM unnest(ARRAY[125, 126, 127, 262122, 262123, 262124, 262125, 524268, 1000000, 5000000]) n,
       pg_background_query(format('COPY (SELECT repeat(''x'', %s)) TO STDOUT', n)) AS (line text);
SELECT length(data), md5(data) = md5('\x5047434f50590aff0d0a000000000000000000'::bytea || '\x0001000f4240'::bytea || convert_to(repeat('x', 1000000), 'SQL_ASCII'))
  FROM pg_background_query('COPY (SELECT repeat(''x'', 1000000)) TO STDOUT (FORMAT binary)') AS (data bytea) LIMIT 1;
-- a reader that stops, or forgets
SELECT * FROM pg_background_query('COPY (SELECT generate_series(1, 100000)) TO STDOUT') AS (line text) LIMIT 2;
SELECT h AS job FROM pg_background_start('COPY (SELECT generate_series(1, 100000000)) TO STDOUT', queue_size => 4096) h \gset
SELECT count(*) FROM pg_background_fetch(:'job', 1000) AS (line text);
SELECT pg_background_stop(:'job');
SELECT pg_background_forget(:'job');
SELECT h AS job FROM pg_background_start('COPY (SELECT generate_series(1, 100000)) TO STDOUT', queue_size => 4096) h \gset
SELECT pg_background_forget(:'job');
SELECT count(*) FROM jobs;

--
-- progress and cancel; messages between the rows
--
SELECT pg_advisory_lock(7003);
SELECT h AS job, (h).pid FROM pg_background_start('COPY (SELECT i, CASE WHEN i = 500 THEN pg_advisory_lock(7003) END FROM generate_series(1, 1000) i) TO STDOUT') h \gset
CALL until(format('EXISTS (SELECT FROM pg_stat_progress_copy WHERE pid = %s AND command = ''COPY TO'' AND type = ''PIPE'' AND tuples_processed = 499 AND bytes_processed > 1000)', :pid));
SELECT pg_background_stop(:'job');
SELECT pg_background_await(:'job');
SELECT state, sqlstate FROM pg_background_outcome(:'job');
SELECT pg_background_forget(:'job');
SELECT pg_advisory_unlock(7003);
SELECT after();
CREATE FUNCTION says(i int) RETURNS int LANGUAGE plpgsql AS $$ BEGIN RAISE NOTICE 'row %', i; RETURN i; END $$;
SELECT * FROM pg_background_query('COPY (SELECT says(i) FROM generate_series(1, 3) i) TO STDOUT') AS (line text);

DROP FUNCTION copy(text), fails(text), after(), says(int), same(pg_background_handle);
DROP VIEW rows_of_many_lengths;
DROP TYPE a_line;
DROP TABLE t;
\i regress/sql/include/cleanup.sql
