\set ECHO none
-- What the tests of deadlocks share: deadlocks are found quickly, and
--
--   told('command' [, pid [, cookie]])             what comes of it, with what varies blanked out: process A is this session's
--   told_in_short('command' [, pid [, cookie]])    only the message, and who waits for whom
SET client_min_messages = warning;
SET deadlock_timeout = '20ms';

CREATE FUNCTION told(command text, pid int DEFAULT NULL, cookie bigint DEFAULT NULL) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
    whole text;
    process text := pg_backend_pid();
    name text := 'A';
BEGIN
    SELECT string_agg(line, E'\n') INTO whole FROM attempt(command, pid, cookie) AS line WHERE line !~ '^CONTEXT: ';
    WHILE process IS NOT NULL LOOP
        whole := regexp_replace(whole, format('([Pp]rocess) %s\M', process), '\1 ' || name, 'g');
        process := substring(whole, '[Pp]rocess (\d+)');
        name := chr(ascii(name) + 1);
    END LOOP;
    whole := regexp_replace(whole, 'relation \d+ of database \d+', 'a relation', 'g');
    whole := regexp_replace(whole, 'object \d+ of class \d+', 'an object', 'g');
    whole := regexp_replace(whole, 'transaction [\d/]+;', 'transaction N;', 'g');
    whole := regexp_replace(whole, 'advisory lock \[\d+,', 'advisory lock [database,', 'g');
    -- the statement of process A is the line of the test
    RETURN QUERY SELECT line FROM regexp_split_to_table(whole, E'\n') AS line WHERE line !~ '^Process A: ';
END
$$;

CREATE FUNCTION told_in_short(command text, pid int DEFAULT NULL, cookie bigint DEFAULT NULL) RETURNS SETOF text LANGUAGE sql AS
    $$SELECT line FROM told(command, pid, cookie) AS line WHERE line ~ '^(\w{5}: |fine|Process \w waits)'$$;
\set ECHO all
