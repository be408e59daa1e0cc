# A session waits for a job, and the job, through other sessions and jobs, for a lock of the session: what the error tells and to whom,
# that only a circle is one, and what becomes of the others. What one session can show is in regress/sql/deadlock.sql.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::RealBin;
use Jobs;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = server('deadlock', conf => <<'END');
deadlock_timeout = '50ms'
log_line_prefix = '%p: '
END
my $found = qr/ERROR:  40P01: deadlock detected while waiting for a background job\n/;
my $asleep = wait_event($node);

$node->safe_psql('postgres', <<'END');
CREATE TABLE a (n int);
CREATE TABLE b (n int);
CREATE TABLE handles (name text PRIMARY KEY, h pg_background_handle);
CREATE FUNCTION h(handle text) RETURNS pg_background_handle LANGUAGE sql AS 'SELECT h FROM handles WHERE name = handle';
CREATE ROLE plain LOGIN IN ROLE pgbackground_role;
GRANT ALL ON a, b, handles TO plain;
END

my ($one, $two, $three) = map { session($node) } 1 .. 3;
my ($pid, $pid2, $pid3) = map { value($_, 'SELECT pg_backend_pid()') } $one, $two, $three;

# Begins a query, and returns when its session waits for one of these events; at once, if none is given.
sub begin
{
	my ($session, $session_pid, $query, @events) = @_;

	$session->{stderr} = '';
	$session->query_until(qr/begun/, "\\echo begun\n$query;\n\\echo answered\n");
	!@events || until_waits_for($node, $session_pid, @events) or die "does not wait: $query";
	return;
}

# What a query has returned, and its error.
sub answer
{
	my ($session) = @_;

	pump_until($session->{run}, $session->{timeout}, \$session->{stdout}, qr/answered/) or die 'no answer';
	my @answer = ($session->{stdout}, $session->{stderr});
	@$session{qw(stdout stderr)} = ('', '');
	return wantarray ? @answer : "$answer[0]$answer[1]";
}

# Launches a job and keeps its handle for all sessions; returns its worker's pid, when the worker waits for that lock.
sub start
{
	my ($session, $name, $sql, $event) = @_;

	value($session, "INSERT INTO handles SELECT '$name', pg_background_start(\$job\$$sql\$job\$)");
	my $worker = value($session, "SELECT (h('$name')).pid");
	until_waits_for($node, $worker, $event) or die "does not wait: $sql";
	return $worker;
}

# --- what the error tells ---

# The job queues behind a session that wants to lock what the launcher has read.
my $deadlocks = 'SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()';
my $before = $node->safe_psql('postgres', $deadlocks);
my $log = -s $node->logfile;
value($one, 'BEGIN; SELECT count(*) FROM a');
begin($two, $pid2, 'BEGIN; LOCK TABLE a', 'relation');
my (undef, $error) = ask($one, "SELECT pg_background_exec('INSERT INTO a VALUES (1)')");
like($error, $found, 'a session that waits for itself through a third one gets an error');
my ($worker) = $error =~ /waits for the job of process (\d+)\./;
my $relation = $node->safe_psql('postgres', q{SELECT format('relation %s of database %s', 'a'::regclass::oid, oid) FROM pg_database WHERE datname = current_database()});
my $detail = <<"END";
DETAIL:  Process $pid waits for the job of process $worker.
Process $worker waits for RowExclusiveLock on $relation; blocked by process $pid2.
Process $pid2 waits for AccessExclusiveLock on $relation; blocked by process $pid.
Process $pid: SELECT pg_background_exec('INSERT INTO a VALUES (1)')
;
Process $worker: INSERT INTO a VALUES (1)
Process $pid2: LOCK TABLE a;
END
like($error, qr/\Q$detail\E/, 'the detail tells of the whole chain');
like($error, qr/HINT:  The job has been canceled\. /, 'the hint tells what became of the job');
ok($node->log_contains(qr/^$pid: ERROR:  deadlock detected while waiting for a background job\n$pid: DETAIL:  Process $pid waits/m, $log),
	'the error and its detail are in the log');
value($one, 'ROLLBACK');
unlike(answer($two), qr/ERROR/, 'the third session goes on');
value($two, 'ROLLBACK');
is($node->safe_psql('postgres', 'SELECT count(*) FROM a'), 0, 'the job of a synchronous call was canceled');
ok(until_true(sub { $node->safe_psql('postgres', $deadlocks) > $before }), 'the deadlock is counted in pg_stat_database');

# The statements of others are for those who may see them.
my $plain = session($node, extra => [ '-U', 'plain' ]);
value($plain, 'BEGIN; SELECT count(*) FROM a');
begin($two, $pid2, 'BEGIN; LOCK TABLE a', 'relation');
(undef, $error) = ask($plain, "SELECT pg_background_exec('INSERT INTO a VALUES (1)')");
like($error, qr/^Process $pid2: <insufficient privilege>$/m, 'the statement of another role is hidden');
like($error, qr/^Process \d+: INSERT INTO a VALUES \(1\)$/m, 'the own job is shown');
value($plain, 'ROLLBACK');
answer($two);
value($two, 'ROLLBACK');
$node->safe_psql('postgres', 'GRANT pg_read_all_stats TO plain');
value($plain, 'BEGIN; SELECT count(*) FROM a');
begin($two, $pid2, 'BEGIN; LOCK TABLE a', 'relation');
(undef, $error) = ask($plain, "SELECT pg_background_exec('INSERT INTO a VALUES (1)')");
like($error, qr/^Process $pid2: LOCK TABLE a;$/m, 'it is shown to members of pg_read_all_stats');
value($plain, 'ROLLBACK');
answer($two);
value($two, 'ROLLBACK');

# A SECURITY DEFINER function of a superuser waits: what it could see is not told to its caller.
$node->safe_psql('postgres', <<'END');
REVOKE pg_read_all_stats FROM plain;
CREATE FUNCTION insert_one() RETURNS text LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp
    AS $$SELECT pg_background_exec('INSERT INTO a VALUES (1)')$$;
END
value($plain, 'BEGIN; SELECT count(*) FROM a');
begin($two, $pid2, 'BEGIN; LOCK TABLE a', 'relation');
(undef, $error) = ask($plain, 'SELECT insert_one()');
like($error, $found, 'a SECURITY DEFINER function waits for its caller');
like($error, qr/^Process $pid2: <insufficient privilege>$/m, 'the statement of another role is hidden from its caller');
unlike($error, qr/LOCK TABLE/, 'all of it');
value($plain, 'ROLLBACK');
answer($two);
value($two, 'ROLLBACK');

# --- what is none ---

# The session that the job waits for works on: for many times as long as deadlock_timeout there is no error, and then the job is done.
value($two, 'BEGIN; LOCK TABLE b');
value($one, 'BEGIN; LOCK TABLE a');
begin($one, $pid, "SELECT pg_background_exec('INSERT INTO b VALUES (1)')", $asleep);
value($two, 'SELECT pg_sleep(1)');
value($two, 'COMMIT');
like(answer($one), qr/INSERT 0 1/, 'a session that works on is no deadlock');
value($one, 'ROLLBACK');

# A cancel comes through while the wait is watched.
value($two, 'BEGIN; LOCK TABLE b');
value($one, 'BEGIN; LOCK TABLE a');
begin($one, $pid, "SELECT pg_background_exec('INSERT INTO b VALUES (1)')", $asleep);
value($three, 'SELECT pg_sleep(0.5)');
value($three, "SELECT pg_cancel_backend($pid)");
like(answer($one), qr/ERROR:  57014: canceling statement due to user request/, 'a wait that is watched can be cancelled');
value($one, 'ROLLBACK');
value($two, 'ROLLBACK');

# A deadlock without the launcher is the server's.
value($one, 'BEGIN');
value($two, 'BEGIN; LOCK TABLE b');
begin($one, $pid, "SELECT pg_background_exec('LOCK TABLE a; LOCK TABLE b')", $asleep);
ok(until_true(sub { $node->safe_psql('postgres', q{SELECT count(*) FROM pg_locks WHERE relation = 'b'::regclass AND NOT granted}) }), 'the job waits for the other session');
like((ask($two, 'LOCK TABLE a'))[1] . answer($one), qr/ERROR:  40P01: deadlock detected$/m, 'a deadlock of the job with another session is left to the server');
value($one, 'ROLLBACK');
value($two, 'ROLLBACK');

# --- what is left of it ---

# The job goes on when the lock is released, and can be read.
value($one, 'BEGIN; LOCK TABLE a');
start($one, 'kept', 'SELECT count(*) FROM a', 'relation');
like((ask($one, q{SAVEPOINT s; SELECT * FROM pg_background_rows(h('kept')) AS (n bigint)}))[1], $found, 'a read of rows finds it, too');
is(value($one, q{ROLLBACK TO s; SELECT state FROM pg_background_outcome(h('kept'))}), 'running', 'the job is left running');
value($one, 'COMMIT');
is(value($one, q{SELECT * FROM pg_background_rows(h('kept')) AS (n bigint)}), '0', 'it goes on when the lock is released, and nothing of it is lost');
value($one, 'DELETE FROM handles');

SKIP:
{
	skip 'without a registry a session knows nothing of others and their jobs', 12 if !$node->{registry};

	# Another session's job.
	value($one, 'BEGIN; LOCK TABLE a');
	my $theirs = start($two, 'theirs', 'SELECT count(*) FROM a', 'relation');
	begin($two, $pid2, q{SELECT pg_background_await(h('theirs'))}, $asleep);
	(undef, $error) = ask($one, q{SELECT pg_background_await(h('theirs'))});
	like($error, $found, 'a session that waits for the job of another session finds it');
	like($error, qr/Process $pid waits for the job of process $theirs\.\nProcess $theirs waits for AccessShareLock on $relation; blocked by process $pid\.$/m,
		'the chain has no word of the session that launched the job');
	value($one, 'ROLLBACK');
	like(answer($two), qr/^t$/m, 'the session that launched it has no error');
	value($one, 'DELETE FROM handles');

	# Two sessions wait for their jobs, and each job for the other session. The one that gets the error lets the other go on.
	value($one, 'BEGIN; LOCK TABLE a');
	value($two, 'BEGIN; LOCK TABLE b');
	value($two, q{SET deadlock_timeout = '100s'});
	begin($two, $pid2, q{SELECT pg_background_exec('SELECT count(*) FROM a')}, $asleep);
	# Only a wait that has lasted is shown, and the second session's lasts by its own deadlock_timeout. So the first does not find it.
	begin($one, $pid, q{SELECT pg_background_await(pg_background_start('SELECT count(*) FROM b'), '1 s')});
	like(answer($one), qr/^f$/m, 'a wait that is not shown yet is not followed');
	value($three, "SELECT pg_cancel_backend($pid2)");
	answer($two);
	value($two, q{ROLLBACK; RESET deadlock_timeout; BEGIN; LOCK TABLE b});
	begin($two, $pid2, q{SELECT pg_background_exec('SELECT count(*) FROM a')}, $asleep);
	(undef, $error) = ask($one, q{SELECT pg_background_exec('SELECT count(*) FROM b')});
	my $other = answer($two);
	ok($error =~ $found || $other =~ $found, 'two sessions whose jobs wait for each other find it');
	value($_, 'ROLLBACK') foreach $one, $two;
	($error) = grep { $_ =~ $found } $error, $other;
	is(scalar(() = $error =~ /^(?:DETAIL:  )?Process \d+ waits/mg), 4, 'the detail has all four');

	# A warm worker waits for a lock of its launcher while it makes its session the launcher's.
	$worker = job($one, 'SELECT pg_backend_pid()::text');
	until_idle($node, $worker);
	value($one, 'BEGIN; SET LOCAL default_tablespace = pg_default; LOCK TABLE pg_tablespace');
	(undef, $error) = ask($one, 'SELECT pg_background_launch_v2($$SELECT 1$$)');
	like($error, qr/ERROR:  40P01: deadlock detected while launching a background job\nDETAIL:  Process $pid waits for a worker, process (\d+)\.\nProcess \g1 waits for AccessShareLock on relation 1213 of database 0; blocked by process $pid\.$/m,
		'a launch whose worker waits for the launcher gets an error');
	value($one, 'ROLLBACK');
	ok(until_slot_free($node), 'it leaves no job');
	is(value($one, q{SELECT pg_background_exec('SELECT 1')}), 'SELECT 1', 'the session can launch again');

	# A launcher that ends in a wait that is shown leaves nothing behind.
	value($one, 'BEGIN; LOCK TABLE a');
	begin($two, $pid2, q{SELECT pg_background_exec('SELECT count(*) FROM a')}, $asleep);
	value($three, 'SELECT pg_sleep(0.5)');
	value($three, "SELECT pg_terminate_backend($pid2)");
	ok(until_true(sub { is_gone($pid2) }), 'a session ends in a wait that is shown');
	is(value($one, q{SELECT pg_background_exec('SELECT 1')}), 'SELECT 1', 'the others go on');
	value($one, 'ROLLBACK');
	ok(until_slot_free($node), 'the jobs have ended');
	$two = session($node);
	$pid2 = value($two, 'SELECT pg_backend_pid()');
}

# --- between the two looks ---

SKIP:
{
	skip 'points are not compiled in', 2 if !$ENV{PGBG_POINTS};

	# The circle is found, and then the third session gives up: the second look finds none.
	value($one, 'BEGIN; SELECT count(*) FROM a');
	begin($two, $pid2, 'BEGIN; LOCK TABLE a', 'relation');
	arm($node, 'deadlock-suspected', 'hold');
	begin($one, $pid, "SELECT pg_background_exec('SELECT count(*) FROM a')");
	until_held($node, 'deadlock-suspected', $pid);
	value($three, "SELECT pg_cancel_backend($pid2)");
	answer($two);
	value($two, 'ROLLBACK');
	disarm($node, 'deadlock-suspected');
	like(answer($one), qr/SELECT 1/, 'a circle that goes between the two looks is none');
	value($one, 'ROLLBACK');

	# What the look itself throws is an error of the wait.
	value($one, 'BEGIN; LOCK TABLE a');
	arm($node, 'deadlock-suspected', 'error');
	like((ask($one, "SELECT pg_background_exec('SELECT count(*) FROM a')"))[1], qr/ERROR: /, 'a look can fail');
	disarm($node, 'deadlock-suspected');
	value($one, 'ROLLBACK');
}

$_->quit foreach $one, $two, $three, $plain;
nothing_left($node, 'in the end');
healthy($node);
$node->stop;
done_testing();
