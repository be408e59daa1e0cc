CREATE OR REPLACE PACKAGE audit_pkg AS
  PROCEDURE note (p_line IN VARCHAR2 DEFAULT 'nothing');
  PROCEDURE note_count (p_line IN VARCHAR2, p_count OUT NUMBER);
  FUNCTION noted (p_line IN VARCHAR2) RETURN NUMBER;
END audit_pkg;
/

CREATE OR REPLACE PACKAGE BODY audit_pkg AS
  PROCEDURE note (p_line IN VARCHAR2 DEFAULT 'nothing') IS
    PRAGMA AUTONOMOUS_TRANSACTION;
  BEGIN
    INSERT INTO app_log (line) VALUES (p_line);
    COMMIT;
  END note;

  PROCEDURE note_count (p_line IN VARCHAR2, p_count OUT NUMBER) IS
    PRAGMA AUTONOMOUS_TRANSACTION;
  BEGIN
    INSERT INTO app_log (line) VALUES (p_line);
    SELECT COUNT(*) INTO p_count FROM app_log WHERE line = p_line;
    COMMIT;
  END note_count;

  FUNCTION noted (p_line IN VARCHAR2) RETURN NUMBER IS
    PRAGMA AUTONOMOUS_TRANSACTION;
    v_id NUMBER;
  BEGIN
    INSERT INTO app_log (line) VALUES (p_line) RETURNING id INTO v_id;
    COMMIT;
    RETURN v_id;
  END noted;
END audit_pkg;
/
