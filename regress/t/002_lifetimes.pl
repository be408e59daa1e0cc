# Jobs outlive their launchers, launchers outlive their jobs, and both learn the truth.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::RealBin;
use Jobs;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

# A job waits for its reader here. What it does otherwise: 031_spool.pl.
my $node = server('lifetimes', conf => "pg_background.spool_limit = 0\nmax_connections = 20\nmax_worker_processes = 16\nautovacuum_max_workers = 1\n");
my $watcher = session($node);
my ($out, $err, $session);

sub state { return value($session, 'SELECT state FROM jobs WHERE pid = :pid AND cookie = :cookie') }
sub noted { return value($watcher, "SELECT count(*) FROM done WHERE note = '$_[0]'") }

sub until_noted
{
	my ($note, $count) = @_;
	return $node->poll_query_until('postgres', "SELECT count(*) = $count FROM done WHERE note = '$note'");
}

sub until_gone
{
	return $node->poll_query_until('postgres', "SELECT count(*) = 0 FROM pg_stat_activity WHERE pid = $_[0]");
}

# --- launching is the last thing that a session does ---

for my $case (
	[ 'launch', q{SELECT pg_background_launch_v2($$INSERT INTO done VALUES (1, 'launch')$$)} ],
	[ 'submit', q{SELECT pg_background_submit_v2($$INSERT INTO done VALUES (1, 'submit')$$)} ],
	[ 'detach', q{SELECT pg_background_detach(pg_background_launch($$INSERT INTO done VALUES (1, 'detach')$$))} ],
	[ 'stream', q{SELECT pg_background_launch_v2($$INSERT INTO done VALUES (1, 'stream'); SELECT repeat('x', 1000) FROM generate_series(1, 500)$$)} ])
{
	my ($what, $sql) = @$case;

	$node->pgbench('-n -C -c 4 -j 2 -t 25', 0, [qr{processed: 100/100}], [qr{^$}],
		"$what, and the session ends: 100 times", { "$what" => $sql });
	ok(until_noted($what, 100), "$what, and the session ends: all jobs have run");
}
nothing_left($node, 'after sessions that ended');

# --- the launcher is gone while the worker runs, is blocked on its queue, or is read ---

value($watcher, 'SELECT pg_advisory_lock(1)');
my @jobs = (
	[ 'runs', 'SELECT pg_advisory_xact_lock(1)', 'advisory', undef ],
	[ 'is blocked on its queue', q{SELECT repeat('x', 1000) FROM generate_series(1, 1000)}, 'MessageQueueSend', undef ],
	[ 'is read', 'SELECT CASE g WHEN 200000 THEN pg_advisory_xact_lock(1)::text ELSE g::text END FROM generate_series(1, 400000) AS g',
		'advisory', 'SELECT count(*) FROM pg_background_result_v2(:pid, :cookie) AS (x text);' ],
	[ 'is waited for', 'SELECT pg_advisory_xact_lock(1)', 'advisory', 'SELECT pg_background_wait_v2(:pid, :cookie);' ]);
my %ends = (
	'quits' => sub { $_[0]->quit },
	'is terminated' => sub {
		my ($launcher, $pid) = @_;
		is(value($watcher, "SELECT pg_terminate_backend($pid)"), 't', "launcher $pid is terminated");
	},
	'loses its client' => sub { $_[0]->{run}->kill_kill });

for my $end ('quits', 'is terminated', 'loses its client')
{
	for my $job (@jobs)
	{
		my ($what, $sql, $event, $call) = @$job;
		my $note = "the launcher $end while the job $what";

		# A session that is busy notices neither.
		next if $call && $end ne 'is terminated';
		my $launcher = session($node);
		my $pid = value($launcher, 'SELECT pg_backend_pid()');
		my $worker = launch($launcher, "INSERT INTO done VALUES (1, '$note'); $sql");
		$launcher->query_until(qr/begun/, "\\echo begun\n$call\n") if $call;
		ok(until_waits_for($node, $worker, $event), "$note: a moment before");
		ok(until_waits_for($node, $pid, wait_event($node)), "$note: a moment before, the launcher waits") if $call;
		$ends{$end}->($launcher, $pid);
		ok(until_gone($pid), "$note: the launcher is gone");
		if ($event eq 'advisory')
		{
			is(value($watcher, "SELECT wait_event FROM pg_stat_activity WHERE pid = $worker"), 'advisory', "$note: the job is there");
			value($watcher, 'SELECT pg_advisory_unlock(1)');
		}
		ok(until_noted($note, 1), "$note: the job commits");
		ok(until_idle($node, $worker), "$note: the worker ends the job");
		value($watcher, 'SELECT pg_advisory_lock(1)') if $event eq 'advisory';
		eval { $launcher->quit } unless $end eq 'quits';
	}
}
value($watcher, 'SELECT pg_advisory_unlock_all()');
nothing_left($node, 'after launchers that went');

# --- a wait or a read that is cancelled ---

$session = session($node);
value($watcher, 'SELECT pg_advisory_lock(1)');
my $locked = launch($session, q{INSERT INTO done VALUES (1, 'cancelled wait'); SELECT pg_advisory_xact_lock(1); SELECT generate_series(1, 5)});
until_waits_for($node, $locked, 'advisory') or die 'the job does not wait';
value($session, 'SET statement_timeout = 200');
for my $call ('pg_background_wait_v2(:pid, :cookie)', 'pg_background_result_v2(:pid, :cookie) AS (n int)')
{
	($out, $err) = ask($session, "SELECT * FROM $call");
	like($err, qr/ERROR:  57014: canceling statement due to statement timeout/, "$call is cancelled");
	is(state(), 'running', "the job runs on after $call was cancelled");
}
value($session, 'RESET statement_timeout');
value($watcher, 'SELECT pg_advisory_unlock(1)');
value($session, 'SELECT pg_background_wait_v2(:pid, :cookie)');
is(state(), 'stopped', 'a job whose wait and read were cancelled ends well');
is(value($session, 'SELECT sum(n) FROM pg_background_result_v2(:pid, :cookie) AS (n int)'), 15, 'all rows are there after a cancelled wait and read');
is(noted('cancelled wait'), 1, 'a job whose wait was cancelled has committed');

# Rows that were given away with the query cannot come again.  The job cancels its reader in the middle.  (Should the reader have been late, and
# the rows be in a file: the timeout.)
value($watcher, 'SELECT pg_advisory_lock(1)');
my $reader = value($session, 'SELECT pg_backend_pid()');
launch($session, qq{INSERT INTO done VALUES (1, 'cancelled read');
  SELECT CASE g WHEN 100000 THEN pg_cancel_backend($reader)::text || pg_advisory_xact_lock(1)::text ELSE g::text END FROM generate_series(1, 200000) AS g});
($out, $err) = ask($session,
	"SET statement_timeout = '20s'; SELECT count(*) FROM pg_background_result_v2(:pid, :cookie) AS (x text); RESET statement_timeout");
like($err, qr/ERROR:  57014: /, 'a read is cancelled half-way');
value($session, 'RESET statement_timeout');
($out, $err) = ask($session, 'SELECT count(*) FROM pg_background_result_v2(:pid, :cookie) AS (x text)');
like($err, qr/ERROR:  42704: results for PID \d+ have already been consumed/, 'a result whose read was cancelled half-way cannot be read again');
is(value($session, 'SELECT consumed FROM jobs'), 't', 'the list says that a result whose read was cancelled is consumed');
value($watcher, 'SELECT pg_advisory_unlock(1)');
value($session, 'SELECT pg_background_wait_v2(:pid, :cookie)');
is(state(), 'stopped', 'the job ends well without its reader');
is(noted('cancelled read'), 1, 'a job whose read was cancelled has committed');
value($session, 'SELECT pg_background_detach_v2(:pid, :cookie)');

# --- the worker is terminated or cancelled by somebody else ---

without_idle($node);
value($watcher, 'BEGIN; LOCK TABLE pg_db_role_setting IN ACCESS EXCLUSIVE MODE');
my $pid = launch($session, q{INSERT INTO done VALUES (1, 'terminated')});
ok(until_true(sub { value($watcher, "SELECT count(*) FROM pg_locks WHERE pid = $pid AND NOT granted") == 1 }),
	'a worker that connects waits for a lock');
is(state(), 'starting', 'a worker that waits for a lock while it connects is starting');
is(value($watcher, "SELECT pg_terminate_backend($pid)"), 't', 'a worker that connects is terminated');
value($session, 'SELECT pg_background_wait_v2(:pid, :cookie)');
value($watcher, 'COMMIT');
is(state(), 'error', 'a worker that is terminated while it connects: error');
($out, $err) = ask($session, 'SELECT * FROM pg_background_result_v2(:pid, :cookie) AS (tag text)');
like($err, qr/ERROR:  57P01: terminating background worker/, 'a worker that was terminated while it connected says what it died of');

for my $job (
	[ 'runs', 'SELECT pg_sleep(600)', 'PgSleep' ],
	[ 'is blocked on its queue', q{SELECT repeat('x', 1000) FROM generate_series(1, 1000)}, 'MessageQueueSend' ])
{
	my ($what, $sql, $event) = @$job;

	$pid = launch($session, "INSERT INTO done VALUES (1, 'terminated'); $sql");
	ok(until_waits_for($node, $pid, $event), "a job that $what is about to be terminated");
	is($node->safe_psql('postgres', "SELECT pg_terminate_backend($pid)"), 't', "the worker of a job that $what is terminated");
	value($session, 'SELECT pg_background_wait_v2(:pid, :cookie)');
	is(state(), 'error', "a terminated job that $what is an error");
	like(value($session, 'SELECT last_error FROM jobs WHERE pid = :pid'), qr/^terminating background worker/, "the list says why a terminated job that $what failed");
	($out, $err) = ask($session, 'SELECT * FROM pg_background_result_v2(:pid, :cookie) AS (x text)');
	like($err, qr/ERROR:  57P01: terminating background worker .* due to administrator command/, "the read says why a terminated job that $what failed");
	like($err, qr/CONTEXT:  .*background worker, pid $pid/s, "the error of a terminated job that $what has its context");

	$pid = launch($session, "INSERT INTO done VALUES (1, 'terminated'); $sql");
	ok(until_waits_for($node, $pid, $event), "a job that $what is about to be cancelled by somebody else");
	is($node->safe_psql('postgres', "SELECT pg_cancel_backend($pid)"), 't', "the statement of a job that $what is cancelled by somebody else");
	value($session, 'SELECT pg_background_wait_v2(:pid, :cookie)');
	is(state(), 'error', "a job that $what and is cancelled by somebody else is an error, not canceled");
	($out, $err) = ask($session, 'SELECT * FROM pg_background_result_v2(:pid, :cookie) AS (x text)');
	like($err, qr/ERROR:  57014: canceling statement due to user request/, "the read throws the cancel of a job that $what");
}
is(noted('terminated'), 0, 'nothing of jobs that were terminated or cancelled by others has committed');
is(value($session, 'SELECT count(*) FROM jobs'), 0, 'terminated jobs that were read leave no handle');

# --- a deadlock with another session ---

# Who looks for deadlocks is whose deadlock_timeout passes; the job's is its launcher's.
value($watcher, 'CREATE TABLE a (); CREATE TABLE b (); SELECT pg_advisory_lock(1)');
$pid = launch($session, q{SET deadlock_timeout = '10ms'; INSERT INTO done VALUES (1, 'deadlock'); LOCK TABLE a;
  SELECT pg_advisory_xact_lock(1); LOCK TABLE b; SELECT 1});
ok(until_waits_for($node, $pid, 'advisory'), 'a job holds a lock');
my $rival = session($node);
my $rival_pid = value($rival, q{SET deadlock_timeout = '1h'; SELECT pg_backend_pid()});
value($rival, 'BEGIN; LOCK TABLE b');
$rival->query_until(qr/begun/, "\\echo begun\nLOCK TABLE a;\n\\echo locked\n");
ok(until_waits_for($node, $rival_pid, 'relation'), 'another session waits for the lock of a job');
value($watcher, 'SELECT pg_advisory_unlock(1)');
$rival->query_until(qr/locked/, '');
($out, $err) = ask($session, 'SELECT * FROM pg_background_result_v2(:pid, :cookie) AS (n int)');
like($err, qr/ERROR:  40P01: deadlock detected/, 'the job is the victim of a deadlock');
like($err, qr/DETAIL:  Process $pid waits for AccessExclusiveLock on relation \d+ of database \d+; blocked by process $rival_pid\./,
	'the victim of a deadlock says of what');
$rival->quit;
is(noted('deadlock'), 0, 'nothing of the victim of a deadlock has committed');

# --- the launching transaction, in whole or in part, rolls back ---

value($session, 'BEGIN; SAVEPOINT s');
launch($session, q{INSERT INTO done VALUES (1, 'rolled back')});
value($session, 'ROLLBACK TO s');
is(value($session, 'SELECT * FROM pg_background_result_v2(:pid, :cookie) AS (tag text)'), 'INSERT 0 1',
	'a job launched in a subtransaction that rolled back is read after it');
launch($session, q{INSERT INTO done VALUES (1, 'rolled back') RETURNING note});
value($session, 'ROLLBACK');
is(value($session, 'SELECT * FROM pg_background_result_v2(:pid, :cookie) AS (note text)'), 'rolled back',
	'a job launched in a transaction that rolled back is read after it');
is(noted('rolled back'), 2, 'both jobs whose launching transactions rolled back have committed');
value($session, q{DO $$
DECLARE h pg_background_handle;
BEGIN
  FOR i IN 1..50 LOOP
    BEGIN
      h := pg_background_launch_v2($j$INSERT INTO done VALUES (1, 'exception')$j$);
      PERFORM 1 / 0;
    EXCEPTION WHEN division_by_zero THEN
      PERFORM pg_background_wait_v2(h.pid, h.cookie);
      IF i % 2 = 0 THEN
        PERFORM * FROM pg_background_result_v2(h.pid, h.cookie) AS (tag text);
      ELSE
        PERFORM pg_background_detach_v2(h.pid, h.cookie);
      END IF;
    END;
  END LOOP;
END $$});
is(noted('exception'), 50, '50 jobs launched in exception blocks that rolled back have committed');

# A read that a subtransaction rolls back.
launch($session, 'SELECT generate_series(1, 3)');
value($session, 'BEGIN; SAVEPOINT s');
($out, $err) = ask($session, 'SELECT * FROM pg_background_result_v2(:pid, :cookie) AS (a int, b int)');
like($err, qr/ERROR:  42804: /, 'a read with a wrong list fails');
value($session, 'ROLLBACK TO s');
is(value($session, 'SELECT sum(n) FROM pg_background_result_v2(:pid, :cookie) AS (n int)'), 6, 'a read that failed in a subtransaction has lost no row');
value($session, 'ROLLBACK');

# --- NOTIFY ---

my $listener = session($node);
value($listener, 'LISTEN news');
value($watcher, 'SELECT pg_advisory_lock(1)');
my $launcher = session($node);
$pid = launch($launcher, q{NOTIFY news, 'from the job'; SELECT pg_advisory_xact_lock(1)});
ok(until_waits_for($node, $pid, 'advisory'), 'a job has notified and not committed');
$launcher->quit;
is(value($listener, 'SELECT 1'), '1', 'nobody hears of a notification before the job commits');
value($watcher, 'SELECT pg_advisory_unlock(1)');
my $heard = '';
ok(until_true(sub { $heard .= value($listener, 'SELECT 1'); $heard =~ /notification/ }), 'a notification is delivered when the job commits');
like($heard, qr/notification "news" with payload "from the job" received from server process with PID $pid/, 'a notification is delivered as the job sent it');
$listener->quit;

# --- no slot ---

my $slots = value($session, 'SHOW max_worker_processes');
my $before = segments($node);
value($session, 'SET pg_background.max_workers = 1000');
($out, $err) = ask($session, q{SELECT pg_background_launch_v2('SELECT pg_sleep(600)') FROM generate_series(1, 1000)});
like($err, qr/ERROR:  53000: could not register background process\nHINT:  You may need to increase max_worker_processes\./,
	'no slot for a process is free');
my $tracked = value($session, 'SELECT count(*) FROM jobs');
cmp_ok($tracked, '>=', $slots - 2, "a session gets $tracked of $slots slots");
cmp_ok($tracked, '<=', $slots, 'a session gets no more slots than there are');
my $full = segments($node);
my $from = time;
($out, $err) = ask($session, "SELECT pg_background_submit_v2('SELECT 1')");
like($err, qr/ERROR:  53000: /, 'no slot is free for the next launch either');
cmp_ok(time - $from, '<', 20, 'a launch is told in time that no slot is free');
is(value($session, 'SELECT count(*) FROM jobs'), $tracked, 'there is no handle of a launch that found no slot');
cmp_ok(segments($node), '<=', $full + $Jobs::kept, 'a launch that found no slot leaves no segment, but for those that the session keeps');
($out, $err) = ask($watcher, "SELECT pg_background_launch_v2('SELECT 1')");
like($err, qr/ERROR:  53000: /, 'another session is told that no slot is free');

# A slot that becomes free is waited for: for a second, or longer where there is a registry.
value($session, 'SELECT pg_background_cancel_v2(pid, cookie), pg_background_wait_v2(pid, cookie), pg_background_detach_v2(pid, cookie)
  FROM jobs LIMIT 1');
$pid = launch($session, 'SELECT pg_sleep(0.3)');
value($watcher, q{SET pg_background.launch_timeout = '1min'});
is(value($watcher, q{SELECT * FROM pg_background_result(pg_background_launch('SELECT 1')) AS (n int)}), 1,
	'a slot that is about to become free is waited for');
value($session, 'SELECT pg_background_cancel_v2(pid, cookie) FROM jobs; SELECT pg_background_wait_v2(pid, cookie) FROM jobs');
value($session, 'SELECT pg_background_detach_v2(pid, cookie) FROM jobs');
nothing_left($node, 'after all slots were taken');
is(value($session, q{SELECT sum(n) FROM generate_series(1, 30) AS i, LATERAL
  (SELECT * FROM pg_background_result(pg_background_launch('SELECT 1 + 0 * ' || i)) AS (n int)) AS r}), 30, '30 jobs run after all slots were taken');

# --- no segment ---

($out, $err) = ask($session, q{DO $$
DECLARE h pg_background_handle;
BEGIN
  FOR i IN 1..999 LOOP
    h := pg_background_submit_v2(format('INSERT INTO done VALUES (%s, %L)', i, 'segments'));
    PERFORM pg_background_wait_v2(h.pid, h.cookie);
  END LOOP;
END $$});
like($err, qr/ERROR:  53000: too many dynamic shared memory segments/, 'no segment for a job is free');
$tracked = value($session, 'SELECT count(*) FROM jobs');
cmp_ok($tracked, '>', 50, "a session has $tracked jobs before segments run out");
is(noted('segments'), $tracked, 'each job that got a segment has run');
is(value($session, q{SELECT count(*) FROM jobs WHERE state = 'stopped'}), $tracked, 'each job that got a segment says that it has ended well');
cmp_ok(segments($node), '<=', $before + $tracked, 'the launch that found no segment left none behind');
value($session, 'SELECT pg_background_detach_v2(pid, cookie) FROM jobs');
nothing_left($node, 'after all segments were taken');
is(value($session, q{SELECT * FROM pg_background_result(pg_background_launch('SELECT 1')) AS (n int)}), 1, 'a job runs after all segments were taken');

# --- the launcher's role may not connect any more ---

value($session, 'CREATE ROLE guest LOGIN; SELECT grant_pg_background_privileges(\'guest\'); GRANT SELECT ON jobs TO guest');
my $guest = session($node, extra => [ '-U', 'guest' ]);
is(value($guest, q{SELECT * FROM pg_background_result(pg_background_launch('SELECT session_user')) AS (n name)}), 'guest', 'a guest that may log in has jobs');
for my $case (
	[ 'NOLOGIN', 'ALTER ROLE guest NOLOGIN', 'ALTER ROLE guest LOGIN', '28000: role "guest" is not permitted to log in' ],
	[ 'no CONNECT', 'REVOKE CONNECT ON DATABASE postgres FROM PUBLIC', 'GRANT CONNECT ON DATABASE postgres TO PUBLIC',
		'42501: permission denied for database "postgres"' ],
	[ 'connection limit', 'ALTER ROLE guest CONNECTION LIMIT 0', 'ALTER ROLE guest CONNECTION LIMIT -1', undef ])
{
	my ($what, $do, $undo, $error) = @$case;

	value($session, $do);
	launch($guest, 'SELECT session_user');
	value($guest, 'SELECT pg_background_wait_v2(:pid, :cookie)');
	my ($state, $message) = split /\|/, value($guest,
		'SELECT state, last_error FROM ' . LIST . ' WHERE pid = :pid AND cookie = :cookie');
	($out, $err) = ask($guest, 'SELECT * FROM pg_background_result_v2(:pid, :cookie) AS (n name)');
	if ($error)
	{
		is($state, 'error', "$what: the job is an error");
		like("$error", qr/\Q$message\E/, "$what: the list says why");
		like($err, qr/ERROR:  \Q$error\E/, "$what: the read says why");
	}
	else
	{
		# the server counts no background worker as a connection
		is("$state|$out", 'stopped|guest', "$what: it does not matter to a job");
	}
	value($session, $undo);
}
value($session, q{REVOKE SELECT ON jobs FROM guest; SELECT revoke_pg_background_privileges('guest'); DROP OWNED BY guest; DROP ROLE guest;
  GRANT EXECUTE ON FUNCTION pg_background_launch(text, int), pg_background_result(int) TO PUBLIC});
($out, $err) = ask($guest, q{SELECT * FROM pg_background_result(pg_background_launch('SELECT 1')) AS (n int)});
like($err, qr/ERROR:  28000: role with OID \d+ does not exist/, 'a dropped role: the read says why');
$guest->quit;
value($session, 'REVOKE EXECUTE ON FUNCTION pg_background_launch(text, int), pg_background_result(int) FROM PUBLIC');
nothing_left($node, 'after guests');

# --- the database is dropped ---

value($session, 'CREATE DATABASE other');
$node->safe_psql('other', 'CREATE EXTENSION pg_background');
$launcher = session($node, dbname => 'other');
$pid = launch($launcher, 'SELECT pg_sleep(600)');
$launcher->quit;
ok(until_waits_for($node, $pid, 'PgSleep'), 'a job without launcher runs in another database');
is(value($watcher, "SELECT datname FROM pg_stat_activity WHERE pid = $pid"), 'other', 'a job without launcher is connected to the other database');
value($session, 'DROP DATABASE other WITH (FORCE)');
ok(until_gone($pid), 'a job without launcher goes with its database');

$session->quit;
$watcher->quit;
nothing_left($node, 'in the end');
healthy($node);
done_testing();
