"""The part of scripts/regress-files that talks to the servers: see there.

  regress_files.py KNOWN WORK HOST-DIRECT HOST-PSQL HOST-JOB FILE.sql...
"""
import collections
import difflib
import os
import re
import subprocess
import sys
import time

import statements
from statements import Script, Server, pq

# A job is a background process, which cannot listen.
LISTEN = re.compile(r"\s*(un)?listen\b", re.I)
COPY_CLIENT = re.compile(r"\s*copy\b.*\b(stdin|stdout)\b", re.I | re.S)
# psql's line of a message, with VERBOSITY verbose
MESSAGE = re.compile(r"psql:[^\n]*?:\d+: (DEBUG|INFO|NOTICE|WARNING|ERROR|FATAL):  (\w{5}): ([^\n]*)")


def statements_of(path, server, host_work):
    """The statements of the file, and whether each has failed when it was run by itself."""
    script = Script(path, {"DBNAME": "regression"})
    script.environment = {"PG_ABS_SRCDIR": os.path.dirname(os.path.dirname(path)), "PG_ABS_BUILDDIR": host_work, "PG_LIBDIR": host_work,
                          "PG_DLSUFFIX": ".so"}
    server.connect()
    while item := script.next():
        kind, sql, command = item
        if kind == "meta":
            if sql not in ("c", "connect", "copy"):
                server.psql(script, sql, command)
            continue
        if command == "several" or LISTEN.match(sql):
            continue
        if COPY_CLIENT.match(sql):
            if re.search(r"\bstdin\b", sql, re.I):
                script.data()
            continue
        outcome = server.direct(sql)
        if command == "gset" and len(outcome.get("rows", ())) == 1:
            for name, value in zip(server.names, outcome["rows"][0]):
                script.variables[name] = (value or b"").decode()
        script.backslash = pq.PQparameterStatus(server.connection, b"standard_conforming_strings") == b"off"
        yield sql, "error" in outcome
        if pq.PQstatus(server.connection) != 0 and not server.connect():
            raise SystemExit(f"{path}: the server has gone: {sql}")


def by_psql(host, database, path):
    """First error and messages, as (severity, SQLSTATE, first line)."""
    done = subprocess.run(["psql", "-X", "-q", "-h", host, "-d", database, "-v", "ON_ERROR_STOP=1", "-v", "VERBOSITY=verbose", "-o", "/dev/null", "-f", path],
                          capture_output=True, stdin=subprocess.DEVNULL)
    return [match.groups() for match in MESSAGE.finditer(done.stderr.decode(errors="replace"))]


def by_job(server, database, text):
    server.database = database
    server.connect()
    started = server.params("SELECT pid, cookie FROM pg_background_start($1, autocommit => true)", text)
    if "error" in started:
        raise SystemExit(f"a job cannot be launched: {started} {pq.PQerrorMessage(server.connection)}")
    pid, cookie = started["rows"][0]
    # without a snapshot, for which CREATE INDEX CONCURRENTLY would wait
    deadline = time.monotonic() + 1200
    while server.params("SELECT cookie FROM pg_background_history WHERE cookie = $1::int8", cookie)["rows"] == []:
        if time.monotonic() > deadline:
            raise SystemExit(f"a job does not end: {server.direct('SELECT * FROM pg_stat_background')}")
        time.sleep(0.01)
    server.notices.clear()
    read = server.params("SELECT * FROM pg_background_result_v2($1::int4, $2::int8) AS (r text)", pid, cookie)
    reports = list(server.notices) + ([read["error"]] if "error" in read else [])
    return [(report["severity"], report["sqlstate"], report["message"].split("\n")[0]) for report in reports]


def disconnect(server):
    if server.connection:
        pq.PQfinish(server.connection)
    server.connection = None


def copy_database(server):
    """Makes "before" a copy of the database. Prepared transactions and subscriptions that a file has left would be in the way."""
    server.database = "before"
    if server.connect():
        for (name,) in server.direct("SELECT quote_ident(subname) FROM pg_subscription s JOIN pg_database d ON d.oid = subdbid WHERE datname = 'before'")["rows"]:
            for sql in (f"ALTER SUBSCRIPTION {name.decode()} DISABLE", f"ALTER SUBSCRIPTION {name.decode()} SET (slot_name = NONE)", f"DROP SUBSCRIPTION {name.decode()}"):
                server.direct(sql)
    server.database = "postgres"
    server.connect()
    for gid, database in server.direct("SELECT gid, database FROM pg_prepared_xacts")["rows"]:
        server.database = database.decode()
        server.connect()
        server.direct("ROLLBACK PREPARED '" + gid.decode().replace("'", "''") + "'")
    server.database = "postgres"
    server.connect()
    for sql in ("DROP DATABASE IF EXISTS before WITH (FORCE)", "CREATE DATABASE before TEMPLATE regression", "ALTER DATABASE before SET lc_messages = 'C'"):
        if "error" in (outcome := server.direct(sql)):
            raise SystemExit(f"{sql}: {outcome['error'].get('message')}")
    disconnect(server)


def dump(host):
    done = subprocess.run(["pg_dump", "-h", host, "-d", "regression"], capture_output=True, check=False)
    # pg_dump protects its output by a number that is another each time
    return [line for line in done.stdout.decode(errors="replace").splitlines() if not re.match(r"\\(un)?restrict ", line)] + done.stderr.decode(errors="replace").splitlines()


def main(known, work, direct_host, psql_host, job_host, *paths):
    allowed = []
    for line in open(known, encoding="utf-8"):
        if line.strip() and not line.startswith("#"):
            file, what, reason = (part.strip() for part in line.split(" | "))
            allowed.append((file, re.compile(what), reason))
    used, count, unlike = collections.Counter(), collections.Counter(), 0

    def compare(file, run, expected, got):
        nonlocal unlike
        lines = [line for line in difflib.unified_diff([str(m) for m in expected], [str(m) for m in got], "psql", "job", lineterm="", n=0) if line[0] in "+-" and line[:3] not in ("+++", "---")]
        for line in lines:
            entry = next((entry for entry in allowed if entry[0] in (file, "*") and entry[1].search(line)), None)
            if entry:
                used[entry] += 1
            else:
                unlike += 1
                print(f"{file}, {run}: {line[:400]}", flush=True)

    direct = Server(direct_host, "direct", work, "regression")
    job, other = Server(job_host, "job", work, "postgres"), Server(psql_host, "direct", work, "postgres")
    for path in paths:
        file = os.path.basename(path)[:-4]
        try:
            with open(path, encoding="utf-8") as whole:
                whole.read()
        except UnicodeDecodeError:
            print(f"{file}: left out: not in the encoding of the database, as a job's text must be", flush=True)
            continue
        run = list(statements_of(path, direct, os.path.dirname(direct_host) + "/direct"))
        for server in (job, other):
            copy_database(server)
        for what, database, chosen in (("what succeeds", "regression", [sql for sql, failed in run if not failed]), ("up to an error", "before", [sql for sql, _ in run])):
            # names of files are those of each server; a last statement, so that the result is not the file's
            text = "\n;\n".join(chosen + ["SELECT 'end'"]) + ";"
            script = os.path.join(work, f"{file}.sql")
            with open(script, "w", encoding="utf-8", errors="surrogateescape") as out:
                out.write(text + "\n")
            expected = by_psql(psql_host, database, script)
            got = by_job(job, database, text)
            if os.environ.get("SHOW_ENDS"):
                print(f"{file}, {what}: {len(chosen)} statements, {len(expected)} messages, {expected[-1:]}", flush=True)
            disconnect(job)
            compare(file, what, expected, got)
            count["statements"] += len(chosen)
            count["runs that end with an error"] += any(message[0] == "ERROR" for message in expected)
            count["messages"] += len(expected)
        count["files"] += 1
    compare("the database", "in the end", dump(psql_host), dump(job_host))
    for (file, what, reason), times in used.items():
        print(f"known, {times} times: {reason}")
    print(", ".join(f"{n} {what}" for what, n in count.items()) + f"; {unlike} unlike, as none may be")
    return 1 if unlike or not count["files"] else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
