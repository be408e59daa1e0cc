-- After ora2pg with AUTONOMOUS_TRANSACTION 1 (docs/migration.md has the same commands).
DO $$
DECLARE
    routine regprocedure;
    name name;
BEGIN
    FOR routine, name IN
        SELECT oid, left(proname, -4) FROM pg_proc WHERE prokind = 'p' AND proname ~ '_atx$'
    LOOP
        EXECUTE format('DROP PROCEDURE %I(%s)', name, pg_get_function_identity_arguments(routine));
        PERFORM pg_background_autonomous(routine, apply => true, wrapper => name);
    END LOOP;
END $$;
