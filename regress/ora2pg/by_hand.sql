-- What the warnings of without_wrappers.sql ask for.
DO $$
BEGIN
    EXECUTE regexp_replace(pg_get_functiondef('try_line'::regproc), '^(\s*)COMMIT;', '\1-- COMMIT;', 'gin');
END $$;
DROP TRIGGER orders_seen ON orders;
CREATE TRIGGER orders_seen AFTER INSERT ON orders FOR EACH ROW EXECUTE FUNCTION trigger_fct_orders_seen();
