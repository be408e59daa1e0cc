"""psycopg 3, synchronous."""
import json
import threading
import time

import psycopg
from psycopg.types.composite import CompositeInfo, register_composite

import harness
from harness import PATIENCE, equal

WAITS = ["result", "rows", "exec", "query", "await", "wait_v2", "join", "map"]


def connect(**more):
    return psycopg.connect(options=harness.OPTIONS, autocommit=True, application_name="psycopg", **more)


def one(conn, sql, params=None, **more):
    row = conn.execute(sql, params, **more).fetchone()
    return row[0] if row is not None and len(row) == 1 else row


def wait_until(conn, sql, params=None):
    """Until the query returns true. It is asked again and again: other sessions and workers need their time."""
    end = time.monotonic() + PATIENCE
    while not one(conn, sql, params):
        assert time.monotonic() < end, f"still not true: {sql}"
        time.sleep(0.01)


def runs(conn, job):
    """The job has not ended. It may still be starting."""
    wait_until(conn, "SELECT state = 'running' FROM pg_background_outcome(%s)", (job,))


def untyped_v1(conn):
    """functions of v1, untyped parameters"""
    pid = one(conn, "SELECT pg_background_launch(%s)", ("SELECT 42",))
    equal(one(conn, "SELECT n FROM pg_background_result(%s) AS (n int)", (pid,)), 42)
    pid = one(conn, "SELECT pg_background_launch(%s, %s)", ("SELECT 1", "65536"))
    equal(one(conn, "SELECT pg_background_detach(%s)", (str(pid),)), "")


def untyped_v2(conn):
    """functions of v2, untyped parameters"""
    for launch in ("launch", "submit"):
        pid, cookie = conn.execute(f"SELECT * FROM pg_background_{launch}_v2(%s, %s)", ("SELECT 7 AS n", "0")).fetchone()
        equal(one(conn, "SELECT pg_background_wait_v2_timeout(%s, %s, %s)", (str(pid), str(cookie), "60000")), True)
        if launch == "launch":
            equal(one(conn, "SELECT n FROM pg_background_result_v2(%s, %s) AS (n int)", (str(pid), str(cookie))), 7)
        conn.execute("SELECT pg_background_detach_v2(%s, %s)", (str(pid), str(cookie)))
    pid, cookie = conn.execute("SELECT * FROM pg_background_launch_v2(%s)", ("SELECT pg_sleep(600)",)).fetchone()
    conn.execute("SELECT pg_background_cancel_v2_grace(%s, %s, %s)", (str(pid), str(cookie), "0"))
    conn.execute("SELECT pg_background_wait_v2(%s, %s)", (str(pid), str(cookie)))
    conn.execute("SELECT pg_background_detach_v2(%s, %s)", (str(pid), str(cookie)))


def untyped_start(conn):
    """functions of 3.0, untyped parameters"""
    job = one(conn, "SELECT pg_background_start(%s, label => %s, timeout => %s, settings => %s)",
              ("SELECT current_setting('work_mem') AS m", "untyped", "1 min", '{"work_mem": "7MB"}'))
    assert isinstance(job, str), "a handle comes as text, unless its type is registered"
    equal(one(conn, "SELECT pg_background_await(%s, %s)", (job, "1 minute")), True)
    equal(one(conn, "SELECT pg_background_await_any(ARRAY[%s::pg_background_handle])", (job,)), job)
    equal(one(conn, "SELECT pg_background_await_all(%s, %s)", ([job], "1 minute")), True)
    equal(one(conn, "SELECT state FROM pg_background_outcome(%s)", (job,)), "stopped")
    equal(one(conn, "SELECT name FROM pg_background_columns(%s)", (job,)), "m")
    equal(one(conn, "SELECT m FROM pg_background_fetch(%s, %s) AS (m text)", (job, "1")), "7MB")
    equal(one(conn, "SELECT count(*) FROM pg_background_rows(%s) AS (m text)", (job,)), 0)
    conn.execute("SELECT pg_background_forget(%s)", (job,))
    equal(one(conn, "SELECT pg_background_exec(%s, timeout => %s)", ("SELECT 1", "1 min")), "SELECT 1")
    equal(one(conn, "SELECT pg_background_query_json(%s)", ("SELECT 1 AS a",)), {"a": 1})
    job = one(conn, "SELECT pg_background_start(%s, NULL, %s)", ("SELECT pg_sleep(600)", "untyped"))
    equal(one(conn, "SELECT pg_background_stop(%s, %s)", (job, "0")), True)
    equal(one(conn, "SELECT pg_background_await(%s)", (job,)), True)
    equal(one(conn, "SELECT pg_background_forget_all(%s)", ("unt%",)), 1)


def map_and_join(conn):
    """pg_background_map over a driver's array; CALL pg_background_join, refused in a transaction block"""
    rows = conn.execute("SELECT ordinal, state, sqlstate FROM pg_background_map(%s, parallel => %s)", (["SELECT 1", "SELECT 1 / 0"], "2")).fetchall()
    equal(rows, [(1, "stopped", None), (2, "error", "22012")])
    rows = conn.execute("SELECT ordinal, state FROM pg_background_map(%s)", ('{"SELECT 1",VACUUM}',)).fetchall()
    equal(rows, [(1, "stopped"), (2, "stopped")])
    for prepare in (False, True):
        job = one(conn, "SELECT pg_background_start('SELECT 1')")
        conn.execute("CALL pg_background_join(%s, %s)", (job, "1 min"), prepare=prepare)
        equal(one(conn, "SELECT n FROM pg_background_rows(%s) AS (n int)", (job,)), 1)
    job = one(conn, "SELECT pg_background_start('SELECT 1')")
    try:
        with conn.transaction():
            conn.execute("CALL pg_background_join(%s)", (job,))
        raise AssertionError("no error")
    except psycopg.errors.InvalidTransactionTermination as error:
        equal(error.sqlstate, "2D000")
    conn.execute("SELECT pg_background_forget(%s)", (job,))


def params_in_a_row(conn):
    """a parameter in ROW(): typed by the driver, or by a cast"""
    equal(one(conn, "SELECT a FROM pg_background_query('SELECT $1 + 1', ROW(%s)) AS (a int)", (41,)), 42)
    equal(one(conn, "SELECT a FROM pg_background_query('SELECT $1 || ''!''', ROW(%s::text)) AS (a text)", ("it's",)), "it's!")
    equal(one(conn, "SELECT pg_background_query_json('SELECT $1 AS a, $2 AS b', ROW(%s, %s::jsonb))", (1.5, '{"x": null}')),
          {"a": 1.5, "b": {"x": None}})
    equal(one(conn, "SELECT a FROM pg_background_query('SELECT $1[2]', ROW(%s)) AS (a int)", ([1, 2],)), 2)
    try:
        one(conn, "SELECT pg_background_exec('SELECT $1', ROW(%s))", ("no type",))
        raise AssertionError("a text without a type was accepted")
    except psycopg.errors.IndeterminateDatatype as error:
        equal(error.sqlstate, "42P18")


def registered_handle(conn):
    """handles as a registered composite type"""
    info = CompositeInfo.fetch(conn, "pg_background_handle")
    register_composite(info, conn, factory=None)
    job = one(conn, "SELECT pg_background_start('SELECT 1')")
    equal(len(job), 2)
    equal(one(conn, "SELECT n FROM pg_background_rows(%s) AS (n int)", (job,)), 1)


def prepared(conn):
    """prepared statements, executed 100 times"""
    conn.execute("CREATE TABLE psycopg_prepared (n int, t text)")
    try:
        for n in range(100):
            tag = one(conn, "SELECT pg_background_exec('INSERT INTO psycopg_prepared VALUES ($1, $2)', ROW(%s::int, %s::text))",
                      (n, str(n)), prepare=True)
            equal(tag, "INSERT 0 1")
        equal(one(conn, "SELECT count(*) FROM psycopg_prepared WHERE n::text = t"), 100)
        for n in range(100):
            equal(one(conn, "SELECT n FROM pg_background_query('SELECT $1 * 2', ROW(%s::int)) AS (n int)", (n,), prepare=True), 2 * n)
        for n in range(50):
            job = one(conn, "SELECT pg_background_start(%s, label => %s)", (f"SELECT {n}", "prepared"), prepare=True)
            equal(one(conn, "SELECT n FROM pg_background_rows(%s) AS (n int)", (job,), prepare=True), n)
        equal(one(conn, "SELECT count(*) >= 4 FROM pg_prepared_statements WHERE statement LIKE '%%pg_background%%'", ()), True)
    finally:
        conn.execute("DROP TABLE psycopg_prepared")


def pipeline(conn):
    """a pipeline: jobs are started, read, and one fails"""
    with conn.pipeline():
        jobs = [conn.execute("SELECT pg_background_start(%s)", (f"SELECT {n}",)) for n in range(8)]
        jobs = [cursor.fetchone()[0] for cursor in jobs]
        rows = [conn.execute("SELECT n FROM pg_background_rows(%s) AS (n int)", (job,)) for job in jobs]
        tags = [conn.execute("SELECT pg_background_exec(%s)", ("SELECT 1",)) for _ in range(4)]
        equal([cursor.fetchone()[0] for cursor in rows], list(range(8)))
        equal([cursor.fetchone()[0] for cursor in tags], ["SELECT 1"] * 4)
    with conn.pipeline() as line:
        before = conn.execute("SELECT pg_background_exec('SELECT 1')")
        line.sync()
        skipped = None
        try:
            # the error is raised by whichever call reads it: that may be the one that sends the next statement
            failing = conn.execute("SELECT pg_background_exec('SELECT 1 / 0')")
            skipped = conn.execute("SELECT pg_background_exec('SELECT 1')")
            failing.fetchone()
            raise AssertionError("no error")
        except psycopg.errors.DivisionByZero:
            pass
        equal(before.fetchone()[0], "SELECT 1")
        if skipped is not None:
            try:
                skipped.fetchone()
                raise AssertionError("a statement behind the one that failed has run")
            except psycopg.Error:
                pass
        line.sync()
    equal(one(conn, "SELECT pg_background_exec('SELECT 1')"), "SELECT 1")


def cancel_in_wait(conn, other, wait):
    """What becomes of the statement, and of the job, when the client cancels a wait."""
    label = f"psycopg {wait}"
    sql = "SELECT pg_sleep(600)"
    if wait in ("exec", "query", "map"):
        job = None
        text = {"exec": "SELECT pg_background_exec(%s, label => %s)",
                "map": "SELECT state FROM pg_background_map(ARRAY[%s], label => %s)",
                "query": "SELECT * FROM pg_background_query(%s, label => %s) AS (s text)"}[wait]
        params = (sql, label)
    else:
        job = one(conn, "SELECT pg_background_start(%s, label => %s)", (sql, label))
        text = {"result": "SELECT * FROM pg_background_result_v2((%s::pg_background_handle).pid, (%s::pg_background_handle).cookie) AS (s text)",
                "rows": "SELECT * FROM pg_background_rows(%s) AS (s text)",
                "await": "SELECT pg_background_await(%s)",
                "join": "CALL pg_background_join(%s)",
                "wait_v2": "SELECT pg_background_wait_v2((%s::pg_background_handle).pid, (%s::pg_background_handle).cookie)"}[wait]
        params = (job,) * text.count("%s")
    outcome = []

    def waiter():
        try:
            conn.execute(text, params)
            outcome.append("no error")
        except psycopg.Error as error:
            outcome.append(error)

    thread = threading.Thread(target=waiter, daemon=True)
    thread.start()
    # the session waits: its job runs, and the session is in the statement that waits
    wait_until(other, """SELECT EXISTS (SELECT FROM pg_stat_background b JOIN pg_stat_activity a ON a.pid = b.launcher_pid
                         WHERE b.label = %s AND b.state = 'running' AND a.state = 'active' AND a.wait_event_type = 'Extension')""", (label,))
    conn.cancel_safe(timeout=PATIENCE) if hasattr(conn, "cancel_safe") else conn.cancel()
    thread.join(PATIENCE)
    assert outcome, "the wait was not canceled"
    equal(getattr(outcome[0], "sqlstate", outcome[0]), "57014")
    if job is None:  # exec, query and map take their jobs along
        wait_until(other, "SELECT EXISTS (SELECT FROM pg_background_history WHERE label = %s AND state = 'canceled')", (label,))
    else:
        equal(one(conn, "SELECT state FROM pg_background_outcome(%s)", (job,)), "running")
        equal(one(conn, "SELECT pg_background_stop(%s), pg_background_await(%s)", (job, job)), (True, True))
        conn.execute("SELECT pg_background_forget(%s)", (job,))
    equal(one(conn, "SELECT pg_background_exec('SELECT 1')"), "SELECT 1")


def canceled(conn):
    """a cancel request of the protocol while in result, rows, exec, query, await, wait_v2, join, map"""
    with connect() as other:
        for wait in WAITS:
            cancel_in_wait(conn, other, wait)


def notices(conn):
    """a job's messages arrive as notices, in order, with their fields"""
    got = []  # a notice's fields are there in the handler only
    conn.add_notice_handler(lambda d: got.append((d.severity_nonlocalized, d.message_primary, d.message_detail, d.message_hint, d.sqlstate, d.context)))
    conn.execute("""SELECT pg_background_exec($job$ DO $do$ BEGIN
        RAISE NOTICE 'one' USING DETAIL = 'more', HINT = 'do', ERRCODE = 'P0042'; RAISE WARNING 'two'; END $do$ $job$)""")
    equal([fields[:5] for fields in got],
          [("NOTICE", "one", "more", "do", "P0042"), ("WARNING", "two", None, None, "01000")])
    equal(got[0][5], "PL/pgSQL function inline_code_block line 2 at RAISE")
    got.clear()
    job = one(conn, "SELECT pg_background_start('DO $$ BEGIN RAISE NOTICE ''later''; END $$')")
    conn.execute("SELECT pg_background_await(%s)", (job,))
    equal(got, [])  # raised by the read, not by the wait
    equal(one(conn, "SELECT * FROM pg_background_rows(%s) AS (tag text)", (job,)), "DO")
    equal([fields[1] for fields in got], ["later"])


def notify(conn):
    """NOTIFY at a job's end, and from a job"""
    conn.execute("LISTEN psycopg_done")
    jobs = {one(conn, "SELECT pg_background_start(%s, label => 'told', results => false, notify => 'psycopg_done')", (sql,)): state
            for sql, state in (("SELECT 1", "stopped"), ("SELECT 1 / 0", "error"))}
    heard = list(conn.notifies(timeout=PATIENCE, stop_after=2))
    equal({n.channel for n in heard}, {"psycopg_done"})
    payloads = [json.loads(n.payload) for n in heard]
    equal({f"({p['pid']},{p['cookie']})": p["state"] for p in payloads}, jobs)
    equal({p["sqlstate"] for p in payloads}, {None, "22012"})
    for job, state in jobs.items():  # whoever has heard finds the outcome
        equal(one(conn, "SELECT state FROM pg_background_outcome(%s)", (job,)), state)
    conn.execute("SELECT pg_background_exec('SELECT pg_notify(''psycopg_done'', ''from the job'')')")
    equal([n.payload for n in conn.notifies(timeout=PATIENCE, stop_after=1)], ["from the job"])
    conn.execute("UNLISTEN *; SELECT pg_background_forget_all()")


def errors(conn):
    """errors with all fields"""
    conn.execute("CREATE TABLE psycopg_errors (id int CONSTRAINT psycopg_unique UNIQUE)")
    try:
        conn.execute("SELECT pg_background_exec('INSERT INTO psycopg_errors VALUES (1), (1)')")
        raise AssertionError("no error")
    except psycopg.errors.UniqueViolation as error:
        d = error.diag
        equal((d.severity_nonlocalized, d.sqlstate, d.schema_name, d.table_name, d.constraint_name, d.message_detail),
              ("ERROR", "23505", "public", "psycopg_errors", "psycopg_unique", "Key (id)=(1) already exists."))
        assert "background worker, pid" in d.context, d.context
    finally:
        conn.execute("DROP TABLE psycopg_errors")
    for launch in ("SELECT pg_background_exec(%s)", "SELECT n FROM pg_background_query(%s) AS (n int)"):
        try:
            conn.execute(launch, ("DO $$ BEGIN RAISE 'no %%', 'way' USING ERRCODE = 'P4711', DETAIL = 'd', HINT = 'h', "
                                  "COLUMN = 'c', DATATYPE = 't'; END $$".replace("%%", "%"),))
            raise AssertionError("no error")
        except psycopg.Error as error:
            d = error.diag
            equal((d.sqlstate, d.message_primary, d.message_detail, d.message_hint, d.column_name, d.datatype_name),
                  ("P4711", "no way", "d", "h", "c", "t"))
    try:
        conn.execute("SELECT pg_background_exec(%s)", ("SELECT 1 +",))
        raise AssertionError("no error")
    except psycopg.errors.SyntaxError as error:
        equal((error.diag.internal_query, error.diag.internal_position), ("SELECT 1 +", "11"))


def binary(conn):
    """binary results and parameters"""
    cursor = conn.cursor(binary=True)
    cursor.execute("SELECT * FROM pg_background_query('SELECT 1, 2::int8, 1.5::numeric, ''x''::text, ''\\x00ff''::bytea, "
                   "DATE ''2026-11-29'', ARRAY[1, NULL], true, NULL::int') "
                   "AS (a int, b int8, c numeric, d text, e bytea, f date, g int[], h bool, i int)")
    row = cursor.fetchone()
    equal((row[0], row[1], str(row[2]), row[3], bytes(row[4]), row[5].isoformat(), row[6], row[7], row[8]),
          (1, 2, "1.5", "x", b"\x00\xff", "2026-11-29", [1, None], True, None))
    cursor.execute("SELECT * FROM pg_background_query('SELECT $1, $2', ROW(%b, %b)) AS (a bytea, b int8)", (b"\x00\x01", 1 << 40))
    row = cursor.fetchone()
    equal((bytes(row[0]), row[1]), (b"\x00\x01", 1 << 40))
    cursor.execute("SELECT (h).pid, (h).cookie, h FROM pg_background_start(%b) AS h", ("SELECT 1",))
    row = cursor.fetchone()
    equal(cursor.execute("SELECT n FROM pg_background_result_v2(%b, %b) AS (n int)", (row[0], row[1])).fetchone()[0], 1)


def server_side_cursor(conn):
    """a server-side cursor over pg_background_query, read in portions"""
    with conn.transaction(), conn.cursor(name="portions") as cursor:
        cursor.itersize = 1000
        cursor.execute("SELECT * FROM pg_background_query('SELECT i FROM generate_series(1, 10000) AS i') AS (i int)")
        equal(sum(row[0] for row in cursor), 50005000)
    with conn.transaction(), conn.cursor(name="back", scrollable=True) as cursor:
        cursor.execute("SELECT pg_background_query_json('SELECT i FROM generate_series(1, 10) AS i')")
        equal([row[0]["i"] for row in cursor.fetchmany(3)], [1, 2, 3])
        cursor.scroll(-2)
        equal(cursor.fetchone()[0], {"i": 2})
    # pages of a job's own rows
    job = one(conn, "SELECT pg_background_start('SELECT i FROM generate_series(1, 2500) AS i')")
    seen = 0
    while rows := conn.execute("SELECT i FROM pg_background_fetch(%s, 1000) AS (i int)", (job,)).fetchall():
        seen += len(rows)
    equal(seen, 2500)


def discard_all(conn):
    """DISCARD ALL leaves tracked jobs as they are"""
    conn.execute("SET work_mem = '7MB'")
    running = one(conn, "SELECT pg_background_start('SELECT pg_sleep(600)', label => 'running')")
    ended = one(conn, "SELECT pg_background_start('SELECT current_setting(''work_mem'')', label => 'ended')")
    conn.execute("SELECT pg_background_await(%s)", (ended,))
    conn.execute("DISCARD ALL")
    # still tracked, and the job that runs is not stopped
    runs(conn, running)
    equal(one(conn, "SELECT count(*) FROM pg_background_list_v2() AS (pid int, cookie int8, launched_at timestamptz, user_id oid, "
                    "queue_size int, state text, sql_preview text, last_error text, consumed bool)"), 2)
    equal(one(conn, "SELECT m FROM pg_background_rows(%s) AS (m text)", (ended,)), "7MB")
    # a new job has the settings of the session as it is now
    assert one(conn, "SELECT m FROM pg_background_query('SELECT current_setting(''work_mem'')') AS (m text)") != "7MB"
    # what a pool does for the next user
    equal(one(conn, "SELECT pg_background_forget_all()"), 1)
    runs(conn, running)
    equal(one(conn, "SELECT pg_background_stop(%s), pg_background_await(%s)", (running, running)), (True, True))


def transactions(conn):
    """a job is not a part of the client's transaction"""
    conn.execute("CREATE TABLE psycopg_audit (what text)")
    try:
        try:
            with conn.transaction():
                conn.execute("SELECT pg_background_exec('INSERT INTO psycopg_audit VALUES ($1)', ROW(%s::text))", ("tried",))
                raise psycopg.Rollback()
        except psycopg.Rollback:
            pass
        equal(one(conn, "SELECT what FROM psycopg_audit"), "tried")
    finally:
        conn.execute("DROP TABLE psycopg_audit")


TESTS = [untyped_v1, untyped_v2, untyped_start, map_and_join, params_in_a_row, registered_handle, prepared, pipeline, canceled, notices, notify,
         errors, binary, server_side_cursor, discard_all, transactions]


def call(test):
    with connect() as conn:
        test(conn)
        equal(one(conn, "SELECT workers_active FROM pg_background_stats_v2()"), 0)


if __name__ == "__main__":
    harness.begin("psycopg", 150)
    harness.run(TESTS, call)
    harness.end()
