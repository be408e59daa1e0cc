"""The part of scripts/statements that talks to the servers: see there.

  statements.py run HOST direct|job OUT WORK DATABASE FILE.sql...   one server, all files; what became of each statement goes to OUT
  statements.py compare KNOWN OUT-DIRECT OUT-DIRECT-AGAIN OUT-JOB...
"""
import collections
import ctypes
import ctypes.util
import fnmatch
import hashlib
import itertools
import os
import pickle
import re
import sys

pq = ctypes.CDLL(os.environ.get("LIBPQ") or ctypes.util.find_library("pq") or "libpq.so.5")
P, S, I = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int
for name, result, *arguments in (
    ("PQconnectdb", P, S), ("PQfinish", None, P), ("PQstatus", I, P), ("PQerrorMessage", S, P), ("PQtransactionStatus", I, P), ("PQparameterStatus", S, P, S),
    ("PQsendQuery", I, P, S), ("PQgetResult", P, P), ("PQclear", None, P), ("PQresultStatus", I, P), ("PQcmdStatus", S, P),
    ("PQresultErrorField", S, P, I), ("PQntuples", I, P), ("PQnfields", I, P), ("PQftype", ctypes.c_uint, P, I), ("PQfmod", I, P, I),
    ("PQfname", S, P, I), ("PQgetvalue", S, P, I, I), ("PQgetisnull", I, P, I, I), ("PQprepare", P, P, S, S, I, P),
    ("PQdescribePrepared", P, P, S), ("PQputCopyData", I, P, S, I), ("PQputCopyEnd", I, P, S), ("PQgetCopyData", I, P, ctypes.POINTER(P), I),
    ("PQfreemem", None, P), ("PQsetNoticeReceiver", P, P, P, P),
    ("PQexecParams", P, P, S, I, P, ctypes.POINTER(S), P, P, I),
):
    function = getattr(pq, name)
    function.restype, function.argtypes = result, arguments
RECEIVER = ctypes.CFUNCTYPE(None, P, P)
COMMAND_OK, TUPLES_OK, COPY_OUT, COPY_IN, FATAL_ERROR = 1, 2, 3, 4, 7
FIELDS = {"severity": "V", "sqlstate": "C", "message": "M", "detail": "D", "hint": "H", "position": "P", "internal position": "p",
          "query": "q", "context": "W", "schema": "s", "table": "t", "column": "c", "type": "d", "constraint": "n"}

# What belongs to a session, or what a session keeps, is run directly everywhere; and what waits for all snapshots, the launcher's too.
DIRECT = re.compile(r"""
    (begin|start\s+transaction|commit|end|rollback|abort|savepoint|release|prepare|execute|deallocate|declare|fetch|move|close|listen|
     unlisten|discard|load|set|reset|lock|copy)\b
  | (explain|create\s.*\sas)\b.*\bexecute\s
  | .*\b(concurrently|where\s+current\s+of)\b | .*\b(pg_temp|curr(ent)?val|lastval|cursor_to_\w+|setseed|random|set_config|set_limit|pg_(try_)?advisory_\w+|pg_replication_origin_\w+|dblink_\w+|pg_stat\w*|pg_(prepared_statements|
     replication_slots|cursors|listening_channels|backend_memory_contexts|my_temp_schema)|postgres_fdw_\w+)\b
    """, re.I | re.X | re.S)
# A job does not see its launcher's temporary tables: everybody makes lasting ones.
TEMPORARY = re.compile(r"\b(create\s+(?:or\s+replace\s+)?|into\s+)(?:(?:local|global)\s+)?temp(?:orary)?\s+"
                       r"(?=table\b|view\b|sequence\b|recursive\b|(?<=into\s)|(?!.*\bschema\b)\w)", re.I)


class Script:
    """A psql script: its statements, and the few commands of psql's that matter for them."""

    def __init__(self, path, variables):
        self.text = open(path, encoding="utf-8", errors="surrogateescape").read()
        self.pos, self.variables, self.buffer = 0, variables, ""
        self.backslash = False  # standard_conforming_strings = off

    def value(self, match):
        quote, name = match.group(1), match.group(2)
        if name not in self.variables:
            return match.group(0)
        value = self.variables[name]
        return f"{quote}{value.replace(quote, quote * 2)}{quote}" if quote else value

    def line(self):
        end = self.text.find("\n", self.pos)
        line, self.pos = (self.text[self.pos:], len(self.text)) if end < 0 else (self.text[self.pos:end], end + 1)
        return line

    def data(self):
        lines = []
        while self.pos < len(self.text) and (line := self.line()) != "\\.":
            lines.append(line + "\n")
        return "".join(lines)

    def next(self):
        """("sql", text, command that sent it, "several" when they are, or None), ("meta", command, rest of the line), or None at the end."""
        parens = blocks = 0
        words, several = [], None
        text = self.text
        token = re.compile(r"--[^\n]*|(?P<block>/\*)|(?P<str>(?:\b[eE])?')|(?P<quoted>\"(?:[^\"]|\"\")*\"?)|(?P<dollar>\$(?:[A-Za-z_\x80-\uffff]"
                           r"[\w\x80-\uffff]*)?\$)|(?P<var>(?<![:\w]):(?:'\w+'|\"\w+\"|[A-Za-z_]\w*))|(?P<word>[A-Za-z_\x80-\uffff][\w$]*)|\\;|(?P<meta>\\)|.", re.S)
        while self.pos < len(text):
            match = token.match(text, self.pos)
            piece, kind = match.group(0), match.lastgroup
            end = match.end()
            if kind == "block":
                depth = 1
                while depth and end < len(text):
                    depth += {"/*": 1, "*/": -1}.get(text[end:end + 2], 0)
                    end += 2 if text[end:end + 2] in ("/*", "*/") else 1
            elif kind == "str":
                escape = self.backslash or piece[0] in "eE"
                while end < len(text) and text[end] != "'":
                    end += 2 if escape and text[end] == "\\" else 1
                end += 1
            elif kind == "dollar":
                close = text.find(piece, end)
                end = len(text) if close < 0 else close + len(piece)
            elif kind == "meta":
                command = re.compile(r"\\(\S+?)(?=[\s;\\]|$)[ \t]*([^\n]*)\n?|\\[^\n]*\n?").match(text, self.pos)
                self.pos = command.end()
                name, rest = command.group(1) or "", command.group(2) or ""
                if name in ("g", "gx", "gset", "gexec", "gdesc", "crosstabview") and self.buffer.strip():
                    sql, self.buffer = self.buffer, ""
                    return "sql", sql, name
                return "meta", name, rest
            piece = text[self.pos:end]
            self.pos = end
            if kind == "var":
                piece = re.sub(r":(['\"]?)(\w+)\1", self.value, piece)
            elif kind == "word":
                word = piece.lower()
                words.append(word)
                if words[0] == "create" and {"function", "procedure"} & set(words[1:4]):
                    blocks += (word == "begin") + (word == "case" and blocks > 0) - (word == "end" and blocks > 0)
            elif piece == "\\;":
                piece, several = ";", "several"
            elif piece in "()":
                parens += 1 if piece == "(" else -1
            elif piece == ";" and parens <= 0 and not blocks:
                sql, self.buffer = self.buffer, ""
                if sql.strip():
                    return "sql", sql, several
                continue
            # a comment before a statement is none of its text, as in psql
            if self.buffer or not (piece.startswith(("--", "/*")) or piece.isspace()):
                self.buffer += piece
        return None


class Server:
    def __init__(self, host, how, work, database):
        self.host, self.jobs, self.work, self.database = host, how == "job", work, database
        self.types, self.notices, self.connection = {}, [], None
        self.receiver = RECEIVER(lambda _, result: self.notices.append(self.report(result)))

    def connect(self, user="postgres"):
        if self.connection:
            pq.PQfinish(self.connection)
        options = "-c intervalstyle=postgres_verbose -c datestyle=postgres,mdy -c timezone=PST8PDT -c statement_timeout=60s"
        self.connection = pq.PQconnectdb(f"host={self.host} user={user} dbname={self.database} application_name=statements client_encoding=UTF8 "
                                         f"options='{options}'".encode())
        pq.PQsetNoticeReceiver(self.connection, ctypes.cast(self.receiver, P), None)
        return pq.PQstatus(self.connection) == 0

    def report(self, result):
        report = {}
        for name, code in FIELDS.items():
            value = pq.PQresultErrorField(result, ord(code))
            if value is not None:
                report[name] = value.decode(errors="surrogateescape")
        return report

    def outcome(self, result):
        """What is compared."""
        status = pq.PQresultStatus(result)
        if status == TUPLES_OK and pq.PQnfields(result):  # rows without columns are as many as the tag says, which a job returns instead
            self.names = [pq.PQfname(result, c).decode() for c in range(pq.PQnfields(result))]
            rows, columns = pq.PQntuples(result), range(pq.PQnfields(result))
            return {"rows": [[None if pq.PQgetisnull(result, r, c) else pq.PQgetvalue(result, r, c) for c in columns] for r in range(rows)],
                    "types": [(pq.PQftype(result, c), pq.PQfmod(result, c)) for c in columns], "tag": pq.PQcmdStatus(result).decode()}
        if status == FATAL_ERROR:
            return {"error": self.report(result)}
        return {"tag": pq.PQcmdStatus(result).decode()}

    def finish(self, script):
        outcome = {"tag": ""}
        while result := pq.PQgetResult(self.connection):
            status = pq.PQresultStatus(result)
            if status == COPY_IN:
                data = (script.data() if script else "").encode(errors="surrogateescape")
                pq.PQputCopyData(self.connection, data, len(data))
                pq.PQputCopyEnd(self.connection, None)
            elif status == COPY_OUT:
                buffer, lines = P(), []
                while (length := pq.PQgetCopyData(self.connection, ctypes.byref(buffer), 0)) > 0:
                    lines.append([ctypes.string_at(buffer, length)])
                    pq.PQfreemem(buffer)
                copied = lines
            else:
                outcome = self.outcome(result)
                if "copied" in locals():
                    outcome["rows"] = copied
            pq.PQclear(result)
        return outcome

    def direct(self, sql, script=None):
        pq.PQsendQuery(self.connection, sql.encode(errors="surrogateescape"))
        return self.finish(script)

    def params(self, sql, *values):
        values = [value if isinstance(value, bytes) else value.encode(errors="surrogateescape") for value in values]
        result = pq.PQexecParams(self.connection, sql.encode(), len(values), None, (S * len(values))(*values), None, None, 0)
        outcome = self.outcome(result)
        pq.PQclear(result)
        return outcome

    def type_name(self, column):
        """As what a column of that type is to be declared."""
        if column not in self.types:
            # text where the type is a pseudo-type, or a row or an array of rows with one in it
            row = self.params("SELECT pg_catalog.format_type($1, $2), t.typtype = 'p' OR EXISTS (SELECT FROM pg_catalog.pg_attribute AS a "
                              "JOIN pg_catalog.pg_type AS of ON of.oid = atttypid WHERE of.typtype = 'p' AND attnum > 0 AND attrelid IN "
                              "(t.typrelid, e.typrelid)) FROM pg_catalog.pg_type AS t LEFT JOIN pg_catalog.pg_type AS e ON e.oid = t.typelem "
                              "WHERE t.oid = $1", str(column[0]), str(column[1]))["rows"][0]
            name = "text" if row[1] == b"t" else row[0].decode()
            if column[0] >= 16384:
                return name
            self.types[column] = name
        return self.types[column]

    def name_types(self, outcome):
        """Types by their names, for their numbers depend on all that was made before."""
        if any(number >= 16384 for number, _ in outcome.get("types", ())) and pq.PQtransactionStatus(self.connection) in (0, 2):
            outcome["types"] = [self.type_name(column) if column[0] >= 16384 else column for column in outcome["types"]]

    def job(self, sql):
        text = sql.encode(errors="surrogateescape")
        pq.PQclear(pq.PQprepare(self.connection, b"", text, 0, None))
        described = pq.PQdescribePrepared(self.connection, b"")
        known = pq.PQresultStatus(described) == COMMAND_OK
        columns = [(pq.PQftype(described, c), pq.PQfmod(described, c)) for c in range(pq.PQnfields(described))] if known else []
        pq.PQclear(described)
        declared = ", ".join(f"c{n} {self.type_name(column)}" for n, column in enumerate(columns)) or "tag text"
        self.notices.clear()
        outcome = self.params("SELECT r.* FROM public.pg_background_launch_v2($1) AS j, public.pg_background_result_v2(j.pid, j.cookie) AS r "
                              f"({declared})", text)
        for report in [*self.notices, *([outcome["error"]] if "error" in outcome else [])]:
            # its own position is in the launcher's text, and the job's text is shown as QUERY
            if report.get("query") == sql:
                del report["query"]
                report["position"] = report.pop("internal position", "")
            context = re.sub(r"\n?background worker, pid \d+$", "", report.pop("context", ""))
            if context:
                report["context"] = context
        if "rows" in outcome:
            if columns:
                outcome["types"] = columns
                del outcome["tag"]
            elif len(outcome["rows"]) == 1:
                outcome = {"tag": outcome["rows"][0][0].decode()}
        return outcome

    def psql(self, script, command, rest):
        """The commands that the statements depend on."""
        words = re.findall(r"(?:'[^']*'|\S)+", rest)
        expand = lambda word: re.sub(r":(['\"]?)(\w+)\1", script.value, word) if ":" in word else word.strip("'")
        if command == "getenv" and len(words) == 2 and words[1] in script.environment:
            script.variables[words[0]] = script.environment[words[1]]
        elif command == "set" and words:
            script.variables[words[0]] = "".join(map(expand, words[1:]))
        elif command in ("c", "connect"):
            user = words[1] if len(words) > 1 and words[1] != "-" else "postgres"
            self.connect(user) or self.connect()
        elif command == "copy" and (copy := re.match(r"(.*\sfrom\s+)('[^']*'|stdin)(.*)", rest, re.I)):
            file = None
            if copy.group(2).lower() != "stdin":
                file = Script.__new__(Script)
                path = os.path.join(script.environment["PG_ABS_SRCDIR"], copy.group(2).strip("'"))
                file.text, file.pos = open(path, errors="surrogateescape").read() if os.path.exists(path) else "", 0
            self.direct(f"COPY {copy.group(1)} STDIN {copy.group(3)}", file or script)

    def run(self, path, out):
        """A file, in a session of its own."""
        script = Script(path, {})
        source = os.path.dirname(os.path.dirname(path))
        script.environment = {"PG_ABS_SRCDIR": source, "PG_ABS_BUILDDIR": self.work, "PG_LIBDIR": self.work, "PG_DLSUFFIX": ".so"}
        self.connect()
        number = 0
        while item := script.next():
            kind, sql, command = item
            if kind == "meta":
                self.psql(script, sql, command)
                continue
            sql = TEMPORARY.sub(r"\1", sql)
            as_job = pq.PQtransactionStatus(self.connection) == 0 and not DIRECT.match(sql) and command not in ("gset", "several")
            self.notices.clear()
            outcome = self.job(sql) if self.jobs and as_job else self.direct(sql, script)
            outcome.update(notices=list(self.notices))
            if command == "gset" and len(outcome.get("rows", ())) == 1:
                for name, value in zip(self.names, outcome["rows"][0]):
                    script.variables[name] = (value or b"").decode()
            self.name_types(outcome)
            script.backslash = pq.PQparameterStatus(self.connection, b"standard_conforming_strings") == b"off"
            number += 1
            if len(rows := repr(outcome.get("rows"))) > 20000:
                outcome["rows"] = f"{len(rows)} bytes, {hashlib.md5(rows.encode()).hexdigest()}"
            pickle.dump((os.path.relpath(path, os.path.dirname(os.path.dirname(source))), number, sql, as_job, outcome), out)
            if pq.PQstatus(self.connection) != 0 and not self.connect():
                raise SystemExit(f"{path}: the server has gone: {sql}")
        # Where a temporary table was to refuse PREPARE TRANSACTION, a lasting one does not; and what stays keeps VACUUM away, and
        # makes slots wait.
        self.connect()
        prepared = "SELECT 'ROLLBACK PREPARED ' || quote_literal(gid) FROM pg_prepared_xacts WHERE database = current_database()"
        for (command,) in self.params(prepared)["rows"]:
            self.direct(command.decode())


def run(host, how, out, work, database, *paths):
    server = Server(host, how, work, database)
    with open(out, "ab") as file:
        for path in paths:
            server.run(path, file)


def outcomes(path):
    with open(path, "rb") as file:
        while file.peek(1):
            yield pickle.load(file)


def parts(outcome):
    """The outcome as (what, value), with the fields of errors and notices for themselves."""
    yield from ((key, outcome[key]) for key in ("rows", "types", "tag") if key in outcome)
    yield from (("error's " + key, value) for key, value in outcome.get("error", {}).items())
    for n, notice in enumerate(outcome["notices"]):
        yield from ((f"notice {n}'s {key}", value) for key, value in notice.items())


def differences(expected, got):
    expected, got = dict(parts(expected)), dict(parts(got))
    if "tag" not in got and "rows" in got:
        expected.pop("tag", None)
    return {key: (expected.get(key), got.get(key)) for key in {**expected, **got} if expected.get(key) != got.get(key)}


def compare(known, direct, again, *jobs):
    allowed = []
    for line in open(known):
        if line.strip() and not line.startswith("#"):
            file, what, statement, reason = (part.strip() for part in line.split(" | "))
            allowed.append((file, what, re.compile(statement, re.I | re.S), reason))
    count, used, failed = collections.Counter(), collections.Counter(), 0
    for all_outcomes in itertools.zip_longest(outcomes(direct), outcomes(again), *map(outcomes, jobs)):
        if None in all_outcomes:
            print("not every server came to the end")
            failed += 1
            break
        (file, number, sql, as_job, expected), (*_, chance), *others = all_outcomes
        count["statements"] += 1
        count["run as jobs"] += as_job
        by_chance = differences(expected, chance)
        count["differ directly, too"] += bool(by_chance)
        for name, (*_, got) in zip(jobs, others):
            unlike = {what: pair for what, pair in differences(expected, got).items() if what not in by_chance}
            for what in list(unlike):
                for entry in allowed:
                    if fnmatch.fnmatch(file, entry[0]) and re.fullmatch(entry[1], what) and entry[2].match(sql):
                        used[entry] += 1
                        del unlike[what]
                        break
            if unlike:
                failed += 1
                print(f"{file}: statement {number}, {os.path.basename(name)}{'' if as_job else ', directly'}: {' '.join(sql.split())[:300]}")
                for what, (a, b) in unlike.items():
                    print(f"    {what}: {repr(a)[:300]}\n    {' ' * len(what)}  {repr(b)[:300]}")
    for (file, what, statement, reason), times in used.items():
        print(f"known, {times} times: {reason}")
    print(", ".join(f"{n} {what}" for what, n in count.items()) + f"; {failed} unlike, as none may be")
    return 1 if failed or not count["run as jobs"] else 0


if __name__ == "__main__":
    sys.exit({"run": run, "compare": compare}[sys.argv[1]](*sys.argv[2:]))
