-- Texts that are not ASCII, in databases and sessions of several encodings. This file is ASCII: characters are made by number.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
DROP DATABASE IF EXISTS regress_pgbg_utf8;
DROP DATABASE IF EXISTS regress_pgbg_eucjp;
DROP DATABASE IF EXISTS regress_pgbg_ascii;
SELECT current_database() AS home \gset
CREATE DATABASE regress_pgbg_utf8 TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C';
CREATE DATABASE regress_pgbg_eucjp TEMPLATE template0 ENCODING 'EUC_JP' LC_COLLATE 'C' LC_CTYPE 'C';
CREATE DATABASE regress_pgbg_ascii TEMPLATE template0 ENCODING 'SQL_ASCII' LC_COLLATE 'C' LC_CTYPE 'C';

--
-- UTF8
--
\c regress_pgbg_utf8
\i regress/sql/include/helpers.sql
-- rows
SELECT t = repeat(chr(8364), 100000) AS same FROM pg_background_result(pg_background_launch('SELECT repeat(chr(8364), 100000)')) AS (t text);
SELECT t = chr(228) || chr(8364) || chr(127881) AS same FROM pg_background_result(pg_background_launch($$SELECT '$$ || chr(228) || chr(8364) || chr(127881) || $$'::text$$)) AS (t text);
-- COPY writes the database's encoding, whatever the client's is, and also with messages between the rows; or goes through the one that is named
CREATE FUNCTION euro_says(i int) RETURNS text LANGUAGE plpgsql AS $$ BEGIN RAISE NOTICE 'row % of %', i, chr(8364); RETURN chr(8364) || i; END $$;
SET client_encoding = 'LATIN1';
SET client_min_messages = warning;
SELECT line = chr(8364) || repeat(chr(228), 100000) AS same FROM pg_background_query('COPY (SELECT chr(8364) || repeat(chr(228), 100000)) TO STDOUT') AS (line text);
SELECT count(*), bool_and(line = chr(8364) || i) FROM (SELECT line, row_number() OVER () AS i FROM pg_background_query('COPY (SELECT euro_says(i) FROM generate_series(1, 100) i) TO STDOUT',
    settings => '{"client_min_messages": "notice"}') AS (line text)) l;
SELECT line = chr(228) || ',' || chr(246) AS same FROM pg_background_query('COPY (SELECT chr(228), chr(246)) TO STDOUT (FORMAT csv, ENCODING ''LATIN1'')') AS (line text);
SELECT line = '"' || chr(12450) || ',"' AS same FROM pg_background_query('COPY (SELECT chr(12450) || '','') TO STDOUT (FORMAT csv, ENCODING ''SJIS'')') AS (line text);
SELECT line = chr(228) AS same FROM pg_background_query('COPY (SELECT chr(228)) TO STDOUT ENCODING ''utf-8''') AS (line text);
SELECT replace(attempt, chr(8364), 'euro') FROM attempt($$SELECT * FROM pg_background_query('COPY (SELECT chr(8364)) TO STDOUT (ENCODING ''LATIN1'')') AS (line text)$$);
SELECT pg_background_exec('COPY (SELECT chr(8364)) TO STDOUT');
RESET client_min_messages;
RESET client_encoding;
DROP FUNCTION euro_says(int);
-- the preview: 120 bytes of characters that have two, three and four, begun at each offset
CREATE FUNCTION previews(ch text) RETURNS TABLE (ascii int, bytes int, whole bool) LANGUAGE plpgsql AS $$
DECLARE
    h pg_background_handle;
    sql text;
BEGIN
    FOR n IN 0..3 LOOP
        sql := format('SELECT 1 /* %s%s */', repeat('x', n), repeat(ch, 200));
        h := pg_background_launch_v2(sql);
        RETURN QUERY SELECT n, octet_length(sql_preview), starts_with(sql, sql_preview) FROM jobs WHERE pid = h.pid;
        PERFORM pg_background_detach_v2(h.pid, h.cookie);
    END LOOP;
END
$$;
SELECT * FROM previews(chr(228));
SELECT * FROM previews(chr(8364));
SELECT * FROM previews(chr(127881));
-- the message of progress: 63 bytes
CREATE FUNCTION messages(ch text) RETURNS TABLE (ascii int, bytes int, whole bool) LANGUAGE plpgsql AS $$
DECLARE
    h pg_background_handle;
    message text;
BEGIN
    FOR n IN 0..3 LOOP
        message := repeat('x', n) || repeat(ch, 100);
        h := pg_background_launch_v2(format('SELECT pg_background_progress(1, %L)', message));
        PERFORM pg_background_wait_v2(h.pid, h.cookie);
        RETURN QUERY SELECT n, octet_length(progress_msg), starts_with(message, progress_msg) FROM pg_background_get_progress_v2(h.pid, h.cookie);
        PERFORM pg_background_detach_v2(h.pid, h.cookie);
    END LOOP;
END
$$;
SELECT * FROM messages(chr(228));
SELECT * FROM messages(chr(8364));
SELECT * FROM messages(chr(127881));
-- errors: all of their texts, and long ones that are cut
CREATE FUNCTION error_of(sql text, OUT message text, OUT detail text, OUT hint text) LANGUAGE plpgsql AS $$
BEGIN
    PERFORM * FROM pg_background_result(pg_background_launch(sql)) AS (t text);
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
END
$$;
SELECT message = chr(8364) AS message, detail = chr(228) AS detail, hint = chr(127881) AS hint
  FROM error_of('DO $$ BEGIN RAISE ''%'', chr(8364) USING DETAIL = chr(228), HINT = chr(127881); END $$');
SELECT replace(message, '"', '') = 'relation ' || chr(8364) || ' does not exist' AS message FROM error_of('SELECT * FROM "' || chr(8364) || '"');
CREATE FUNCTION last_errors(ch text) RETURNS TABLE (ascii int, cut bool, whole bool) LANGUAGE plpgsql AS $$
DECLARE
    h pg_background_handle;
BEGIN
    FOR n IN 0..3 LOOP
        h := pg_background_submit_v2(format('DO $x$ BEGIN RAISE ''%%'', %L || repeat(%L, 10000); END $x$', repeat('x', n), ch));
        PERFORM pg_background_wait_v2(h.pid, h.cookie);
        RETURN QUERY SELECT n, octet_length(last_error) BETWEEN 1000 AND 9999, starts_with(repeat('x', n) || repeat(ch, 10000), last_error)
                       FROM jobs WHERE pid = h.pid;
        PERFORM pg_background_detach_v2(h.pid, h.cookie);
    END LOOP;
END
$$;
SELECT * FROM last_errors(chr(8364));
SELECT * FROM last_errors(chr(127881));
SELECT count(*) FROM jobs;
-- the picture of the jobs is ASCII
SET client_min_messages = warning;
SELECT pid, cookie FROM pg_background_start('SELECT 1', label => chr(228) || chr(127881)) \gset
SELECT pg_background_timeline() LIKE '%&#228;&#127881;%' AS shown;
SELECT pg_background_detach_v2(:pid, :cookie);

-- A client that has no such character: nothing that stays in the server passes through its encoding.
SET client_encoding = 'LATIN1';
CREATE FUNCTION length_of(sql text) RETURNS int LANGUAGE plpgsql AS $$
BEGIN
    RETURN (SELECT length(t) FROM pg_background_result(pg_background_launch(sql)) AS (t text));
END
$$;
SELECT length_of('SELECT chr(8364)');
SELECT length_of('SELECT repeat(chr(127881), 10)');
SELECT t = chr(8364) AS same FROM pg_background_result(pg_background_launch('SELECT chr(8364)')) AS (t text);
SELECT message = chr(8364) AS message, detail = chr(127881) AS detail FROM error_of('DO $$ BEGIN RAISE ''%'', chr(8364) USING DETAIL = chr(127881); END $$');
SELECT pid, cookie FROM pg_background_launch_v2('SELECT pg_background_progress(1, chr(8364)); SELECT chr(8364)') \gset
SELECT pg_background_wait_v2(:pid, :cookie);
SELECT progress_msg = chr(8364) AS same FROM pg_background_get_progress_v2(:pid, :cookie);
SELECT t = chr(8364) AS same FROM pg_background_result_v2(:pid, :cookie) AS (t text);
-- a job's statement that has such a character in it
CREATE FUNCTION launch_euro() RETURNS int LANGUAGE sql AS $$ SELECT pg_background_launch('SELECT ''' || chr(8364) || '''::text') $$;
SELECT launch_euro() AS pid \gset
SELECT sql_preview = $$SELECT '$$ || chr(8364) || $$'::text$$ AS same FROM jobs;
SELECT t = chr(8364) AS same FROM pg_background_result(:pid) AS (t text);
-- messages that nobody is to see do no harm, and the server tells about the others as it always does
SET client_min_messages = warning;
SELECT length_of('DO $$ BEGIN RAISE NOTICE ''%'', chr(8364); END $$');
RESET client_min_messages;
\set VERBOSITY sqlstate
SELECT * FROM pg_background_result(pg_background_launch('SELECT chr(8364)')) AS (t text);
\set VERBOSITY default
-- the job has its launcher's client_encoding
SELECT * FROM pg_background_result(pg_background_launch('SHOW client_encoding')) AS (t text);
SET client_encoding = 'EUC_JP';
SELECT t = chr(228) || chr(8364) AS same FROM pg_background_result(pg_background_launch('SELECT chr(228) || chr(8364)')) AS (t text);
RESET client_encoding;

--
-- EUC_JP
--
\c regress_pgbg_eucjp
\i regress/sql/include/helpers.sql
-- two bytes each, and three
SELECT t = repeat(convert_from('\xa4a2', 'EUC_JP'), 1000) AS same
  FROM pg_background_result(pg_background_launch($$SELECT repeat(convert_from('\xa4a2', 'EUC_JP'), 1000)$$)) AS (t text);
CREATE FUNCTION previews(ch text) RETURNS TABLE (ascii int, bytes int, whole bool) LANGUAGE plpgsql AS $$
DECLARE
    h pg_background_handle;
    sql text;
BEGIN
    FOR n IN 0..2 LOOP
        sql := format('SELECT 1 /* %s%s */', repeat('x', n), repeat(ch, 200));
        h := pg_background_launch_v2(sql);
        RETURN QUERY SELECT n, octet_length(sql_preview), starts_with(sql, sql_preview) FROM jobs WHERE pid = h.pid;
        PERFORM pg_background_detach_v2(h.pid, h.cookie);
    END LOOP;
END
$$;
SELECT * FROM previews(convert_from('\xa4a2', 'EUC_JP'));
SELECT * FROM previews(convert_from('\x8fb0a1', 'EUC_JP'));
CREATE FUNCTION messages(ch text) RETURNS TABLE (ascii int, bytes int, whole bool) LANGUAGE plpgsql AS $$
DECLARE
    h pg_background_handle;
    message text;
BEGIN
    FOR n IN 0..2 LOOP
        message := repeat('x', n) || repeat(ch, 100);
        h := pg_background_launch_v2(format('SELECT pg_background_progress(1, %L)', message));
        PERFORM pg_background_wait_v2(h.pid, h.cookie);
        RETURN QUERY SELECT n, octet_length(progress_msg), starts_with(message, progress_msg) FROM pg_background_get_progress_v2(h.pid, h.cookie);
        PERFORM pg_background_detach_v2(h.pid, h.cookie);
    END LOOP;
END
$$;
SELECT * FROM messages(convert_from('\xa4a2', 'EUC_JP'));
SELECT * FROM messages(convert_from('\x8fb0a1', 'EUC_JP'));
SET client_encoding = 'SJIS';
SELECT t = convert_from('\xa4a2', 'EUC_JP') AS same FROM pg_background_result(pg_background_launch($$SELECT convert_from('\xa4a2', 'EUC_JP')$$)) AS (t text);
RESET client_encoding;
-- the picture of the jobs is ASCII
SET client_min_messages = warning;
SELECT pid, cookie FROM pg_background_start('SELECT 1', label => '<' || convert_from('\xa4a2', 'EUC_JP')) \gset
SELECT pg_background_timeline() LIKE '%&lt;&#12354;%' AS shown;
SELECT pg_background_detach_v2(:pid, :cookie);

--
-- SQL_ASCII: bytes
--
\c regress_pgbg_ascii
\i regress/sql/include/helpers.sql
SELECT t = repeat(convert_from('\xe282ac', 'SQL_ASCII'), 1000) AS same, octet_length(t)
  FROM pg_background_result(pg_background_launch($$SELECT repeat(convert_from('\xe282ac', 'SQL_ASCII'), 1000)$$)) AS (t text);
SELECT pid, cookie FROM pg_background_launch_v2($$SELECT pg_background_progress(1, repeat(convert_from('\xe4', 'SQL_ASCII'), 100)) /* $$ || repeat(convert_from('\xe4', 'SQL_ASCII'), 200) || ' */') \gset
SELECT pg_background_wait_v2(:pid, :cookie);
SELECT octet_length(sql_preview) FROM jobs;
SELECT octet_length(progress_msg) FROM pg_background_get_progress_v2(:pid, :cookie);
SELECT pg_background_detach_v2(:pid, :cookie);
SELECT pid, cookie FROM pg_background_submit_v2('DO $$ BEGIN RAISE ''%'', convert_from(''\xff80e2'', ''SQL_ASCII''); END $$') \gset
SELECT pg_background_wait_v2(:pid, :cookie);
SELECT last_error = convert_from('\xff80e2', 'SQL_ASCII') AS same FROM jobs;
SELECT pg_background_detach_v2(:pid, :cookie);
-- the picture of the jobs is ASCII
SET client_min_messages = warning;
SELECT pid, cookie FROM pg_background_start('SELECT 1', label => 'a' || convert_from('\xe282ac', 'SQL_ASCII') || 'b') \gset
SELECT pg_background_timeline() LIKE '%a&#8364;b%' AS shown;
SELECT pg_background_detach_v2(:pid, :cookie);
SELECT pid, cookie FROM pg_background_start('SELECT 1', label => 'c' || convert_from('\xe4', 'SQL_ASCII') || 'd') \gset
SELECT pg_background_timeline() LIKE '%c?d%' AS shown;
SELECT pg_background_detach_v2(:pid, :cookie);

-- the databases, and with them the workers that were there, go
\c :home
SET client_min_messages = warning;
DROP DATABASE regress_pgbg_utf8;
DROP DATABASE regress_pgbg_eucjp;
DROP DATABASE regress_pgbg_ascii;
CREATE EXTENSION pg_background;
SELECT pg_background_drop_executor_role();
DROP EXTENSION pg_background;
