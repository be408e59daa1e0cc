"""psycopg 3, asynchronous."""
import asyncio
import json

import psycopg

import harness
from harness import PATIENCE, equal


async def connect():
    return await psycopg.AsyncConnection.connect(options=harness.OPTIONS, autocommit=True, application_name="psycopg async")


async def one(conn, sql, params=None, **more):
    row = await (await conn.execute(sql, params, **more)).fetchone()
    return row[0] if row is not None and len(row) == 1 else row


async def wait_until(conn, sql, params):
    while not await one(conn, sql, params):
        await asyncio.sleep(0.01)


async def runs(conn, label):
    """Until the job runs and its launcher waits for it."""
    await wait_until(conn, """SELECT EXISTS (SELECT FROM pg_stat_background b JOIN pg_stat_activity a ON a.pid = b.launcher_pid
                              WHERE b.label = %s AND b.state = 'running' AND a.state = 'active' AND a.wait_event_type = 'Extension')""", (label,))


async def many_sessions(conn):
    """five sessions at a time, each with prepared calls"""
    async def session(number):
        async with await connect() as mine:
            for n in range(20):
                equal(await one(mine, "SELECT n FROM pg_background_query('SELECT $1 + $2', ROW(%s::int, %s::int)) AS (n int)",
                                (number, n), prepare=True), number + n)
                job = await one(mine, "SELECT pg_background_start(%s, label => %s)", (f"SELECT {n}", "async"), prepare=True)
                equal(await one(mine, "SELECT pg_background_await(%s, %s)", (job, "1 min"), prepare=True), True)
                equal(await one(mine, "SELECT n FROM pg_background_rows(%s) AS (n int)", (job,), prepare=True), n)

    await asyncio.gather(*(session(number) for number in range(5)))


async def pipeline(conn):
    """a pipeline of calls"""
    async with conn.pipeline():
        cursors = [await conn.execute("SELECT n FROM pg_background_query('SELECT $1', ROW(%s::int)) AS (n int)", (n,)) for n in range(30)]
        equal([(await cursor.fetchone())[0] for cursor in cursors], list(range(30)))


async def cancel_request(conn):
    """a cancel request while in await, rows, exec"""
    async with await connect() as other:
        for sql in ("SELECT pg_background_await(pg_background_start('SELECT pg_sleep(600)', label => 'async cancel'))",
                    "SELECT * FROM pg_background_rows(pg_background_start('SELECT pg_sleep(600)', label => 'async cancel')) AS (s text)",
                    "SELECT pg_background_exec('SELECT pg_sleep(600)', label => 'async cancel')"):
            waiting = asyncio.create_task(conn.execute(sql))
            await runs(other, "async cancel")
            if hasattr(conn, "cancel_safe"):
                await conn.cancel_safe(timeout=PATIENCE)
            else:
                conn.cancel()
            try:
                await waiting
                raise AssertionError("no error")
            except psycopg.errors.QueryCanceled as error:
                equal(error.sqlstate, "57014")
            await conn.execute("SELECT pg_background_stop_all('async cancel'), pg_background_forget_all('async cancel')")
            await wait_until(other, "SELECT NOT EXISTS (SELECT FROM pg_stat_background WHERE label = %s)", ("async cancel",))


async def canceled_task(conn):
    """a task that is canceled in exec takes its job along"""
    async with await connect() as other:
        task = asyncio.create_task(conn.execute("SELECT pg_background_exec('SELECT pg_sleep(600)', label => 'async task')"))
        await runs(other, "async task")
        task.cancel()
        try:
            await task
            raise AssertionError("no error")
        except (asyncio.CancelledError, psycopg.errors.QueryCanceled):
            pass
        await wait_until(other, "SELECT EXISTS (SELECT FROM pg_background_history WHERE label = %s AND state = 'canceled')", ("async task",))


async def notified(conn):
    """start without results, go on when the notification comes"""
    await conn.execute("LISTEN async_done")
    job = await one(conn, "SELECT pg_background_start(%s, label => %s, results => false, notify => %s)",
                    ("SELECT pg_sleep(0.1)", "async told", "async_done"))
    async for notification in conn.notifies(timeout=PATIENCE, stop_after=1):
        payload = json.loads(notification.payload)
        equal((f"({payload['pid']},{payload['cookie']})", payload["label"], payload["state"]), (job, "async told", "stopped"))
        break
    else:
        raise AssertionError("no notification")
    equal(await one(conn, "SELECT state FROM pg_background_outcome(%s)", (job,)), "stopped")
    await conn.execute("SELECT pg_background_forget(%s)", (job,))


async def portions(conn):
    """a server-side cursor over pg_background_query"""
    total = 0
    async with conn.transaction(), conn.cursor(name="portions") as cursor:
        cursor.itersize = 500
        await cursor.execute("SELECT * FROM pg_background_query('SELECT i FROM generate_series(1, 5000) AS i') AS (i int)")
        async for row in cursor:
            total += row[0]
    equal(total, 12502500)


TESTS = [many_sessions, pipeline, cancel_request, canceled_task, notified, portions]


def call(test):
    async def session():
        async with await connect() as conn:
            await test(conn)

    asyncio.run(asyncio.wait_for(session(), PATIENCE))


if __name__ == "__main__":
    harness.begin("psycopg async", 150)
    harness.run(TESTS, call)
    harness.end()
