//! tokio-postgres. It prepares every statement, so parameters have the types that the server infers, and all values travel in binary.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures_util::future::{poll_fn, try_join_all};
use futures_util::{TryStreamExt, pin_mut};
use tokio::net::UnixStream;
use tokio_postgres::types::ToSql;
use tokio_postgres::{AsyncMessage, CancelToken, Client, Config, Error, NoTls, Row};

/// How long a single wait may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

type Outcome = Result<(), Box<dyn std::error::Error>>;
type Test = fn(Session) -> Pin<Box<dyn Future<Output = Outcome>>>;

/// A connection, and the notices and notifications that have come on it.
struct Session {
    client: Client,
    messages: Arc<Mutex<Vec<AsyncMessage>>>,
}

fn var(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set"))
}

fn config() -> Config {
    let mut config = Config::new();
    config
        .host_path(var("PGHOST"))
        .port(var("PGPORT").parse().expect("PGPORT"))
        .user(var("PGUSER"))
        .dbname(var("PGDATABASE"));
    config.application_name("tokio").options("-c statement_timeout=60s");
    config
}

async fn connect() -> Result<Session, Error> {
    let (client, mut connection) = config().connect(NoTls).await?;
    let messages = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&messages);
    tokio::task::spawn_local(async move {
        while let Some(Ok(message)) = poll_fn(|context| connection.poll_message(context)).await {
            kept.lock().expect("lock").push(message);
        }
    });
    Ok(Session { client, messages })
}

impl Session {
    async fn one(&self, sql: &str, params: &[&(dyn ToSql + Sync)]) -> Result<Row, Error> {
        self.client.query_one(sql, params).await
    }

    async fn wait_until(&self, sql: &str) -> Outcome {
        let end = Instant::now() + PATIENCE;
        while !self.one(sql, &[]).await?.get::<_, bool>(0) {
            if Instant::now() > end {
                return Err(format!("still not true: {sql}").into());
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Ok(())
    }

    /// Until a notification has come.
    async fn notification(&self) -> Result<(String, String), Box<dyn std::error::Error>> {
        let end = Instant::now() + PATIENCE;
        loop {
            for message in self.messages.lock().expect("lock").iter() {
                if let AsyncMessage::Notification(n) = message {
                    return Ok((n.channel().into(), n.payload().into()));
                }
            }
            if Instant::now() > end {
                return Err("no notification".into());
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

fn code(error: &Error) -> &str {
    error.code().map_or("", |state| state.code())
}

async fn inferred_types(s: Session) -> Outcome {
    let pid: i32 = s.one("SELECT pg_background_launch($1, $2)", &[&"SELECT 42", &65536_i32]).await?.get(0);
    assert_eq!(s.one("SELECT n FROM pg_background_result($1) AS (n int)", &[&pid]).await?.get::<_, i32>(0), 42);
    let handle = s.one("SELECT pid, cookie FROM pg_background_launch_v2($1)", &[&"SELECT 7"]).await?;
    let (pid, cookie) = (handle.get::<_, i32>(0), handle.get::<_, i64>(1));
    assert!(
        s.one("SELECT pg_background_wait_v2_timeout($1, $2, $3)", &[&pid, &cookie, &60000_i32])
            .await?
            .get::<_, bool>(0)
    );
    assert_eq!(
        s.one("SELECT n FROM pg_background_result_v2($1, $2) AS (n int)", &[&pid, &cookie]).await?.get::<_, i32>(0),
        7
    );
    let handle =
        s.one("SELECT pid, cookie FROM pg_background_start($1, label => $2)", &[&"SELECT 8", &"tokio"]).await?;
    let (pid, cookie) = (handle.get::<_, i32>(0), handle.get::<_, i64>(1));
    let job = "ROW($1, $2)::pg_background_handle";
    assert!(s.one(&format!("SELECT pg_background_await({job})"), &[&pid, &cookie]).await?.get::<_, bool>(0));
    let state: String =
        s.one(&format!("SELECT state FROM pg_background_outcome({job})"), &[&pid, &cookie]).await?.get(0);
    assert_eq!(state, "stopped");
    assert_eq!(
        s.one(&format!("SELECT n FROM pg_background_rows({job}) AS (n int)"), &[&pid, &cookie]).await?.get::<_, i32>(0),
        8
    );
    let statements = ["SELECT 1", "SELECT 1 / 0"].as_slice();
    let sql = "SELECT string_agg(state, ' ' ORDER BY ordinal) FROM pg_background_map($1, $2)";
    assert_eq!(s.one(sql, &[&statements, &2_i32]).await?.get::<_, &str>(0), "stopped error");
    // nothing says what a parameter in ROW() is: a cast does
    let sql = "SELECT n, t FROM pg_background_query('SELECT $1, $2', ROW($1::int, $2::text)) AS (n int, t text)";
    let row = s.one(sql, &[&1_i32, &"it's"]).await?;
    assert_eq!((row.get::<_, i32>(0), row.get::<_, &str>(1)), (1, "it's"));
    let error = s.one("SELECT pg_background_exec('SELECT $1', ROW($1))", &[&1_i32]).await.expect_err("no type");
    assert_eq!(code(&error), "42P18");
    Ok(())
}

async fn prepared(s: Session) -> Outcome {
    let twice = s.client.prepare("SELECT n FROM pg_background_query('SELECT $1 * 2', ROW($1::int)) AS (n int)").await?;
    for n in 0..100_i32 {
        assert_eq!(s.client.query_one(&twice, &[&n]).await?.get::<_, i32>(0), 2 * n);
    }
    Ok(())
}

/// Statements that are sent at once go over the connection without waiting for each other.
async fn pipelined(s: Session) -> Outcome {
    let query = s.client.prepare("SELECT n FROM pg_background_query('SELECT $1', ROW($1::int)) AS (n int)").await?;
    let numbers: Vec<i32> = (0..40).collect();
    let calls = numbers.iter().map(|n| async { s.client.query_one(&query, &[n]).await });
    let got: Vec<i32> = try_join_all(calls).await?.iter().map(|row| row.get(0)).collect();
    assert_eq!(got, numbers);
    // an error is that of its own statement
    let failing = s.client.prepare("SELECT pg_background_exec('SELECT 1 / 0')").await?;
    let params: [&(dyn ToSql + Sync); 1] = [&5_i32];
    let (error, fine) =
        futures_util::future::join(s.client.query_one(&failing, &[]), s.client.query_one(&query, &params)).await;
    assert_eq!(code(&error.expect_err("no error")), "22012");
    assert_eq!(fine?.get::<_, i32>(0), 5);
    Ok(())
}

/// Sends a cancel request, and waits until the server has closed the request's connection, as libpq does and
/// `cancel_query` does not. Before that the server has sent one of its two signals, perhaps: it signals the session's
/// process, and then its process group. The second one would cancel the next statement.
async fn cancel(token: &CancelToken) -> Outcome {
    let stream = UnixStream::connect(format!("{}/.s.PGSQL.{}", var("PGHOST"), var("PGPORT"))).await?.into_std()?;
    let rest = UnixStream::from_std(stream.try_clone()?)?;
    token.cancel_query_raw(UnixStream::from_std(stream)?, NoTls).await?;
    loop {
        rest.readable().await?;
        match rest.try_read(&mut [0; 16]) {
            Ok(0) => return Ok(()),
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => return Ok(()),
            Err(error) if error.kind() != std::io::ErrorKind::WouldBlock => return Err(error.into()),
            _ => {}
        }
    }
}

async fn canceled(s: Session) -> Outcome {
    let other = connect().await?;
    for sql in [
        "SELECT * FROM pg_background_rows(pg_background_start('SELECT pg_sleep(600)', label => 'tokio cancel')) AS (s text)",
        "SELECT pg_background_await(pg_background_start('SELECT pg_sleep(600)', label => 'tokio cancel'))",
        "SELECT pg_background_exec('SELECT pg_sleep(600)', label => 'tokio cancel')",
    ] {
        let token = s.client.cancel_token();
        let canceler = async {
            other
                .wait_until(
                    "SELECT EXISTS (SELECT FROM pg_stat_background b JOIN pg_stat_activity a ON a.pid = b.launcher_pid
                     WHERE b.label = 'tokio cancel' AND b.state = 'running' AND a.wait_event_type = 'Extension')",
                )
                .await?;
            cancel(&token).await
        };
        let (waiter, canceler) = futures_util::future::join(s.client.query(sql, &[]), canceler).await;
        canceler?;
        assert_eq!(code(&waiter.expect_err("not canceled")), "57014");
        s.client
            .query("SELECT pg_background_stop_all('tokio cancel'), pg_background_forget_all('tokio cancel')", &[])
            .await?;
        other.wait_until("SELECT NOT EXISTS (SELECT FROM pg_stat_background WHERE label = 'tokio cancel')").await?;
    }
    assert_eq!(s.one("SELECT pg_background_exec('SELECT 1')", &[]).await?.get::<_, &str>(0), "SELECT 1");
    Ok(())
}

async fn notices(s: Session) -> Outcome {
    let sql = "DO $$ BEGIN RAISE NOTICE 'one' USING DETAIL = 'more', HINT = 'do', ERRCODE = 'P0042'; RAISE WARNING 'two'; END $$";
    s.one("SELECT pg_background_exec($1)", &[&sql]).await?;
    let messages = s.messages.lock().expect("lock");
    let got: Vec<_> = messages
        .iter()
        .filter_map(|message| match message {
            AsyncMessage::Notice(n) => Some((n.severity(), n.message(), n.detail(), n.hint(), n.code().code())),
            _ => None,
        })
        .collect();
    assert_eq!(got, [("NOTICE", "one", Some("more"), Some("do"), "P0042"), ("WARNING", "two", None, None, "01000")]);
    Ok(())
}

async fn notified(s: Session) -> Outcome {
    s.client.batch_execute("LISTEN tokio_done").await?;
    let sql = "SELECT cookie, pid FROM pg_background_start('SELECT 1', results => false, notify => 'tokio_done')";
    let cookie: i64 = s.one(sql, &[]).await?.get(0);
    let (channel, payload) = s.notification().await?;
    assert_eq!(channel, "tokio_done");
    assert!(
        payload.contains(&format!("\"cookie\": {cookie}, ")) && payload.contains("\"state\": \"stopped\""),
        "{payload}"
    );
    Ok(())
}

async fn errors(s: Session) -> Outcome {
    let sql = "DO $$ BEGIN RAISE 'no way' USING ERRCODE = 'P4711', DETAIL = 'd', HINT = 'h', SCHEMA = 's', TABLE = 't', COLUMN = 'c',
               DATATYPE = 'y', CONSTRAINT = 'k'; END $$";
    let error = s.one("SELECT pg_background_exec($1)", &[&sql]).await.expect_err("no error");
    let e = error.as_db_error().ok_or("not of the server")?;
    assert_eq!(
        (e.severity(), e.code().code(), e.message(), e.detail(), e.hint()),
        ("ERROR", "P4711", "no way", Some("d"), Some("h"))
    );
    let names = (e.schema(), e.table(), e.column(), e.datatype(), e.constraint());
    assert_eq!(names, (Some("s"), Some("t"), Some("c"), Some("y"), Some("k")));
    assert!(e.where_().is_some_and(|context| context.contains("background worker, pid ")));
    Ok(())
}

async fn binary(s: Session) -> Outcome {
    let sql = "SELECT * FROM pg_background_query('SELECT $1, $2, $3, 2.5::float8, ARRAY[1, NULL], NULL::text',
               ROW($1::bytea, $2::int8, $3::bool)) AS (a bytea, b int8, c bool, d float8, e int[], f text)";
    let row = s.one(sql, &[&b"\x00\xff".as_slice(), &(1_i64 << 40), &true]).await?;
    assert_eq!(
        (row.get::<_, &[u8]>(0), row.get::<_, i64>(1), row.get::<_, bool>(2)),
        (b"\x00\xff".as_slice(), 1 << 40, true)
    );
    assert_eq!(
        (row.get::<_, f64>(3), row.get::<_, Vec<Option<i32>>>(4), row.get::<_, Option<&str>>(5)),
        (2.5, vec![Some(1), None], None)
    );
    Ok(())
}

async fn portions(mut s: Session) -> Outcome {
    let transaction = s.client.transaction().await?;
    let sql = "SELECT * FROM pg_background_query('SELECT i FROM generate_series(1, $1) AS i', ROW($1::int)) AS (i int)";
    let portal = transaction.bind(sql, &[&5000_i32]).await?;
    let mut sum = 0;
    loop {
        let rows = transaction.query_portal(&portal, 700).await?;
        sum += rows.iter().map(|row| i64::from(row.get::<_, i32>(0))).sum::<i64>();
        if rows.is_empty() {
            break;
        }
    }
    assert_eq!(sum, 12_502_500);
    transaction.commit().await?;
    // a stream that is dropped before its end
    let none: [&str; 0] = [];
    let stream = s
        .client
        .query_raw("SELECT * FROM pg_background_query('SELECT i FROM generate_series(1, 5000) AS i') AS (i int)", none)
        .await?;
    pin_mut!(stream);
    assert!(stream.try_next().await?.is_some());
    Ok(())
}

async fn discard_all(s: Session) -> Outcome {
    let handle = s.one("SELECT pid, cookie FROM pg_background_start('SELECT 5')", &[]).await?;
    s.client.batch_execute("DISCARD ALL").await?;
    let sql = "SELECT n FROM pg_background_rows(ROW($1, $2)::pg_background_handle) AS (n int)";
    assert_eq!(s.one(sql, &[&handle.get::<_, i32>(0), &handle.get::<_, i64>(1)]).await?.get::<_, i32>(0), 5);
    Ok(())
}

/// An error with its causes.
fn describe(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text += &format!(": {error}");
        cause = error.source();
    }
    text
}

async fn run() -> bool {
    let tests: [(&str, Test); 10] = [
        ("parameters with inferred types: v1, v2, 3.0", |s| Box::pin(inferred_types(s))),
        ("a prepared statement, executed 100 times", |s| Box::pin(prepared(s))),
        ("40 calls in a pipeline, and an error in one", |s| Box::pin(pipelined(s))),
        ("a cancel request of the protocol while in rows, await, exec", |s| Box::pin(canceled(s))),
        ("a job's messages arrive as notices", |s| Box::pin(notices(s))),
        ("NOTIFY at a job's end", |s| Box::pin(notified(s))),
        ("errors with all fields", |s| Box::pin(errors(s))),
        ("binary parameters and results", |s| Box::pin(binary(s))),
        ("a portal over pg_background_query, read in portions", |s| Box::pin(portions(s))),
        ("DISCARD ALL leaves tracked jobs as they are", |s| Box::pin(discard_all(s))),
    ];
    let mut failed = false;
    for (index, (name, test)) in tests.into_iter().enumerate() {
        // A task of its own, so that a panic is that test's failure.
        let task = tokio::task::spawn_local(async move {
            match connect().await {
                Ok(session) => test(session).await.err().map(|error| describe(&*error)),
                Err(error) => Some(describe(&error)),
            }
        });
        let problem = match tokio::time::timeout(PATIENCE, task).await {
            Ok(Ok(problem)) => problem,
            Ok(Err(panic)) => Some(panic.to_string()),
            Err(_) => Some("not over in time".into()),
        };
        println!("{} {} - tokio-postgres: {name}", if problem.is_none() { "ok" } else { "not ok" }, index + 1);
        if let Some(text) = problem {
            println!("    {text}");
            failed = true;
        }
    }
    failed
}

fn main() {
    // The clock that ends the program rather than let it hang.
    std::thread::spawn(|| {
        std::thread::sleep(Duration::from_secs(150));
        println!("not ok 99 - tokio-postgres: not over after 150 seconds");
        std::process::exit(1);
    });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("runtime");
    let failed = tokio::task::LocalSet::new().block_on(&runtime, run());
    std::process::exit(i32::from(failed));
}
