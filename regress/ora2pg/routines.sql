-- Autonomous routines of an application in Oracle, for scripts/ora2pg-test.

CREATE OR REPLACE PROCEDURE log_line (p_line IN VARCHAR2) AS
  PRAGMA AUTONOMOUS_TRANSACTION;
BEGIN
  INSERT INTO app_log (line) VALUES (p_line);
  COMMIT;
END log_line;
/

CREATE OR REPLACE PROCEDURE log_line_id (p_line IN VARCHAR2, p_id OUT NUMBER) AS
  PRAGMA AUTONOMOUS_TRANSACTION;
BEGIN
  INSERT INTO app_log (line) VALUES (p_line) RETURNING id INTO p_id;
  COMMIT;
END log_line_id;
/

CREATE OR REPLACE PROCEDURE bump (p_kind IN VARCHAR2, p_step IN OUT NUMBER, p_text OUT VARCHAR2) AS
  PRAGMA AUTONOMOUS_TRANSACTION;
BEGIN
  UPDATE counters SET n = n + p_step WHERE kind = p_kind RETURNING n INTO p_step;
  p_text := p_kind || ' is now ' || p_step;
  COMMIT;
END bump;
/

CREATE OR REPLACE PROCEDURE log_error (p_code IN VARCHAR2, p_message IN VARCHAR2, p_at IN DATE DEFAULT SYSDATE) AS
  PRAGMA AUTONOMOUS_TRANSACTION;
BEGIN
  INSERT INTO app_errors (code, message, at) VALUES (p_code, p_message, p_at);
  COMMIT;
END log_error;
/

-- not autonomous: its work is undone, what it logs stays
CREATE OR REPLACE PROCEDURE transfer (p_from IN NUMBER, p_to IN NUMBER, p_amount IN NUMBER) AS
BEGIN
  UPDATE accounts SET balance = balance - p_amount WHERE id = p_from;
  UPDATE accounts SET balance = balance + p_amount WHERE id = p_to;
EXCEPTION
  WHEN OTHERS THEN
    log_error('transfer', SQLERRM);
    RAISE;
END transfer;
/

-- each batch on its own; every third is taken back
CREATE OR REPLACE PROCEDURE load_batches (p_count IN NUMBER, p_kept OUT NUMBER) AS
  PRAGMA AUTONOMOUS_TRANSACTION;
BEGIN
  p_kept := 0;
  FOR i IN 1..p_count LOOP
    INSERT INTO app_log (line) VALUES ('batch ' || i);
    IF MOD(i, 3) = 0 THEN
      ROLLBACK;
    ELSE
      p_kept := p_kept + 1;
      COMMIT;
    END IF;
  END LOOP;
END load_batches;
/

-- its COMMIT is in a block with EXCEPTION
CREATE OR REPLACE PROCEDURE try_line (p_line IN VARCHAR2, p_done OUT NUMBER) AS
  PRAGMA AUTONOMOUS_TRANSACTION;
BEGIN
  INSERT INTO app_log (line) VALUES (p_line);
  p_done := 1;
  COMMIT;
EXCEPTION
  WHEN OTHERS THEN
    ROLLBACK;
    p_done := 0;
END try_line;
/

CREATE OR REPLACE FUNCTION next_number (p_kind IN VARCHAR2) RETURN NUMBER AS
  PRAGMA AUTONOMOUS_TRANSACTION;
  v_n NUMBER;
BEGIN
  UPDATE counters SET n = n + 1 WHERE kind = p_kind RETURNING n INTO v_n;
  COMMIT;
  RETURN v_n;
END next_number;
/

CREATE OR REPLACE FUNCTION log_and_say (p_line IN VARCHAR2, p_suffix IN VARCHAR2 DEFAULT '!') RETURN VARCHAR2 AS
  PRAGMA AUTONOMOUS_TRANSACTION;
BEGIN
  INSERT INTO app_log (line) VALUES (p_line);
  COMMIT;
  RETURN p_line || p_suffix;
END log_and_say;
/
