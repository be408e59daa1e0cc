# What waits in pg_background_join holds nothing that CREATE INDEX CONCURRENTLY waits for; jobs of other sessions; cancels and ends of
# sessions that map and join: what runs for a map goes with it, what is joined runs on.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::RealBin;
use Jobs;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

# a wait looks for deadlocks every now and then, which must not leave a snapshot
my $node = server('map_join', conf => <<'END');
pg_background.max_workers = 16
deadlock_timeout = '20ms'
log_line_prefix = '%p '
END
my $observer = session($node);
my ($session, $pid) = waiter();

sub waiter
{
	my $session = session($node);
	return ($session, value($session, 'SELECT pg_backend_pid()'));
}

# The session sends the statements; returns at once.
sub begin
{
	my ($session, $sql) = @_;

	$session->{stderr} = '';
	$session->{stdout} = '';
	$session->query_until(qr/begun/, "\\echo begun\n$sql\n\\echo answered\n");
	return;
}

# What they have returned, or the error.
sub answer
{
	my ($session) = @_;

	pump_until($session->{run}, $session->{timeout}, \$session->{stdout}, qr/answered/) or die "no answer: $session->{stderr}";
	my $answer = $session->{stdout};
	$session->{stdout} = '';
	$answer =~ s/begun|answered|\s//g;
	my ($error) = $session->{stderr} =~ /ERROR:  (.*)/;
	return $error // $answer;
}

sub running
{
	my ($what) = @_;
	return value($observer, "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'pg_background' AND state = 'active' AND query LIKE '$what%'");
}

# What others see of the session, and what it holds beside its virtual transaction's lock on itself.
sub held
{
	value($observer, 'SELECT pg_sleep(0.1)');
	return value($observer, qq{SELECT a.state, a.backend_xid IS NULL, a.backend_xmin IS NULL, a.xact_start IS NULL,
		(SELECT count(*) FROM pg_locks l WHERE l.pid = a.pid AND l.locktype <> 'virtualxid') FROM pg_stat_activity a WHERE a.pid = $pid});
}

# --- nothing is held during the wait ---

value($observer, 'CREATE TABLE t AS SELECT generate_series(1, 1000) i');
# a lock that the job waits for, so that the wait lasts
my $lock = session($node);
my $loop = q{
	DECLARE
		job pg_background_handle;
		index_name text;
	BEGIN
		-- the transaction has a number, a snapshot and locks
		INSERT INTO t VALUES (0);
		FOR index_name IN SELECT 'i' || n FROM generate_series(1, 3) n, (SELECT count(*) FROM t) c LOOP
			job := pg_background_start(format('CREATE INDEX CONCURRENTLY %I ON t (i)', index_name));
			CALL pg_background_join(job, '10 min');
			PERFORM pg_background_forget(job);
		END LOOP;
	END};
value($lock, 'BEGIN; LOCK TABLE t IN ROW EXCLUSIVE MODE');
begin($session, "DO \$\$ $loop \$\$;");
ok($node->poll_query_until('postgres', "SELECT count(*) = 1 FROM pg_locks WHERE NOT granted AND pid IN (SELECT pid FROM pg_stat_activity WHERE query LIKE 'CREATE INDEX%')"),
	'the job waits for a third session');
ok(until_waits_for($node, $pid, wait_event($node)), 'the launcher waits for the job');
is(held(), 'active|t|t|t|0', 'and holds no transaction number, no snapshot, no lock; no transaction is shown');
value($lock, 'COMMIT');
is(answer($session), '', 'the loop ends');
is(value($observer, q{SELECT count(*) FROM pg_index WHERE indrelid = 't'::regclass AND indisvalid}), 3, 'and all indexes are there');

# the same within nested procedures, from a job whose statements are transactions of their own, joined by yet another procedure
value($observer, q{DROP INDEX i1, i2, i3});
value($observer, qq{CREATE PROCEDURE inner_loop() LANGUAGE plpgsql AS \$\$ $loop \$\$});
value($observer, q{CREATE PROCEDURE outer_loop() LANGUAGE plpgsql AS 'BEGIN CALL inner_loop(); END'});
begin($session, q{SELECT pg_background_start('SET work_mem = ''2MB''; CALL outer_loop(); ', autocommit => true) AS job \gset
	CALL pg_background_join(:'job', '10 min');
	SELECT state, message FROM pg_background_outcome(:'job');});
like(answer($session), qr/^stopped/, 'a job can run such a loop in procedures');
is(value($observer, q{SELECT count(*) FROM pg_index WHERE indrelid = 't'::regclass AND indisvalid}), 3, 'with all indexes');
value($session, q{SELECT pg_background_forget_all()});

# --- cancelled, terminated: the job runs on ---

my ($job_pid) = launch($session, 'SELECT pg_sleep(600)');
value($session, q{SELECT ROW(:pid, :cookie)::pg_background_handle AS job \gset});
my $handle = value($session, q{SELECT :'job'});
begin($session, q{CALL pg_background_join(:'job');});
until_waits_for($node, $pid, wait_event($node));
is(held(), 'active|t|t|t|0', 'a CALL of its own holds nothing either');
value($observer, "SELECT pg_cancel_backend($pid)");
is(answer($session), '57014: canceling statement due to user request', 'a join can be cancelled');
is(value($session, 'SELECT 1'), 1, 'the session goes on');
is(running('SELECT pg_sleep'), 1, 'and so does the job');

SKIP: {
	skip 'transaction_timeout is of 17 and later', 2 unless $node->pg_version >= 17;

	value($session, q{SET transaction_timeout = '200ms'});
	my ($out, $err) = ask($session, q{CALL pg_background_join(:'job', '1 s')});
	like($err, qr/ERROR:  55000/, 'transaction_timeout does not end the wait, which is no transaction');
	($out, $err) = ask($session, q{DO 'BEGIN PERFORM pg_sleep(0.1); CALL pg_background_join((''' || :'job' || ''')::pg_background_handle, ''0.4 s''); END'});
	is(value($session, 'SELECT 1'), 1, 'the session is still there');
	value($session, 'RESET transaction_timeout');
}

# another session's job
SKIP: {
	skip 'without a registry a session knows its own jobs only', 4 unless $node->{registry};

	my ($other, $other_pid) = waiter();
	begin($other, "CALL pg_background_join('$handle');");
	until_waits_for($node, $other_pid, wait_event($node));
	my $seen = value($observer, "SELECT backend_xmin IS NULL AND xact_start IS NULL FROM pg_stat_activity WHERE pid = $other_pid");
	is($seen, 't', 'a join of the job of another session holds nothing');
	value($observer, "SELECT pg_terminate_backend($pid)");
	ok(until_true(sub { is_gone($pid) }), 'its launcher is terminated');
	is(running('SELECT pg_sleep'), 1, 'the job runs on');
	value($observer, "SELECT pg_background_stop('$handle')");
	is(answer($other), '', 'and its end is heard of');
	$other->quit;
}
value($observer, "SELECT pg_terminate_backend($_)") for $job_pid, $pid;
eval { $session->quit };
ok(settle($node), 'no job is left');

# --- map: what runs goes with it ---

my $map = q{SELECT count(*), min(state) FROM pg_background_map(array_fill('SELECT pg_sleep(600)'::text, ARRAY[20]), 3);};
($session, $pid) = waiter();
begin($session, $map);
ok(until_true(sub { running('SELECT pg_sleep') == 3 }), 'three of twenty statements run at a time');
value($observer, "SELECT pg_cancel_backend($pid)");
is(answer($session), '57014: canceling statement due to user request', 'a map can be cancelled');
ok(until_true(sub { running('SELECT pg_sleep') == 0 }), 'none of its statements goes on');
is(value($session, 'SELECT count(*) FROM jobs'), 0, 'none is tracked');

# inside a block that catches the error
begin($session, q{
	DO $$
	BEGIN
		PERFORM FROM pg_background_map(array_fill('SELECT pg_sleep(600)'::text, ARRAY[20]), 3);
	EXCEPTION WHEN query_canceled THEN
		RAISE 'caught';
	END
	$$;});
ok(until_true(sub { running('SELECT pg_sleep') == 3 }), 'they run again');
value($observer, "SELECT pg_cancel_backend($pid)");
is(answer($session), 'P0001: caught', 'the cancel can be caught');
ok(until_true(sub { running('SELECT pg_sleep') == 0 }), 'none of its statements goes on then');

# the session ends
begin($session, $map);
ok(until_true(sub { running('SELECT pg_sleep') == 3 }), 'they run once more');
value($observer, "SELECT pg_terminate_backend($pid)");
ok(until_true(sub { running('SELECT pg_sleep') == 0 }), 'when the session is terminated, they end');
eval { $session->quit };
nothing_left($node, 'after the map');

# a member is stopped by another session, or its process is terminated: a row, and the others go on
($session, $pid) = waiter();
begin($session, q{SELECT ordinal, state, sqlstate FROM pg_background_map(ARRAY['SELECT pg_sleep(600)', 'SELECT pg_sleep(601)', 'SELECT 1'], 2);});
ok(until_true(sub { running('SELECT pg_sleep') == 2 }), 'two statements run');
value($observer, q{SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE backend_type = 'pg_background' AND query = 'SELECT pg_sleep(600)'});
ok(until_true(sub { running('SELECT pg_sleep(600)') == 0 }), 'one is cancelled');
value($observer, q{SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'pg_background' AND query = 'SELECT pg_sleep(601)'});
is(answer($session), '1|error|570142|error|57P013|stopped|', 'each has its row');

# --- limits of the server: fewer at a time ---

SKIP: {
	skip 'limits of the server need the registry', 6 unless $node->{registry};

	setting($node, 'pg_background.max_workers_total', 2);
	my $count = q{SELECT count(*) FILTER (WHERE state = 'stopped'), count(*) FROM pg_background_map(array_fill('SELECT 1'::text, ARRAY[40]), 8)};
	is(value($session, $count), '40|40', 'a quota makes it slower');
	# another session's jobs have all of it
	launch($observer, 'SELECT pg_sleep(600)');
	my $second = value($observer, q{SELECT pg_background_launch_v2('SELECT pg_sleep(601)')});
	my ($out, $err) = ask($session, $count);
	like($err, qr/ERROR:  53400: too many background jobs/, 'with no room at all nothing is begun');
	value($session, q{SET pg_background.launch_timeout = '60s'});
	begin($session, "$count;");
	until_waits_for($node, $pid, wait_event($node, 'Launch'));
	value($observer, "SELECT pg_background_stop('$second')");
	is(answer($session), '40|40', 'launch_timeout waits for room');
	value($session, 'RESET pg_background.launch_timeout');

	# Room is lost in between: the first statement has a job that launches another, which waits for the room that the statement
	# leaves. What has run is told, with the error in the place of the statement that had no worker.
	value($observer, 'SELECT pg_background_stop_all() > 0, pg_background_forget_all() > 0');
	ok(settle($node), 'all have ended');
	my $launch = wait_event($node, 'Launch');
	value($observer, qq{CREATE PROCEDURE take_room() LANGUAGE plpgsql AS \$p\$
		DECLARE
			taker int := pid FROM pg_background_submit_v2('SET pg_background.launch_timeout = ''60s'';
				SELECT pg_background_submit_v2(''SELECT pg_sleep(600)''); SELECT pg_sleep(600)');
		BEGIN
			WHILE NOT EXISTS (SELECT FROM pg_stat_activity WHERE pid = taker AND wait_event = '$launch') LOOP
				PERFORM pg_sleep(0.01), pg_stat_clear_snapshot();
			END LOOP;
		END \$p\$});
	is(value($session, q{SELECT ordinal, state, sqlstate, message FROM pg_background_map(ARRAY['CALL take_room()', 'SELECT 2', 'SELECT 3'], 1)}),
		"1|stopped||\n2|error|53400|too many background jobs\n3|canceled|57014|not started because statement 2 failed", 'what has run is told');
	# the job that was launched last may not have begun
	ok(until_true(sub {
		value($observer, q{SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE backend_type = 'pg_background' AND query LIKE '%pg_sleep%'});
		return value($observer, 'SELECT count(*) FROM pg_stat_background') == 0;
	}), 'all have ended');
	setting($node, 'pg_background.max_workers_total', 0);
}

# --- the server is stopped in the midst of both ---

my ($joiner) = waiter();
begin($session, $map);
begin($joiner, q{SELECT pg_background_start('SELECT pg_sleep(602)') AS job \gset
	CALL pg_background_join(:'job');});
ok(until_true(sub { running('SELECT pg_sleep') == 4 }), 'a map and a join run');
$observer->quit;
$lock->quit;
$node->stop('fast');
eval { $_->quit } for $session, $joiner;
$node->start;
healthy($node);
nothing_left($node, 'in the end');
$node->stop;
done_testing();
