# Jobs on a hot standby: they read, they cannot write, and they live through a promotion.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::RealBin;
use Jobs;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $primary = server('primary', init => { allows_streaming => 1 });
$primary->safe_psql('postgres', q{INSERT INTO done SELECT g, 'base' FROM generate_series(1, 100) AS g; CREATE TABLE doomed (id int);
	CREATE TABLE doomed_too (id int); CREATE TYPE pair AS (a int, b text); CREATE SEQUENCE s});
$primary->safe_psql('postgres', 'CREATE DATABASE other');
$primary->safe_psql('other', q{CREATE TABLE there AS SELECT 7 AS id; CREATE TYPE pair AS (a int, b text)});
$primary->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($primary, 'base', has_streaming => 1);
$standby->append_conf('postgresql.conf', "max_standby_streaming_delay = 0\n");
$standby->start;

my $session = session($standby);
my $watcher = session($standby);
value($session, 'SELECT count(*) FROM done');
# at_commit(SQL): state, command tag and SQLSTATE of a job that starts at a commit
sub at_commit
{
	my ($sql) = @_;
	value($session, "BEGIN; SELECT pg_background_start(\$job\$$sql\$job\$, at_commit => true) AS deferred \\gset\nCOMMIT;");
	my $outcome = value($session, q{SELECT pg_background_await(:'deferred'); SELECT state, command_tag, sqlstate FROM pg_background_outcome(:'deferred')});
	value($session, q{SELECT pg_background_forget(:'deferred')});
	return $outcome;
}

$standby->{registry} = $primary->{registry};
# the memory in which jobs wait for a commit stays
at_commit('SELECT 1') if $standby->{registry};
Jobs::at_rest($standby);
my ($out, $err);

# --- reading ---

is(value($session, 'SELECT pg_is_in_recovery()'), 't', 'the session is on a standby');
is(value($session, q{SELECT * FROM pg_background_result(pg_background_launch('SELECT count(*), pg_is_in_recovery() FROM done')) AS (n int8, r bool)}),
	'100|t', 'a job reads on a standby');
launch($session, 'SELECT id FROM done ORDER BY id');
value($session, 'SELECT pg_background_wait_v2(:pid, :cookie)');
is(value($session, 'SELECT sum(id) FROM pg_background_result_v2(:pid, :cookie) AS (id int)'), 5050, 'a job on a standby is waited for and then read');
value($session, q{SELECT pid, cookie FROM pg_background_submit_v2('SELECT 1') \gset});
value($session, 'SELECT pg_background_wait_v2(:pid, :cookie)');
is(value($session, 'SELECT state FROM jobs'), 'stopped', 'a submitted job on a standby ends well');
value($session, 'SELECT pg_background_detach_v2(:pid, :cookie)');
launch($session, 'SELECT pg_sleep(600)');
value($session, 'SELECT pg_background_cancel_v2(:pid, :cookie), pg_background_wait_v2(:pid, :cookie)');
is(value($session, 'SELECT state FROM jobs'), 'canceled', 'a job on a standby can be cancelled');
value($session, 'SELECT pg_background_detach_v2(:pid, :cookie)');

# What a job on the primary commits arrives.
$primary->safe_psql('postgres',
	q{SELECT * FROM pg_background_result(pg_background_launch($$INSERT INTO done VALUES (101, 'job')$$)) AS (tag text)});
$primary->wait_for_catchup($standby, 'replay', $primary->lsn('write'));
is(value($session, q{SELECT * FROM pg_background_result(pg_background_launch('SELECT count(*) FROM done')) AS (n int8)}), 101,
	"a job sees what the primary's job wrote");

# --- writing ---

for my $sql (q{INSERT INTO done VALUES (0, 'standby')}, 'CREATE TABLE t (id int)', 'SET default_transaction_read_only = off; DELETE FROM done')
{
	launch($session, $sql);
	value($session, 'SELECT pg_background_wait_v2(:pid, :cookie)');
	is(value($session, 'SELECT state FROM jobs'), 'error', "$sql: a job that writes on a standby is an error");
	($out, $err) = ask($session, 'SELECT * FROM pg_background_result_v2(:pid, :cookie) AS (tag text)');
	like($err, qr/ERROR:  25006: cannot execute [A-Z ]+ in a read-only transaction/, "$sql: the error is the server's own");
}

($out, $err) = ask($session, q{SELECT pg_background_start('SELECT 1', notify => 'ends')});
like($err, qr/ERROR:  25006: cannot execute NOTIFY during recovery/, 'a launch that would notify is refused on a standby');

# --- the functions on handles ---

is(value($session, q{SELECT pg_background_exec('SELECT FROM done WHERE id <= 3')}), 'SELECT 3', 'exec runs on a standby');
is(value($session, q{SELECT * FROM pg_background_query('SELECT count(*), pg_is_in_recovery() FROM done WHERE id <= $1 AND note = $2', ROW(10, 'base')) AS (n int, r bool)}),
	'10|t', 'so does a query with parameters');
is(value($session, q{SELECT * FROM pg_background_query_as(NULL::pair, 'SELECT ($1).a + 1, ($1).b', ROW((1, 'x')::pair))}), '2|x', 'and one of a composite type');
is(value($session, q{SELECT pg_background_query_json('SELECT id, note FROM done WHERE id = 5')}), '{"id": 5, "note": "base"}', 'and one to JSON');
is(value($session, q{SELECT * FROM pg_background_query('SHOW work_mem', settings => '{"work_mem": "77kB"}') AS (s text)}), '77kB', 'settings of a job are made');
is(value($session, q{SELECT pg_background_exec('BEGIN; SELECT 1; COMMIT; SELECT FROM done LIMIT 2', autocommit => true)}), 'SELECT 2', 'and statements by themselves');
is(value($session, q{SELECT * FROM pg_background_query('SELECT id, ($1).b FROM there', ROW((1, 'y')::pair), database => 'other') AS (id int, b text)}),
	'7|y', 'a job reads in another database of the standby');

value($session, q{SELECT pg_background_start('SELECT id FROM done ORDER BY id', label => 'standby') AS job \gset});
is(value($session, q{SELECT pg_background_await(:'job')}), 't', 'a job on a standby is awaited');
is(value($session, q{SELECT state, command_tag, row_count FROM pg_background_outcome(:'job')}), 'stopped|SELECT 101|101', 'its outcome is there');
is(value($session, q{SELECT name, type FROM pg_background_columns(:'job')}), 'id|integer', 'its columns are known');
is(value($session, q{SELECT sum(id) FROM pg_background_fetch(:'job', 10) AS (id int)}), 55, 'some of its rows are fetched');
is(value($session, q{SELECT count(*) FROM pg_background_rows(:'job') AS (id int)}), 91, 'and then all others');
is(value($session, q{
	SELECT array_agg(pg_background_start('SELECT ' || n)) AS jobs FROM generate_series(1, 3) AS n \gset
	SELECT pg_background_await_all(:'jobs'), pg_background_await_any(:'jobs') = ANY (:'jobs'::pg_background_handle[])
}), 't|t', 'several are awaited');
is(value($session, q{
	SELECT pg_background_start('SELECT pg_sleep(0.1)') AS job \gset
	CALL pg_background_join(:'job');
	SELECT state FROM pg_background_outcome(:'job');
}), 'stopped', 'one is joined');
is(value($session, q{SELECT ordinal, state, command_tag, sqlstate FROM pg_background_map(ARRAY['SELECT id FROM done', 'CREATE TABLE t ()'])}),
	"1|stopped|SELECT 101|\n2|error||25006", 'several statements are mapped');
value($session, q{SELECT pg_background_start('SELECT pg_sleep(600)') AS job \gset});
is(value($session, q{SELECT pg_background_await(:'job', '10ms'), pg_background_stop(:'job'), pg_background_await(:'job')}), 'f|t|t', 'one is stopped');
value($session, q{SELECT pg_background_forget_ended()});
($out, $err) = ask($session, q{SELECT pg_background_exec('SELECT pg_sleep(600)', timeout => '50ms')});
like($err, qr/ERROR:  57014: /, 'a timeout ends a job on a standby');

is(value($session, q{SELECT ordinal, state, command_tag, sqlstate FROM pg_background_map(ARRAY['SELECT 1', 'DELETE FROM done']) ORDER BY 1}),
	"1|stopped|SELECT 1|\n2|error||25006", 'several statements run, and one writes');
value($session, q{SELECT pg_background_start('SELECT pg_advisory_lock_shared(2)', autocommit => true) AS job \gset});
value($session, q{CALL pg_background_join(:'job')});
is(value($session, q{SELECT state FROM pg_background_outcome(:'job'); SELECT pg_background_forget(:'job')}), "stopped\n", 'a job is joined');
value($session, q{SELECT pg_background_start('SELECT repeat(md5(n::text), 50) FROM generate_series(1, 3000) AS n') AS job \gset});
is(value($session, q{SELECT pg_background_await(:'job'); SELECT sum(length(t)) FROM pg_background_rows(:'job') AS (t text)}), "t\n4800000",
	'a job that nobody reads keeps its rows in a file');
value($session, 'SELECT pg_advisory_lock(3)');
($out, $err) = ask($session, q{SELECT pg_background_exec('SELECT pg_advisory_lock(3)')});
like($err, qr/ERROR:  40P01: /, 'a deadlock of the session with its job is found on a standby');
value($session, 'SELECT pg_advisory_unlock(3)');

if ($primary->{registry})
{
	is(at_commit('SELECT 1'), "t\nstopped|SELECT 1|", 'a job starts at the commit of a transaction on a standby');
	is(at_commit('DELETE FROM done'), "t\nerror||25006", 'one that writes is an error of the job');
}

for my $case (
	[ q{INSERT INTO done VALUES (0, 'standby')}, 'INSERT' ], [ 'CREATE TEMP TABLE t (id int)', 'CREATE TABLE' ], [ q{SELECT nextval('s')}, 'nextval\(\)' ],
	[ 'SELECT FROM done FOR UPDATE', 'SELECT FOR UPDATE' ], [ 'VACUUM done', 'VACUUM' ], [ 'NOTIFY c', 'NOTIFY' ],
	[ 'SELECT pg_current_xact_id()', 'pg_current_xact_id\\(\\)' ])
{
	my ($sql, $command) = @$case;
	for my $call ('pg_background_exec($job$' . $sql . '$job$)', 'pg_background_exec($job$SELECT 1; ' . $sql . '$job$, autocommit => true)',
		'pg_background_query_json($job$' . $sql . '$job$)')
	{
		($out, $err) = ask($session, "SELECT $call");
		like($err, qr/ERROR:  25006: cannot execute $command (in a read-only transaction|during recovery)/, "$call writes, which is an error");
	}
}
value($session, q{SELECT pg_background_start('SELECT 1; SELECT 2; DELETE FROM done', autocommit => true) AS job \gset});
is(value($session, q{SELECT pg_background_await(:'job'); SELECT state, sqlstate, statement FROM pg_background_outcome(:'job'); SELECT pg_background_forget(:'job')}),
	"t\nerror|25006|3\n", 'the outcome says which statement wrote');
($out, $err) = ask($session, q{SELECT pg_background_exec('INSERT INTO there VALUES (1)', database => 'other')});
like($err, qr/ERROR:  25006: cannot execute INSERT in a read-only transaction/, 'a job in another database writes, which is an error');
($out, $err) = ask($session, q{SELECT pg_background_exec('DELETE FROM done', settings => '{"default_transaction_read_only": "off"}')});
like($err, qr/ERROR:  25006: cannot execute DELETE in a read-only transaction/, 'no setting changes that');

# without a worker
value($session, q{SET pg_background.on_exhaustion = inline; SET pg_background.max_workers = 1;
	SELECT pg_background_start('SELECT pg_sleep(600)') AS job \gset});
is((ask($session, q{SELECT * FROM pg_background_query('SELECT count(*) FROM done WHERE id <= $1', ROW(4)) AS (n int)}))[0], 4, 'SQL that runs inline reads');
($out, $err) = ask($session, q{SELECT pg_background_exec('DELETE FROM done')});
like($err, qr/ERROR:  25006: cannot execute DELETE in a read-only transaction/, 'and cannot write');
value($session, q{SELECT pg_background_stop(:'job'), pg_background_forget(:'job'); RESET pg_background.on_exhaustion; RESET pg_background.max_workers});

# A plan that is kept follows what the primary does.
my $select = q{SELECT pg_background_query_json('SELECT * FROM done WHERE id = $1', ROW(1))};
is(value($session, $select), '{"id": 1, "note": "base"}', 'a query, again and again') for 1 .. 4;
$primary->safe_psql('postgres', 'ALTER TABLE done ADD extra int DEFAULT 5; CREATE INDEX ON done (id)');
$primary->wait_for_catchup($standby, 'replay', $primary->lsn('write'));
is(value($session, $select), '{"id": 1, "note": "base", "extra": 5}', 'the table has changed on the primary') for 1 .. 3;
$primary->safe_psql('postgres', 'ALTER TABLE done DROP extra');
value($session, q{SELECT pg_background_exec('SELECT count(*) FROM doomed_too')}) for 1 .. 3;
$primary->safe_psql('postgres', 'DROP TABLE doomed_too');
$primary->wait_for_catchup($standby, 'replay', $primary->lsn('write'));
is(value($session, $select), '{"id": 1, "note": "base"}', 'it has changed back');
($out, $err) = ask($session, q{SELECT pg_background_exec('SELECT count(*) FROM doomed_too')});
like($err, qr/ERROR:  42P01: relation "doomed_too" does not exist/, 'a table was dropped on the primary, which no idle worker holds up');

# --- in the way of the recovery ---

my $pid = launch($session, 'SELECT count(*) FROM doomed; SELECT pg_sleep(600)');
ok(until_waits_for($standby, $pid, 'PgSleep'), 'a job on a standby holds a lock');
$primary->safe_psql('postgres', 'DROP TABLE doomed');
value($session, 'SELECT pg_background_wait_v2(:pid, :cookie)');
($out, $err) = ask($session, 'SELECT * FROM pg_background_result_v2(:pid, :cookie) AS (x text)');
like($err, qr/ERROR:  40001: canceling statement due to conflict with recovery/, 'a conflict with the recovery is the error of the job in its way');

# A database is dropped in which a worker is idle and a job runs.
value($session, q{SELECT pg_background_exec('SELECT 1', database => 'other')});
value($session, q{SELECT pg_background_start('SELECT pg_sleep(600)', database => 'other') AS job \gset});
value($watcher, q{SELECT pg_background_exec('SELECT 1', database => 'other')});
$primary->safe_psql('postgres', 'DROP DATABASE other');
$primary->wait_for_catchup($standby, 'replay', $primary->lsn('write'));
is(value($session, q{SELECT pg_background_await(:'job')}), 't', 'a job has ended whose database was dropped on the primary');
($out, $err) = ask($session, q{SELECT * FROM pg_background_rows(:'job') AS (x text)});
like($err, qr/ERROR:  57P04: terminating connection due to conflict with recovery/, 'and says why');
($out, $err) = ask($session, q{SELECT pg_background_exec('SELECT 1', database => 'other')});
like($err, qr/ERROR:  3D000: database "other" does not exist/, 'no other can be launched there');

# --- a promotion ---

value($watcher, 'SELECT pg_advisory_lock(1)');
$pid = launch($session, 'SELECT pg_is_in_recovery() AS before, pg_advisory_xact_lock(1)::text AS between, pg_is_in_recovery() AS after');
ok(until_waits_for($standby, $pid, 'advisory'), 'a job runs before the promotion');
my $insert = q{SELECT pg_background_exec($$INSERT INTO done VALUES ($1, 'kept')$$, ROW(-1))};
for (1 .. 3)
{
	($out, $err) = ask($session, $insert);
	like($err, qr/ERROR:  25006: /, 'an INSERT by exec is an error before the promotion');
}
value($session, q{SELECT pg_background_start('SELECT 1; SELECT pg_advisory_xact_lock(1); INSERT INTO done VALUES (-2, NULL)', autocommit => true) AS job \gset});
$standby->promote;
is(value($session, 'SELECT state FROM jobs WHERE cookie = :cookie'), 'running', 'a job runs on after the promotion');
is(value($session, q{SELECT * FROM pg_background_result(pg_background_launch($$INSERT INTO done VALUES (0, 'promoted')$$)) AS (tag text)}),
	'INSERT 0 1', 'a new job writes after the promotion');
is(value($session, $insert), 'INSERT 0 1', 'and so does exec') for 1 .. 3;
is(at_commit('INSERT INTO done VALUES (-3, NULL)'), "t\nstopped|INSERT 0 1|", 'and a job that starts at a commit') if $primary->{registry};
value($watcher, 'SELECT pg_advisory_unlock(1)');
is(value($session, 'SELECT before, after FROM pg_background_result_v2(:pid, :cookie) AS (before bool, between text, after bool)'), 't|f',
	'the job from before the promotion ends well');
is(value($session, q{SELECT pg_background_await(:'job'); SELECT state, command_tag, sqlstate FROM pg_background_outcome(:'job')}), "t\nstopped|INSERT 0 1|",
	'the next statement of an autocommit job, after the promotion, writes');

$session->quit;
$watcher->quit;
nothing_left($standby, 'standby');
healthy($standby);
nothing_left($primary, 'primary');
done_testing();
