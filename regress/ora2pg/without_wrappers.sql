-- After ora2pg with AUTONOMOUS_TRANSACTION 0 (docs/migration.md has the same commands).
DO $$
DECLARE
    routine regprocedure;
BEGIN
    FOR routine IN
        SELECT oid FROM pg_proc WHERE prokind = 'f' AND prosrc ~ 'PRAGMA AUTONOMOUS_TRANSACTION' AND proname !~ '_atx$'
    LOOP
        EXECUTE regexp_replace(pg_get_functiondef(routine), '^(\s*)(COMMIT|ROLLBACK|PRAGMA AUTONOMOUS_TRANSACTION);', '\1-- \2;', 'gin');
    END LOOP;
END $$;

DO $$
DECLARE
    routine regprocedure;
    message text;
    hint text;
BEGIN
    FOR routine IN
        SELECT oid FROM pg_proc WHERE prosrc ~ 'PRAGMA AUTONOMOUS_TRANSACTION' AND proname !~ '_atx$' ORDER BY proname
    LOOP
        BEGIN
            PERFORM pg_background_autonomous(routine, apply => true);
        EXCEPTION WHEN OTHERS THEN
            GET STACKED DIAGNOSTICS message = MESSAGE_TEXT, hint = PG_EXCEPTION_HINT;
            RAISE WARNING '%', message USING HINT = hint;
        END;
    END LOOP;
END $$;
