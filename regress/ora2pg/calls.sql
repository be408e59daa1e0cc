-- What the application does, in a transaction that rolls back; its answers, and what has stayed.
\pset format unaligned
\pset tuples_only on
\set QUIET on
\set VERBOSITY terse
SET statement_timeout = '120s';
BEGIN;
CALL log_line('line');
CALL log_line('it''s \ a "line"; COMMIT;');
CALL log_line_id('with id', NULL);
CALL bump('order', 5, NULL);
SELECT next_number('order'), next_number('order'), next_number('bill');
SELECT log_and_say('said'), log_and_say('asked', '?');
CALL audit_pkg_note();
CALL audit_pkg_note('noted');
CALL audit_pkg_note_count('noted', NULL);
SELECT audit_pkg_noted('id') > 0;
CALL try_line('tried', NULL);
INSERT INTO app_log (line) VALUES ('not to stay');
ROLLBACK;
-- a NULL goes as NULL: the procedure's own handler answers
CALL try_line(NULL, NULL);
-- the caller's work is undone, its error is logged
CALL transfer(1, 2, 4);
CALL transfer(1, 2, 100);
SELECT code, message ~ 'balance', at > localtimestamp - interval '1 hour' FROM app_errors;
SELECT id, balance FROM accounts ORDER BY id;
DO $$
DECLARE
    kept bigint;
    step bigint := 10;
    said text;
BEGIN
    CALL load_batches(7, kept);
    CALL bump('bill', step, said);
    RAISE NOTICE '% kept, %, %', kept, step, said;
    RAISE EXCEPTION 'roll back';
END $$;
SELECT kind, n FROM counters ORDER BY kind;
SELECT line FROM app_log ORDER BY id;
