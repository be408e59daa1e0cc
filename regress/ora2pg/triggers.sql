CREATE OR REPLACE TRIGGER orders_audit AFTER INSERT OR UPDATE OR DELETE ON orders FOR EACH ROW
DECLARE
  PRAGMA AUTONOMOUS_TRANSACTION;
BEGIN
  IF INSERTING THEN
    INSERT INTO app_log (line) VALUES ('order ' || :NEW.id || ' came');
  ELSIF UPDATING THEN
    INSERT INTO app_log (line) VALUES ('order ' || :NEW.id || ' from ' || :OLD.amount || ' to ' || :NEW.amount);
  ELSE
    INSERT INTO app_log (line) VALUES ('order ' || :OLD.id || ' went');
  END IF;
  COMMIT;
END;
/

CREATE OR REPLACE TRIGGER orders_seen BEFORE INSERT ON orders FOR EACH ROW
DECLARE
  PRAGMA AUTONOMOUS_TRANSACTION;
BEGIN
  INSERT INTO app_log (line) VALUES ('order ' || :NEW.id || ' seen');
  COMMIT;
END;
/
