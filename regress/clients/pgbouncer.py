"""psycopg through pgbouncer in transaction mode, with two server sessions and DISCARD ALL after each transaction.

POOL_HOST, POOL_PORT: where pgbouncer listens; PGHOST and so on: the server itself.
"""
import json
import os
import threading
import time

import psycopg

import harness
from harness import PATIENCE, equal

TWO_SESSIONS = 2  # default_pool_size


def pooled():
    return psycopg.connect(host=os.environ["POOL_HOST"], port=os.environ["POOL_PORT"], autocommit=True, prepare_threshold=None)


def direct():
    return psycopg.connect(options=harness.OPTIONS, autocommit=True)


def one(conn, sql, params=None):
    row = conn.execute(sql, params).fetchone()
    return row[0] if row is not None and len(row) == 1 else row


def wait_until(conn, sql, params=None):
    end = time.monotonic() + PATIENCE
    while not one(conn, sql, params):
        assert time.monotonic() < end, f"still not true: {sql}"
        time.sleep(0.01)


def runs(conn, job):
    """The job has not ended. It may still be starting."""
    wait_until(conn, "SELECT state = 'running' FROM pg_background_outcome(%s)", (job,))


def in_session(pid, same):
    """A client whose transaction is in the server session with that pid, or, if not same, in another; and the clients it needs."""
    clients = []
    for _ in range(TWO_SESSIONS):
        client = pooled()
        client.execute("BEGIN")
        clients.append(client)
        if (one(client, "SELECT pg_backend_pid()") == pid) == same:
            return client, clients
    raise AssertionError("no such server session")


def leave(clients):
    """Gives the server sessions back. With a transaction that is open, pgbouncer would close them instead."""
    for client in clients:
        client.execute("ROLLBACK")
        client.close()


def calls():
    """eight clients on two server sessions: exec, query, parameters"""
    problems = []

    def client(number):
        try:
            with pooled() as conn:
                for n in range(10):
                    equal(one(conn, "SELECT n FROM pg_background_query('SELECT $1 + $2', ROW(%s::int, %s::int)) AS (n int)", (number, n)), number + n)
                    equal(one(conn, "SELECT pg_background_exec('SELECT 1')"), "SELECT 1")
        except Exception as error:
            problems.append(error)

    threads = [threading.Thread(target=client, args=(number,), daemon=True) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
        assert not thread.is_alive(), "a client hangs"
    equal(problems, [])


def launch_and_read():
    """launch and read in one transaction"""
    with pooled() as conn, conn.transaction():
        pid, cookie = conn.execute("SELECT * FROM pg_background_launch_v2('SELECT 7')").fetchone()
        equal(one(conn, "SELECT n FROM pg_background_result_v2(%s, %s) AS (n int)", (pid, cookie)), 7)
        job = one(conn, "SELECT pg_background_start('SELECT 8')")
        equal(one(conn, "SELECT n FROM pg_background_rows(%s) AS (n int)", (job,)), 8)


def join():
    """CALL pg_background_join, which commits, keeps its server session"""
    with pooled() as conn:
        conn.execute("""DO $$ DECLARE job pg_background_handle; BEGIN
            job := pg_background_start('SELECT 1');
            CALL pg_background_join(job, '1 min');
            PERFORM * FROM pg_background_rows(job) AS (n int);
        END $$""")


def ask_by_handle():
    """a web backend: start without results, ask by handle from any session"""
    with pooled() as conn:
        job, launcher = conn.execute("SELECT pg_background_start(%s, label => %s, results => false, notify => %s), pg_backend_pid()",
                                     ("SELECT pg_sleep(0.2)", "asked", "asked")).fetchone()
    client, clients = in_session(launcher, same=False)
    equal(one(client, "SELECT pg_background_await(%s, %s)", (job, "1 min")), True)
    equal(client.execute("SELECT state, sqlstate FROM pg_background_outcome(%s)", (job,)).fetchone(), ("stopped", None))
    leave(clients)
    # one that failed
    with pooled() as conn:
        job, launcher = conn.execute("SELECT pg_background_start('SELECT 1 / 0', results => false), pg_backend_pid()").fetchone()
    client, clients = in_session(launcher, same=False)
    equal(one(client, "SELECT pg_background_await(%s)", (job,)), True)
    equal(client.execute("SELECT state, sqlstate, message FROM pg_background_outcome(%s)", (job,)).fetchone(), ("error", "22012", "division by zero"))
    leave(clients)


def at_commit():
    """a job of a transaction starts when that has committed, and never if it rolls back"""
    sql = "SELECT pg_background_start('SELECT count(*) FROM pool_orders', label => 'pool order', results => false, at_commit => true)"
    with pooled() as conn:
        conn.execute("CREATE TABLE pool_orders (id int)")
        try:
            with conn.transaction(force_rollback=True):
                conn.execute("INSERT INTO pool_orders VALUES (1)")
                one(conn, sql)
            with conn.transaction():
                conn.execute("INSERT INTO pool_orders VALUES (2)")
                job = one(conn, sql)
                launcher = one(conn, "SELECT pg_backend_pid()")
                equal(one(conn, "SELECT state FROM pg_background_outcome(%s)", (job,)), "starting")
            client, clients = in_session(launcher, same=False)
            equal(one(client, "SELECT pg_background_await(%s, '1 min')", (job,)), True)
            equal(one(client, "SELECT state FROM pg_background_outcome(%s)", (job,)), "stopped")
            leave(clients)
            equal(one(conn, "SELECT count(*) FROM pg_background_history WHERE label = 'pool order'"), 1)
        finally:
            conn.execute("DROP TABLE pool_orders")


def nothing_to_clean_up():
    """eighty jobs started without results, on two sessions that may track sixteen each: none is refused or lost"""
    jobs = []
    with pooled() as conn:
        for n in range(80):
            with conn.transaction():
                conn.execute("SET LOCAL pg_background.launch_timeout = '60s'")  # for a moment when none has ended yet
                jobs.append(one(conn, "SELECT pg_background_start('SELECT $1', ROW(%s::int), results => false)", (n,)))
        for job in jobs:
            equal(one(conn, "SELECT pg_background_await(%s, '1 min')", (job,)), True)
            equal(one(conn, "SELECT state FROM pg_background_outcome(%s)", (job,)), "stopped")


def stop_by_handle():
    """a job is stopped by handle from another session"""
    with pooled() as conn:
        job, launcher = conn.execute("SELECT pg_background_start('SELECT pg_sleep(600)', results => false), pg_backend_pid()").fetchone()
    client, clients = in_session(launcher, same=False)
    equal(one(client, "SELECT pg_background_stop(%s), pg_background_await(%s)", (job, job)), (True, True))
    equal(one(client, "SELECT state FROM pg_background_outcome(%s)", (job,)), "canceled")
    leave(clients)


def rows_stay():
    """rows stay with the server session: 55000 in another, readable by the next client of the same"""
    with pooled() as conn:
        job, launcher = conn.execute("SELECT pg_background_start('SELECT 9'), pg_backend_pid()").fetchone()
    client, clients = in_session(launcher, same=False)
    try:
        one(client, "SELECT * FROM pg_background_rows(%s) AS (n int)", (job,))
        raise AssertionError("no error")
    except psycopg.Error as error:
        equal(error.sqlstate, "55000")
    leave(clients)
    client, clients = in_session(launcher, same=True)
    equal(one(client, "SELECT * FROM pg_background_rows(%s) AS (n int)", (job,)), 9)
    leave(clients)


def tracked_jobs():
    """DISCARD ALL: the next client's session still tracks the job, and may forget it"""
    with pooled() as conn:
        job, launcher = conn.execute("SELECT pg_background_start('SELECT pg_sleep(600)', label => 'left'), pg_backend_pid()").fetchone()
    client, clients = in_session(launcher, same=True)
    equal(one(client, "SELECT workers_active FROM pg_background_stats_v2()"), 1)
    runs(client, job)
    equal(one(client, "SELECT pg_background_forget_all('left')"), 1)
    equal(one(client, "SELECT workers_active FROM pg_background_stats_v2()"), 0)
    leave(clients)
    with pooled() as conn:  # it runs on; any session may stop it
        runs(conn, job)
        equal(one(conn, "SELECT pg_background_stop(%s), pg_background_await(%s)", (job, job)), (True, True))


def settings():
    """what a client has SET does not come to the next client's jobs"""
    sql = "SELECT m FROM pg_background_query('SELECT current_setting(''work_mem'')') AS (m text)"
    with pooled() as conn:
        before = one(conn, sql)
        with conn.transaction():
            conn.execute("SET work_mem = '7MB'")
            launcher = one(conn, "SELECT pg_backend_pid()")
            equal(one(conn, sql), "7MB")
    client, clients = in_session(launcher, same=True)
    equal(one(client, sql), before)
    leave(clients)


def notified():
    """LISTEN on a connection of its own hears of the pool's jobs"""
    with direct() as listener:
        listener.execute("LISTEN pool_done")
        with pooled() as conn:
            job = one(conn, "SELECT pg_background_start('SELECT 1', results => false, notify => 'pool_done')")
        heard = list(listener.notifies(timeout=PATIENCE, stop_after=1))
        payload = json.loads(heard[0].payload)
        equal((f"({payload['pid']},{payload['cookie']})", payload["state"]), (job, "stopped"))


def canceled():
    """a cancel request through the pool while in exec"""
    outcome = []
    with pooled() as conn, direct() as other:
        def waiter():
            try:
                conn.execute("SELECT pg_background_exec('SELECT pg_sleep(600)', label => 'pool cancel')")
                outcome.append("no error")
            except psycopg.Error as error:
                outcome.append(error.sqlstate)

        thread = threading.Thread(target=waiter, daemon=True)
        thread.start()
        wait_until(other, """SELECT EXISTS (SELECT FROM pg_stat_background b JOIN pg_stat_activity a ON a.pid = b.launcher_pid
                             WHERE b.label = 'pool cancel' AND b.state = 'running' AND a.wait_event_type = 'Extension')""")
        conn.cancel()
        thread.join(PATIENCE)
        equal(outcome, ["57014"])
        wait_until(other, "SELECT EXISTS (SELECT FROM pg_background_history WHERE label = 'pool cancel' AND state = 'canceled')")
        equal(one(conn, "SELECT pg_background_exec('SELECT 1')"), "SELECT 1")


def messages():
    """notices and errors of jobs through the pool"""
    with pooled() as conn:
        got = []
        conn.add_notice_handler(lambda d: got.append((d.severity_nonlocalized, d.message_primary)))
        conn.execute("SELECT pg_background_exec('DO $$ BEGIN RAISE WARNING ''told''; END $$')")
        equal(got, [("WARNING", "told")])
        try:
            conn.execute("SELECT pg_background_exec('SELECT 1 / 0')")
            raise AssertionError("no error")
        except psycopg.errors.DivisionByZero as error:
            assert "background worker, pid" in error.diag.context


TESTS = [calls, launch_and_read, join, ask_by_handle, at_commit, nothing_to_clean_up, stop_by_handle, rows_stay, tracked_jobs, settings, notified, canceled, messages]

if __name__ == "__main__":
    harness.begin("pgbouncer", 150)
    harness.run(TESTS, lambda test: test())
    harness.end()
