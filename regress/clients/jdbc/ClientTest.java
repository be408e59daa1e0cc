// JDBC, over TCP: PGHOST_TCP, PGPORT, PGPASSWORD. Run as a single file: java --class-path DRIVER ClientTest.java
import java.sql.*;
import java.util.*;
import java.util.concurrent.*;
import org.postgresql.PGConnection;
import org.postgresql.PGNotification;
import org.postgresql.util.PSQLException;
import org.postgresql.util.ServerErrorMessage;

public class ClientTest {
    static final int PATIENCE = 60; // seconds that a single wait may take on a busy machine

    interface Test { void run(Connection connection) throws Exception; }

    static Connection connect(String... more) throws SQLException {
        Properties properties = new Properties();
        properties.setProperty("user", System.getenv("PGUSER"));
        properties.setProperty("password", System.getenv("PGPASSWORD"));
        properties.setProperty("ApplicationName", "jdbc");
        properties.setProperty("options", "-c statement_timeout=" + PATIENCE + "s");
        for (int i = 0; i < more.length; i += 2) properties.setProperty(more[i], more[i + 1]);
        return DriverManager.getConnection("jdbc:postgresql://" + System.getenv("PGHOST_TCP") + ":" + System.getenv("PGPORT") + "/"
            + System.getenv("PGDATABASE"), properties);
    }

    static Object one(Connection connection, String sql, Object... parameters) throws SQLException {
        try (PreparedStatement statement = connection.prepareStatement(sql)) {
            for (int i = 0; i < parameters.length; i++) statement.setObject(i + 1, parameters[i]);
            try (ResultSet rows = statement.executeQuery()) {
                return rows.next() ? rows.getObject(1) : null;
            }
        }
    }

    static void equal(Object got, Object expected) {
        if (!Objects.equals(got, expected)) throw new AssertionError("got " + got + ", expected " + expected);
    }

    static void waitUntil(Connection connection, String sql) throws Exception {
        long end = System.nanoTime() + PATIENCE * 1_000_000_000L;
        while (!Boolean.TRUE.equals(one(connection, sql))) {
            if (System.nanoTime() > end) throw new AssertionError("still not true: " + sql);
            Thread.sleep(10);
        }
    }

    static SQLException fails(Callable<?> call) throws Exception {
        try {
            call.call();
        } catch (SQLException error) {
            return error;
        }
        throw new AssertionError("no error");
    }

    // setString sends varchar, setInt int4, setLong int8
    static void typed(Connection connection) throws Exception {
        int pid = (Integer) one(connection, "SELECT pg_background_launch(?, ?)", "SELECT 42", 65536);
        equal(one(connection, "SELECT n FROM pg_background_result(?) AS (n int)", pid), 42);
        try (PreparedStatement launch = connection.prepareStatement("SELECT pid, cookie FROM pg_background_launch_v2(?)")) {
            launch.setString(1, "SELECT 7");
            ResultSet handle = launch.executeQuery();
            handle.next();
            equal(one(connection, "SELECT pg_background_wait_v2_timeout(?, ?, ?)", handle.getInt(1), handle.getLong(2), 60000), true);
            equal(one(connection, "SELECT n FROM pg_background_result_v2(?, ?) AS (n int)", handle.getInt(1), handle.getLong(2)), 7);
        }
        equal(one(connection, "SELECT pg_background_exec(?, label => ?)", "SELECT 1", "jdbc"), "SELECT 1");
        equal(one(connection, "SELECT n FROM pg_background_query('SELECT $1 || $2', ROW(?, ?)) AS (n text)", "it's ", 1), "it's 1");
        // a handle comes as an object of its type, and goes back as one
        Object job = one(connection, "SELECT pg_background_start(?)", "SELECT 8");
        equal(one(connection, "SELECT pg_background_await(?)", job), true);
        try (CallableStatement join = connection.prepareCall("CALL pg_background_join(?)")) {
            join.setObject(1, job);
            join.execute();
        }
        equal(one(connection, "SELECT n FROM pg_background_rows(?) AS (n int)", job), 8);
        Array statements = connection.createArrayOf("text", new String[] {"SELECT 1", "SELECT 1 / 0"});
        equal(one(connection, "SELECT string_agg(state, ' ' ORDER BY ordinal) FROM pg_background_map(?, ?)", statements, 2), "stopped error");
    }

    // stringtype=unspecified: texts have no type
    static void untyped(Connection ignored) throws Exception {
        try (Connection connection = connect("stringtype", "unspecified")) {
            String job = one(connection, "SELECT pg_background_start(?, label => ?, timeout => ?, settings => ?)::text",
                "SELECT current_setting('work_mem')", "jdbc", "1 min", "{\"work_mem\": \"7MB\"}").toString();
            equal(one(connection, "SELECT pg_background_await(?, ?)", job, "1 min"), true);
            equal(one(connection, "SELECT state FROM pg_background_outcome(?)", job), "stopped");
            equal(one(connection, "SELECT m FROM pg_background_rows(?) AS (m text)", job), "7MB");
            equal(one(connection, "SELECT pg_background_launch(?) > ?", "SELECT 1", "0"), true);
            equal(fails(() -> one(connection, "SELECT pg_background_exec('SELECT $1', ROW(?))", "no type")).getSQLState(), "42P18");
            one(connection, "SELECT pg_background_forget_all()");
        }
    }

    // prepared in the server from the first execution on; from the second on, results are binary where the driver can
    static void prepared(Connection ignored) throws Exception {
        try (Connection connection = connect("prepareThreshold", "1");
             PreparedStatement twice = connection.prepareStatement(
                 "SELECT * FROM pg_background_query('SELECT $1 * 2, $1::int8, 1.5::float8, true, ''2026-11-29 12:00Z''::timestamptz', ROW(?)) "
                 + "AS (a int, b int8, c float8, d bool, e timestamptz)")) {
            for (int n = 0; n < 100; n++) {
                twice.setInt(1, n);
                ResultSet row = twice.executeQuery();
                row.next();
                equal(List.of(row.getInt(1), row.getLong(2), row.getDouble(3), row.getBoolean(4), row.getTimestamp(5).toInstant().toString()),
                    List.of(2 * n, (long) n, 1.5, true, "2026-11-29T12:00:00Z"));
            }
        }
    }

    // the driver sends the calls of a batch without waiting for the results between
    static void batch(Connection connection) throws Exception {
        try (Statement ddl = connection.createStatement()) {
            ddl.execute("CREATE TABLE jdbc_batch (n int)");
            ddl.execute("CREATE FUNCTION jdbc_note(n int) RETURNS int LANGUAGE sql AS "
                + "$$ SELECT pg_background_exec('INSERT INTO jdbc_batch VALUES ($1)', ROW(n)); SELECT n $$");
        }
        try (PreparedStatement insert = connection.prepareStatement("INSERT INTO jdbc_batch SELECT 100 + jdbc_note(?)")) {
            for (int n = 0; n < 50; n++) {
                insert.setInt(1, n);
                insert.addBatch();
            }
            equal(insert.executeBatch().length, 50);
            equal(one(connection, "SELECT count(*) FROM jdbc_batch"), 100L);
        } finally {
            connection.createStatement().execute("DROP FUNCTION jdbc_note; DROP TABLE jdbc_batch");
        }
    }

    static void canceled(Connection connection) throws Exception {
        ExecutorService threads = Executors.newSingleThreadExecutor(task -> { Thread t = new Thread(task); t.setDaemon(true); return t; });
        try (Connection other = connect()) {
            for (String sql : List.of(
                "SELECT * FROM pg_background_rows(pg_background_start('SELECT pg_sleep(600)', label => 'jdbc cancel')) AS (s text)",
                "SELECT pg_background_await(pg_background_start('SELECT pg_sleep(600)', label => 'jdbc cancel'))",
                "SELECT pg_background_exec('SELECT pg_sleep(600)', label => 'jdbc cancel')")) {
                try (Statement statement = connection.createStatement()) {
                    Future<SQLException> outcome = threads.submit(() -> fails(() -> statement.executeQuery(sql)));
                    waitUntil(other, "SELECT EXISTS (SELECT FROM pg_stat_background b JOIN pg_stat_activity a ON a.pid = b.launcher_pid "
                        + "WHERE b.label = 'jdbc cancel' AND b.state = 'running' AND a.wait_event_type = 'Extension')");
                    statement.cancel();
                    equal(outcome.get(PATIENCE, TimeUnit.SECONDS).getSQLState(), "57014");
                }
                one(connection, "SELECT pg_background_stop_all('jdbc cancel') + pg_background_forget_all('jdbc cancel')");
                waitUntil(other, "SELECT NOT EXISTS (SELECT FROM pg_stat_background WHERE label = 'jdbc cancel')");
            }
        }
        // the driver's own clock cancels as well
        try (Statement statement = connection.createStatement()) {
            statement.setQueryTimeout(1);
            equal(fails(() -> statement.executeQuery("SELECT pg_background_exec('SELECT pg_sleep(600)')")).getSQLState(), "57014");
        }
        equal(one(connection, "SELECT pg_background_exec('SELECT 1')"), "SELECT 1");
    }

    static void warnings(Connection connection) throws Exception {
        try (Statement statement = connection.createStatement()) {
            statement.execute("SELECT pg_background_exec($job$ DO $$ BEGIN RAISE NOTICE 'one' USING DETAIL = 'more'; RAISE WARNING 'two'; END $$ $job$)");
            SQLWarning first = statement.getWarnings();
            equal(first.getMessage(), "one");
            equal(first.getNextWarning().getMessage(), "two");
            equal(first.getNextWarning().getSQLState(), "01000");
        }
    }

    static void notified(Connection connection) throws Exception {
        connection.createStatement().execute("LISTEN jdbc_done");
        String job = one(connection, "SELECT pg_background_start('SELECT 1', results => false, notify => 'jdbc_done')::text").toString();
        PGNotification[] heard = connection.unwrap(PGConnection.class).getNotifications(PATIENCE * 1000);
        equal(heard.length, 1);
        equal(heard[0].getName(), "jdbc_done");
        if (!heard[0].getParameter().contains("\"state\": \"stopped\"")) throw new AssertionError(heard[0].getParameter());
        try (Connection other = connect("stringtype", "unspecified")) {
            equal(one(other, "SELECT state FROM pg_background_outcome(?)", job), "stopped");
        }
    }

    static void errors(Connection connection) throws Exception {
        SQLException error = fails(() -> one(connection, "SELECT pg_background_exec(?)",
            "DO $$ BEGIN RAISE 'no way' USING ERRCODE = 'P4711', DETAIL = 'd', HINT = 'h', SCHEMA = 's', TABLE = 't', COLUMN = 'c', "
            + "DATATYPE = 'y', CONSTRAINT = 'k'; END $$"));
        ServerErrorMessage m = ((PSQLException) error).getServerErrorMessage();
        equal(List.of(error.getSQLState(), m.getSeverity(), m.getMessage(), m.getDetail(), m.getHint(), m.getSchema(), m.getTable(), m.getColumn(),
            m.getDatatype(), m.getConstraint()), List.of("P4711", "ERROR", "no way", "d", "h", "s", "t", "c", "y", "k"));
        if (!m.getWhere().contains("background worker, pid ")) throw new AssertionError(m.getWhere());
        error = fails(() -> one(connection, "SELECT pg_background_exec(?)", "SELECT 1 +"));
        m = ((PSQLException) error).getServerErrorMessage();
        equal(List.of(m.getInternalQuery(), m.getInternalPosition()), List.of("SELECT 1 +", 11));
    }

    // in a transaction, with a fetch size, the driver reads a portal in portions
    static void portions(Connection connection) throws Exception {
        connection.setAutoCommit(false);
        try (PreparedStatement statement = connection.prepareStatement(
                "SELECT * FROM pg_background_query('SELECT i FROM generate_series(1, $1) AS i', ROW(?)) AS (i int)")) {
            statement.setFetchSize(700);
            statement.setInt(1, 5000);
            ResultSet rows = statement.executeQuery();
            long sum = 0;
            while (rows.next()) sum += rows.getInt(1);
            equal(sum, 12502500L);
            connection.commit();
        } finally {
            connection.rollback();
            connection.setAutoCommit(true);
        }
    }

    static void discardAll(Connection connection) throws Exception {
        Object job = one(connection, "SELECT pg_background_start('SELECT 5')");
        connection.createStatement().execute("DISCARD ALL");
        equal(one(connection, "SELECT n FROM pg_background_rows(?) AS (n int)", job), 5);
    }

    public static void main(String[] arguments) throws Exception {
        Timer clock = new Timer(true); // ends the program rather than let it hang
        clock.schedule(new TimerTask() {
            public void run() {
                Thread.getAllStackTraces().forEach((thread, stack) -> System.out.println("    " + thread + " " + Arrays.toString(stack)));
                System.out.println("not ok 99 - JDBC: not over after 150 seconds");
                Runtime.getRuntime().halt(1);
            }
        }, 150_000);
        Map<String, Test> tests = new LinkedHashMap<>();
        tests.put("typed parameters: v1, v2, 3.0", ClientTest::typed);
        tests.put("untyped parameters (stringtype=unspecified)", ClientTest::untyped);
        tests.put("a prepared statement, executed 100 times, with binary results", ClientTest::prepared);
        tests.put("a batch of 50 calls", ClientTest::batch);
        tests.put("a cancel request of the protocol while in rows, await, exec", ClientTest::canceled);
        tests.put("a job's messages arrive as warnings", ClientTest::warnings);
        tests.put("NOTIFY at a job's end", ClientTest::notified);
        tests.put("errors with all fields", ClientTest::errors);
        tests.put("pg_background_query read in portions (fetch size)", ClientTest::portions);
        tests.put("DISCARD ALL leaves tracked jobs as they are", ClientTest::discardAll);
        int number = 0, failed = 0;
        for (Map.Entry<String, Test> test : tests.entrySet()) {
            number++;
            try (Connection connection = connect()) {
                test.getValue().run(connection);
                System.out.println("ok " + number + " - JDBC: " + test.getKey());
            } catch (Throwable problem) {
                failed++;
                System.out.println("not ok " + number + " - JDBC: " + test.getKey());
                System.out.println("    " + problem + " " + Arrays.toString(problem.getStackTrace()));
            }
        }
        System.exit(failed > 0 ? 1 : 0);
    }
}
