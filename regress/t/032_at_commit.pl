# Jobs that start at a commit: commits that find no process, sessions that end, many jobs, limits; and, with a library that has points
# (src/point.rs; PGBG_POINTS=1), the end of the session, of the dispatcher and of the worker at every point.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::RealBin;
use Jobs;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = server('at_commit', preload => 1, conf => <<'END');
max_worker_processes = 4
max_prepared_transactions = 2
pg_background.max_idle_workers = 2
pg_background.idle_timeout = '10min'
END
my $session = session($node, timeout => 300);
my $other = session($node);

sub look { return Jobs::look($node, $_[0]) }
sub done { return look("SELECT count(*) FROM done WHERE note = '$_[0]'") }
sub in_history { return look("SELECT string_agg(state, ' ') FROM pg_background_history WHERE label = '$_[0]'") }
sub none_waits { return until_true(sub { look('SELECT count(*) FROM pg_stat_background') == 0 }, 120) }

# The server's processes.
sub children
{
	my $postmaster = (split /\n/, slurp_file($node->data_dir . '/postmaster.pid'))[0];
	return grep { (process_field($_, 'PPid') // 0) == $postmaster } map { m{/(\d+)$} ? $1 : () } glob '/proc/[0-9]*';
}

# What a process calls itself; it may be gone.
sub title
{
	open(my $in, '<', "/proc/$_[0]/cmdline") or return '';
	return scalar(<$in>) // '';
}

# A statement that asks for a job which notes that it has run.
my $id = 0;
sub insert_job
{
	my ($note, $more) = @_;
	$id++;
	$more //= 'results => false';
	return "SELECT h AS job FROM pg_background_start(\$job\$INSERT INTO done VALUES ($id, '$note')\$job\$, label => '$note', at_commit => true, $more) h \\gset\n";
}

# The memory in which jobs wait stays: it is made before segments are counted.
value($session, insert_job('first'));
ok(none_waits(), 'the first job has ended');
is(done('first'), 1, 'the first job has run');
Jobs::at_rest($node);

# --- what rolls back, and what cannot be prepared ---

like((ask($session, "BEGIN;\n" . insert_job('prepared') . "PREPARE TRANSACTION 'p';"))[1],
	qr/ERROR:  0A000: cannot PREPARE a transaction that has background jobs/, 'PREPARE TRANSACTION is refused');
is(look('SELECT count(*) FROM pg_prepared_xacts'), 0, 'nothing is prepared');
value($session, "BEGIN;\nSAVEPOINT s;\n" . insert_job('prepared') . "ROLLBACK TO s;\nPREPARE TRANSACTION 'p';");
value($session, "COMMIT PREPARED 'p'");

value($session, 'CREATE TABLE pairs (n int); INSERT INTO pairs VALUES (1)');
value($session, "BEGIN ISOLATION LEVEL SERIALIZABLE;\nSELECT sum(n) FROM pairs;\nINSERT INTO pairs VALUES (2);\n" . insert_job('serialization'));
value($other, "BEGIN ISOLATION LEVEL SERIALIZABLE;\nSELECT sum(n) FROM pairs;\nINSERT INTO pairs VALUES (3);\nCOMMIT");
like((ask($session, 'COMMIT'))[1], qr/ERROR:  40001/, 'a commit fails to serialize');

my $doomed = session($node);
my $doomed_pid = value($doomed, 'SELECT pg_backend_pid()');
value($doomed, "BEGIN;\n" . insert_job('terminated') . insert_job('terminated', 'results => true'));
value($other, "SELECT pg_terminate_backend($doomed_pid)");
ok(until_true(sub { is_gone($doomed_pid) }), 'a session is terminated in its transaction');
eval { $doomed->quit };

ok(none_waits(), 'no job is left');
is(look("SELECT count(*) FROM pg_background_history WHERE label IN ('prepared', 'serialization', 'terminated')"), 0, 'none of these jobs was launched');

# --- a session that ends right after the commit ---

$node->safe_psql('postgres', "BEGIN;\n" . insert_job('ended') . insert_job('ended', 'results => true') . 'COMMIT;');
ok(none_waits(), 'jobs of a session that has ended end');
is(done('ended'), 2, 'jobs of a session that has ended right after its commit have run');
# rows and messages that nobody reads are in nobody's way
$node->safe_psql('postgres', "BEGIN;\nSELECT pg_background_start('SELECT repeat(''x'', 1000) FROM generate_series(1, 1000)', label => 'unread', at_commit => true);\nCOMMIT;");
ok(none_waits(), 'so does one whose rows nobody reads');
is(in_history('unread'), 'stopped', 'it has run');

# --- many jobs, and limits ---

for my $limits ('', "pg_background.max_workers_per_role = '1'", "pg_background.max_workers_total = '2'")
{
	my $note = "many $limits" =~ s/'//gr;

	setting($node, $1, $2) if $limits =~ /(\S+) = '(\d+)'/;
	value($session, "BEGIN;\nSELECT count(pg_background_start(format('INSERT INTO done VALUES (%s, %L)', n, '$note'), label => '$note', at_commit => true, results => false)) FROM generate_series(1, 1000) n;\nCOMMIT");
	ok(none_waits(), "1,000 jobs of one transaction end ($note)");
	is(look("SELECT count(*) || ' ' || count(DISTINCT id) FROM done WHERE note = '$note'"), '1000 1000', 'each has run once');
	is(look("SELECT count(*) FROM pg_background_history WHERE label = '$note' AND state <> 'stopped'"), 0, 'none has failed');
	setting($node, $1, 0) if $limits =~ /(\S+) =/;
}

# Jobs of a role that is at its limit keep no other role's jobs out.
value($session, 'CREATE ROLE limited LOGIN; GRANT pgbackground_role TO limited; GRANT INSERT ON done TO limited; ALTER ROLE limited SET pg_background.max_workers_per_role = 1');
my $limited = session($node, extra => [ '-U', 'limited' ]);
value($other, 'SELECT pg_advisory_lock(1)');
value($limited, "BEGIN;\nSELECT pg_background_start('SELECT pg_advisory_lock_shared(1)', at_commit => true, results => false) FROM generate_series(1, 3);\nCOMMIT");
value($session, insert_job('another role'));
ok(until_true(sub { done('another role') }), 'jobs of a role that is at its limit keep out none of another role');
is(look("SELECT count(*) FROM pg_stat_background WHERE usename = 'limited' AND state = 'starting' AND pid IS NULL"), 2, 'jobs that wait are shown');
# A job that waits can be stopped, and waited for, by other sessions.
my $waiting = look("SELECT cookie FROM pg_stat_background WHERE usename = 'limited' AND pid IS NULL ORDER BY launched_at DESC LIMIT 1");
is(value($session, "SELECT pg_background_await(ROW(0, $waiting)::pg_background_handle, '10ms')"), 'f', 'a job that waits has not ended');
is(value($session, "SELECT pg_background_stop(ROW(0, $waiting)::pg_background_handle)"), 't', 'a job that waits is stopped');
is(value($session, "SELECT pg_background_await_any(ARRAY[ROW(0, $waiting)::pg_background_handle]) IS NOT NULL"), 't', 'and has ended at once');
is(value($session, "SELECT state FROM pg_background_outcome(ROW(0, $waiting)::pg_background_handle)"), 'canceled', 'as canceled');
value($other, 'SELECT pg_advisory_unlock(1)');
ok(none_waits(), 'the others run in the end');
$limited->quit;

# The same behind a job that is kept out by a limit for all.
setting($node, 'pg_background.max_workers_total', 1);
value($other, 'SELECT pg_advisory_lock(1)');
value($session, "SELECT pg_background_start('SELECT pg_advisory_lock_shared(1)', results => false)");
value($session, "BEGIN;\n" . insert_job('first in line') . 'SELECT :\'job\' AS first \gset' . "\n" . insert_job('second in line', 'results => false') . 'COMMIT');
is(value($session, q{SELECT pg_background_await(:'job', '10ms')}), 'f', 'a job waits behind another');
is(value($session, q{SELECT pg_background_stop(:'job')}), 't', 'it is stopped');
is(value($session, q{SELECT pg_background_await(:'job')}), 't', 'and ends, though the first one waits');
is(in_history('second in line') . ' ' . done('first in line'), 'canceled 0', 'as canceled');

# Sessions that launch one job after the other, and wait for their turn, do not come before it for ever.
my @loops = map { session($node, timeout => 300) } 1 .. 3;
$_->query_until(qr/begun/, "SET pg_background.launch_timeout = '5min';\n\\echo begun\n"
	  . "DO \$\$ BEGIN LOOP PERFORM pg_background_exec('SELECT pg_sleep(0.01)'); END LOOP; END \$\$;\n") for @loops;
ok(until_true(sub { look(q{SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'DO %LOOP PERFORM%' AND wait_event_type = 'Extension'}) == 3 }), 'others wait, too');
value($other, 'SELECT pg_advisory_unlock(1)');
ok(until_true(sub { done('first in line') }), 'the first runs while they launch one job after the other');
look(q{SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE query LIKE 'DO %LOOP PERFORM%' AND backend_type = 'client backend'});
$_->quit for @loops;
setting($node, 'pg_background.max_workers_total', 0);
ok(none_waits(), 'all have ended');

# One database that is full, with jobs of as many roles as there is room for in the queue of launches: those of another have their turns.
setting($node, 'pg_background.max_workers_per_database', 1);
value($session, "CREATE ROLE many_$_; GRANT pgbackground_role TO many_$_; GRANT INSERT ON done TO many_$_") for 1 .. 17;
value($other, 'SELECT pg_advisory_lock(1)');
value($session, "SELECT pg_background_start('SELECT pg_advisory_lock_shared(1)', results => false)");
value($session, "SET SESSION AUTHORIZATION many_$_;\n" . insert_job('of many roles', 'results => false') . 'RESET SESSION AUTHORIZATION') for 1 .. 17;
ok(until_true(sub { look("SELECT count(*) FROM pg_stat_background WHERE label = 'of many roles' AND pid IS NULL") == 17 }), 'jobs of many roles wait for one database');
$node->safe_psql('postgres', 'CREATE DATABASE elsewhere');
$node->safe_psql('elsewhere', 'CREATE EXTENSION pg_background; CREATE TABLE done (id int, note text)');
{
	my ($elsewhere, $holder, @loops) = map { session($node, dbname => 'elsewhere', timeout => 300) } 1 .. 4;

	value($holder, 'SELECT pg_advisory_lock(1)');
	value($elsewhere, "SELECT pg_background_start('SELECT pg_advisory_lock_shared(1)', results => false)");
	value($elsewhere, insert_job('elsewhere', 'results => false'));
	$_->query_until(qr/begun/, "SET pg_background.launch_timeout = '5min';\n\\echo begun\n"
		  . "DO \$\$ BEGIN LOOP PERFORM pg_background_exec('SELECT pg_sleep(0.01)'); END LOOP; END \$\$;\n") for @loops;
	ok(until_true(sub { look(q{SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'DO %LOOP PERFORM%' AND wait_event_type = 'Extension'}) == 2 }), 'sessions wait elsewhere');
	value($holder, 'SELECT pg_advisory_unlock(1)');
	ok(until_true(sub { $node->safe_psql('elsewhere', 'SELECT count(*) FROM done') == 1 }), 'a job of a commit has its turn there');
	look(q{SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE query LIKE 'DO %LOOP PERFORM%' AND backend_type = 'client backend'});
	$_->quit for $elsewhere, $holder, @loops;
}
value($other, 'SELECT pg_advisory_unlock(1)');
ok(none_waits(), 'all have ended');
is(done('of many roles'), 17, 'each has run');
setting($node, 'pg_background.max_workers_per_database', 0);

# --- a commit that finds no process ---

# All are busy: one is the server's own, for logical replication.
value($other, 'SELECT pg_advisory_lock(1)');
without_idle($node);
ok(until_true(sub { look("SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'pg_background'") == 0 }), 'no worker is left');
my @busy;
until_true(sub {
	my ($out) = ask($session, "SELECT cookie FROM pg_background_submit_v2('SELECT pg_advisory_lock_shared(1)')");
	push @busy, $out if $out =~ /^-?\d+$/;
	return @busy == 3;
});
is(scalar @busy, 3, 'all processes are busy');
value($session, "BEGIN;\n" . insert_job('no process') . insert_job('no process', 'results => true') . 'COMMIT');
is(value($session, "SELECT state FROM pg_background_outcome(:'job')"), 'starting', 'a commit that finds no process commits, and its job waits');
value($other, 'SELECT pg_advisory_unlock(1)');
ok(none_waits(), 'a job that waits for a process gets one');
is(done('no process'), 2, 'and has run');
value($session, 'SELECT pg_background_forget_all()');

# A job that waits for a process keeps its place when others that wait are stopped.
value($session, 'SELECT pg_background_forget_all()');
without_idle($node);
value($other, 'SELECT pg_advisory_lock(n) FROM generate_series(1, 3) n');
ok(until_true(sub { !grep { title($_) =~ /pg_background/ } children() }), 'no worker, and no dispatcher');
value($session, "SELECT pg_background_start('SELECT pg_advisory_lock_shared(1)', results => false)");
# with the dispatcher's all slots are taken then
value($session, "SELECT pg_background_start('SELECT pg_advisory_lock_shared(2)', results => false, at_commit => true)");
{
	my $waits = sub { look('SELECT coalesce(sum(queue_waits), 0) FROM pg_stat_background_totals') };
	my $before = $waits->();
	my $first = sub { look("SELECT label FROM pg_stat_background WHERE pid IN (SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND objid = 3 AND NOT granted) ORDER BY started_at LIMIT 1") };
	my $behind = session($node, timeout => 300);
	my $pid = value($behind, 'SELECT pg_backend_pid()');

	value($session, "SELECT pg_background_start('SELECT pg_advisory_lock_shared(3)', results => false, at_commit => true, label => 'job of a commit')");
	ok(until_true(sub { $waits->() > $before }), 'a job waits for a process');
	$behind->query_until(qr/begun/, "SET pg_background.launch_timeout = '5min';\n\\echo begun\n"
		  . "SELECT pg_background_exec('SELECT pg_advisory_lock_shared(3)', label => 'job of a session');\n");
	ok(until_waits_for($node, $pid, wait_event($node, 'Launch')), 'a session waits behind it');
	value($session, insert_job('stopped behind', 'results => false'));
	is(value($session, q{SELECT pg_background_stop(:'job')}), 't', 'another job is stopped');
	ok(until_true(sub { in_history('stopped behind') eq 'canceled' }), 'and ends');
	value($other, 'SELECT pg_advisory_unlock(1)');
	ok(until_true(sub { $first->() ne '' }), 'there is a process');
	is($first->(), 'job of a commit', 'for the one that has waited longest');
	value($other, 'SELECT pg_advisory_unlock_all()');
	value($behind, 'SELECT 1');
	$behind->quit;
	ok(none_waits(), 'all have ended');
}

# The same where no worker stays idle, and all end in one moment.
value($session, 'SELECT pg_background_forget_all()');
setting($node, 'pg_background.max_idle_workers', 0);
value($other, 'SELECT pg_advisory_lock(1)');
@busy = ();
until_true(sub {
	my ($out) = ask($session, "SELECT cookie FROM pg_background_submit_v2('SELECT pg_advisory_lock_shared(1)')");
	push @busy, $out if $out =~ /^-?\d+$/;
	return @busy == 3;
});
$node->safe_psql('postgres', "BEGIN;\n" . insert_job('none idle') . 'COMMIT');
value($other, 'SELECT pg_advisory_unlock(1)');
ok(until_true(sub { done('none idle') }), 'a job that waits for a process gets one though all workers leave at once');
setting($node, 'pg_background.max_idle_workers', 2);

# All are idle workers of another kind, or lingering.
setting($node, 'pg_background.max_idle_workers', 4);
value($session, 'CREATE ROLE idler LOGIN; GRANT pgbackground_role TO idler');
my $idler = session($node, extra => [ '-U', 'idler' ]);
ok(until_true(sub {
	return !(ask($idler, "SELECT pg_background_await_all(array_agg(pg_background_start('SELECT pg_sleep(0.3)', results => false))) FROM generate_series(1, 3) n"))[1];
}), 'all processes are workers of another role');
ask($idler, 'SELECT pg_background_forget_all()');
$idler->quit;
value($session, insert_job('idle ones'));
ok(none_waits(), 'idle workers make room');
is(done('idle ones'), 1, 'and the job has run');
setting($node, 'pg_background.max_idle_workers', 2);

# --- the server has no more segments ---

# The jobs that are asked for first get theirs when they are launched. The others have theirs: they are not in line behind the first.
{
	my $session = session($node, timeout => 300);

	value($session, 'SET pg_background.max_workers = 1000');
	value($session, "BEGIN;\n" . insert_job('without segment') . insert_job('without segment'));
	my ($count) = value($session, <<'END');
CREATE FUNCTION take_segments() RETURNS int LANGUAGE plpgsql AS $$
BEGIN
  FOR n IN 1 .. 1000 LOOP
    BEGIN
      PERFORM pg_background_start('INSERT INTO done VALUES (' || n || ', ''with segment'')', at_commit => true, queue_size => 65536);
    EXCEPTION WHEN insufficient_resources THEN
      RETURN n - 1;
    END;
  END LOOP;
END $$;
SELECT take_segments();
END
	cmp_ok($count, '>', 10, 'a transaction takes all segments');
	value($session, 'COMMIT');
	ok(until_true(sub { done('with segment') == $count }, 120), 'jobs that have segments run when the server has no more');
	value($session, 'SELECT pg_background_forget_all()');
	$session->quit;
	ok(none_waits(), 'the others run in the end');
	is(done('without segment'), 2, 'once each');
}

# --- a role that may not connect any more, a database that is gone ---

# A job of the role runs when it loses what it needs to connect, and the next one would be that worker's.
value($session, 'CREATE ROLE members; CREATE ROLE evicted LOGIN; GRANT pgbackground_role TO evicted; ALTER ROLE evicted SET pg_background.max_workers_per_role = 1');
$node->safe_psql('postgres', $_) for 'CREATE DATABASE club', 'REVOKE CONNECT ON DATABASE club FROM PUBLIC';
$node->safe_psql('club', 'CREATE EXTENSION pg_background');
for my $loss (
	[ 'REVOKE members FROM evicted', '42501' ],
	[ 'REVOKE CONNECT ON DATABASE club FROM members', '42501' ],
	[ 'ALTER DATABASE club ALLOW_CONNECTIONS false', '55000' ],
	[ 'ALTER ROLE evicted NOLOGIN', '28000' ])
{
	my ($statement, $code) = @$loss;

	value($session, 'GRANT members TO evicted; GRANT CONNECT ON DATABASE club TO members; ALTER DATABASE club ALLOW_CONNECTIONS true');
	my $evicted = session($node, dbname => 'club', extra => [ '-U', 'evicted' ]);
	my $holder = session($node, dbname => 'club');
	value($holder, 'SELECT pg_advisory_lock(1)');
	value($evicted, "SELECT pg_background_start('SELECT pg_advisory_lock_shared(1)', results => false)");
	ok(until_true(sub { look("SELECT count(*) FROM pg_stat_activity WHERE usename = 'evicted' AND wait_event = 'advisory'") }), 'a job runs');
	value($evicted, "SELECT pg_background_start('SELECT 1', label => '$statement', at_commit => true, results => false)");
	value($session, $statement);
	value($holder, 'SELECT pg_advisory_unlock(1)');
	ok(none_waits(), "the job ends ($statement)");
	is(look("SELECT string_agg(concat_ws(' ', state, sqlstate), ', ') FROM pg_background_history WHERE label = '$statement'"), "error $code", 'as one whose connection is refused');
	$_->quit for $evicted, $holder;
}

# A database that is gone.

value($session, 'CREATE DATABASE gone');
value($other, 'SELECT pg_advisory_lock(1)');
setting($node, 'pg_background.max_workers_total', 1);
value($session, "SELECT cookie FROM pg_background_submit_v2('SELECT pg_advisory_lock_shared(1)')");
value($session, insert_job('gone', "results => false, database => 'gone'"));
value($session, 'DROP DATABASE gone');
value($other, 'SELECT pg_advisory_unlock(1)');
setting($node, 'pg_background.max_workers_total', 0);
ok(none_waits(), 'a job in a database that is gone ends');
is(in_history('gone'), 'error', 'with an error');
value($session, 'SELECT pg_background_forget_all()');

# --- sessions and dispatchers end at any moment, while many transactions commit or roll back ---

$node->safe_psql('postgres', 'CREATE SEQUENCE ids START 1000000; CREATE TABLE asked (id int)');
append_to_file($node->basedir . '/commits.sql', <<'END');
\set roll random(1, 4)
\set wanted random(1, 20)
SELECT nextval('ids') AS id \gset
BEGIN;
INSERT INTO asked VALUES (:id);
SELECT pg_background_start('INSERT INTO done VALUES (' || :id || ', ''at random'')', at_commit => true, results => :wanted = 1);
\if :roll = 1
ROLLBACK;
\else
COMMIT;
\endif
SELECT pg_background_forget_ended();
END
{
	local $ENV{PGOPTIONS} = '-c pg_background.max_workers=1000';
	my ($ended, $terminated) = (0, 0);

	for my $round (1 .. 6)
	{
		my $clients = IPC::Run::start([ 'pgbench', '-n', '-c', 3, '-T', 2, '-f', $node->basedir . '/commits.sql', $node->connstr('postgres') . ' application_name=commits' ],
			'>', \my $out, '2>', \my $err);

		until_true(sub {
			my ($dispatcher) = grep { title($_) =~ /pg_background dispatcher/ } children();
			$ended += kill 'TERM', $dispatcher if $dispatcher;
			$terminated += look("SELECT count(pg_terminate_backend(pid)) FROM (SELECT pid FROM pg_stat_activity WHERE application_name = 'commits' AND backend_type = 'client backend' ORDER BY random() LIMIT 1) a") if rand() < 0.1;
			$clients->pump_nb if $clients->pumpable;
			return !$clients->pumpable;
		});
		$clients->finish;
	}
	note("$ended dispatchers and $terminated sessions were terminated");
	cmp_ok($ended, '>', 0, 'dispatchers were terminated');
}
ok(none_waits(), 'all jobs end');
my ($lost) = look("SELECT count(*) FROM asked WHERE id NOT IN (SELECT id FROM done WHERE note = 'at random')");
my ($too_many) = look("SELECT count(*) FROM done WHERE note = 'at random' AND id NOT IN (SELECT id FROM asked)");
is("$lost lost, $too_many of none", '0 lost, 0 of none', 'each transaction that has committed has its job, and no other');
is(look("SELECT count(*) - count(DISTINCT id) FROM done WHERE note = 'at random'"), 0, 'none has run twice');
cmp_ok(done('at random'), '>', 20, 'there were some');

# A process that is held there fails, until CODE says that it has.
sub fail_at
{
	my ($point, $pid, $code) = @_;

	arm($node, $point, "error $pid");
	until_true($code) or die "$pid has not failed at $point";
	# it leaves its mark
	unlink $node->data_dir . "/pg_background_points/$point.$pid";
	disarm($node, $point);
	return;
}

if ($ENV{PGBG_POINTS})
{
	# --- the session ends, or memory runs out, before and after the commit ---

	for my $point (qw(at-commit-put at-commit-before))
	{
		arm($node, $point, 'error');
		like((ask($session, "BEGIN;\nINSERT INTO done VALUES (0, 'row $point');\n" . insert_job("error $point", 'results => true') . insert_job("error $point") . 'COMMIT;'))[1],
			qr/ERROR:  53200/, "memory runs out at $point");
		disarm($node, $point);
		ask($session, 'ROLLBACK');
		is(done("row $point"), 0, 'the transaction is rolled back');
		is(look("SELECT count(*) FROM pg_background_history WHERE label = 'error $point'"), 0, 'and has started no job');
	}
	for my $point (qw(at-commit-put at-commit-before at-commit-queue))
	{
		my $session = session($node);
		my $pid = value($session, 'SELECT pg_backend_pid()');

		arm($node, $point, "hold $pid");
		$session->query_until(qr/begun/, "BEGIN;\nINSERT INTO done VALUES (0, 'row of $point');\n\\echo begun\n" . insert_job("of $point") . insert_job("of $point", 'results => true') . "COMMIT;\n");
		until_held($node, $point, $pid);
		value($other, "SELECT pg_terminate_backend($pid)");
		disarm($node, $point);
		ok(until_true(sub { is_gone($pid) }), "the session is terminated at $point");
		eval { $session->quit };
		ok(none_waits(), 'no job is left');
		# A termination that comes when the commit has begun is served after it.
		my $committed = done("row of $point");
		is($committed, $point eq 'at-commit-put' ? 0 : 1, 'the transaction has ' . ($committed ? '' : 'not ') . 'committed');
		is(done("of $point"), 2 * $committed, $committed ? 'each of its jobs has run once' : 'none of its jobs has run');
	}

	# --- a session ends for want of memory while it asks for a job: it leaves nothing ---

	{
		# those of jobs before go with their workers
		ok(without_idle($node), 'no worker is left');
		my $segments = segments_of_jobs($node);

		for my $point (qw(at-commit-tracked at-commit-room))
		{
			my $session = session($node);
			my $pid = value($session, 'SELECT pg_backend_pid()');

			value($session, "BEGIN;\n" . insert_job("first, $point", 'results => true'));
			arm($node, $point, "fatal $pid");
			eval { ask($session, insert_job("second, $point", 'results => true')) };
			ok(until_true(sub { is_gone($pid) }), "the session ends at $point");
			eval { $session->quit };
			disarm($node, $point);
			ok(until_true(sub { segments_of_jobs($node) == $segments }), 'and leaves no segment');
		}
	}

	# --- jobs start when the transaction is over for all others: its locks are free, and changed catalogs are announced ---

	{
		my $session = session($node);
		my $pid = value($session, 'SELECT pg_backend_pid()');

		value($session, "CREATE TABLE locked (); CREATE FUNCTION version_of() RETURNS int LANGUAGE sql AS 'SELECT 1'");
		is(value($other, 'SELECT version_of()'), 1, 'another session knows the function');
		arm($node, 'at-commit-queue', "hold $pid");
		$session->query_until(qr/begun/, "BEGIN;\nLOCK TABLE locked;\nCREATE OR REPLACE FUNCTION version_of() RETURNS int LANGUAGE sql AS 'SELECT 2';\n\\echo begun\n" . insert_job('over') . "COMMIT;\n");
		until_held($node, 'at-commit-queue', $pid);
		is(value($other, 'SELECT version_of()'), 2, 'before jobs are queued, others see changed catalogs');
		is((ask($other, 'BEGIN; LOCK TABLE locked NOWAIT; COMMIT'))[1], '', 'and the locks are free');
		ask($other, 'ROLLBACK');
		is(done('over'), 0, 'the job has not started');
		disarm($node, 'at-commit-queue');
		ok(none_waits(), 'it ends');
		is(done('over'), 1, 'and has run');
		$session->quit;
	}

	# --- a request to stop that comes before the dispatcher has a slot for the job, and after it has looked ---

	arm($node, 'dispatch-looked', 'hold');
	value($session, "BEGIN;\n" . insert_job('stopped in time', 'results => false') . 'COMMIT');
	until_held($node, 'dispatch-looked');
	is(value($other, q{SELECT pg_background_stop(ROW(0, cookie)::pg_background_handle) FROM pg_stat_background WHERE label = 'stopped in time'}), 't', 'a job is stopped');
	disarm($node, 'dispatch-looked');
	ok(none_waits(), 'it ends');
	is(in_history('stopped in time') . ' ' . done('stopped in time'), 'canceled 0', 'and has not run');

	# --- the dispatcher fails when a job that has never had a worker leaves the list: the job has ended once ---

	for my $results (qw(false true))
	{
		my $note = "stopped, results $results";

		arm($node, 'dispatch-looked', 'hold');
		value($session, "BEGIN;\n" . insert_job($note, "results => $results") . 'COMMIT');
		my $pid = until_held($node, 'dispatch-looked');
		is(value($session, q{SELECT pg_background_stop(:'job')}), 't', 'a job is stopped');
		arm($node, 'dispatch-remove', 'hold');
		disarm($node, 'dispatch-looked');
		until_held($node, 'dispatch-remove', $pid);
		fail_at('dispatch-remove', $pid, sub { is_gone($pid) });
		value($session, insert_job("behind $note", 'results => true'));
		ok(until_true(sub { done("behind $note") }), "the next dispatcher goes on ($note)");
		is(in_history($note) . ' ' . done($note), 'canceled 0', 'once');
		value($session, 'SELECT pg_background_forget_all()');
	}

	# --- no memory for a segment: the dispatcher goes on, and the job waits ---

	{
		arm($node, 'dispatch-segment', 'error');
		my $offset = -s $node->logfile;
		value($session, "BEGIN;\n" . insert_job('no segment', 'results => false') . insert_job('no segment', 'results => false')
			  . insert_job('has its segment', 'results => true') . 'COMMIT');
		ok(until_true(sub { done('has its segment') }), 'a job that has its segment runs, though others have none');
		is(done('no segment'), 0, 'those have not run');
		ok(until_true(sub { slurp_file($node->logfile, $offset) =~ /background job with cookie -?\d+ waits for a segment of shared memory: /}), 'the log says why');
		unlike(slurp_file($node->logfile, $offset), qr/background worker "pg_background dispatcher".*exited/, 'the dispatcher has not ended');
		is(value($other, q{SELECT pg_background_stop(ROW(0, min(cookie))::pg_background_handle) FROM pg_stat_background WHERE label = 'no segment'}), 't', 'one of them is stopped');
		ok(until_true(sub { in_history('no segment') eq 'canceled' }), 'and ends');
		# Its turn keeps nobody out, be it that few may run.
		setting($node, 'pg_background.max_workers_total', 1);
		my @loops = map { session($node, timeout => 300) } 1 .. 2;
		$_->query_until(qr/begun/, "SET pg_background.launch_timeout = '5min';\n\\echo begun\n"
			  . "DO \$\$ BEGIN LOOP PERFORM pg_background_exec('SELECT pg_sleep(0.01)'); END LOOP; END \$\$;\n") for @loops;
		for my $n (1 .. 5)
		{
			value($session, "BEGIN;\n" . insert_job('no segment', 'results => false') . insert_job("has its segment, too: $n", 'results => true') . 'COMMIT');
			ok(until_true(sub { done("has its segment, too: $n") }), 'a job that has its segment runs, though it comes behind one that has none');
		}
		value($session, "SET pg_background.launch_timeout = '1min'; SELECT pg_background_exec('SELECT 1'); RESET pg_background.launch_timeout");
		look(q{SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE query LIKE 'DO %LOOP PERFORM%' AND backend_type = 'client backend'});
		$_->quit for @loops;
		my @said = slurp_file($node->logfile, $offset) =~ /background job with cookie (-?\d+) waits for a segment/g;
		my %said = map { $_ => 1 } @said;
		is(scalar @said, scalar keys %said, 'the log says it once of each');
		setting($node, 'pg_background.max_workers_total', 0);
		disarm($node, 'dispatch-segment');
		ok(none_waits(), 'the others run when there is memory');
		is(done('no segment'), 6, 'once each');
	}

	# --- the dispatcher ends at each point ---

	for my $how (qw(terminated failed))
	{
		for my $start (qw(new warm))
		{
			for my $point (qw(dispatch-admitted dispatch-offered dispatch-registered dispatch-remove))
			{
				next if $point eq ($start eq 'new' ? 'dispatch-offered' : 'dispatch-registered');
				my $note = "$how at $point, $start";

				without_idle($node);
				job($session, 'SELECT 1::text') if $start eq 'warm';
				arm($node, $point, 'hold');
				value($session, "BEGIN;\n" . insert_job($note) . insert_job($note, 'results => true') . insert_job($note) . 'COMMIT');
				my $pid = until_held($node, $point);
				if ($how eq 'failed')
				{
					fail_at($point, $pid, sub { is_gone($pid) });
				}
				else
				{
					kill 'TERM', $pid;
					disarm($node, $point);
					ok(until_true(sub { is_gone($pid) }), "the dispatcher is terminated ($point)");
				}
				is(value($session, "SELECT pg_background_await_all(array_agg(ROW(pid, cookie)::pg_background_handle)) FROM jobs"), 't', "the job with results ends ($note)");
				ok(none_waits(), 'no job waits');
				is(done($note), 3, 'each has run once');
				is(in_history($note), 'stopped stopped stopped', 'the history has each once');
				is(value($session, 'SELECT DISTINCT state FROM jobs'), 'stopped', 'its session knows that it has run');
				value($session, 'SELECT pg_background_forget_all()');
			}
		}
	}

	# --- the dispatcher ends while the worker is at each point; and the worker itself ---

	for my $whom (qw(dispatcher worker))
	{
		for my $point (qw(attach map take accept refuse))
		{
			my $note = "$whom ends at $point";

			without_idle($node);
			job($session, $point eq 'refuse' ? "SET my.own = 1; SELECT 1::text" : 'SELECT 1::text') if $point ne 'attach';
			until_true(sub { idle_workers($node) == 1 }) or die 'no idle worker' if $point ne 'attach';
			arm($node, $point, 'hold');
			arm($node, 'dispatch-admitted', 'hold');
			value($session, "BEGIN;\n" . insert_job($note, 'results => true') . 'COMMIT');
			my $dispatcher = until_held($node, 'dispatch-admitted');
			disarm($node, 'dispatch-admitted');
			my $worker = until_held($node, $point);
			if ($whom eq 'dispatcher')
			{
				kill 'TERM', $dispatcher;
				until_true(sub { is_gone($dispatcher) }) or die "dispatcher $dispatcher is there";
				disarm($node, $point);
			}
			else
			{
				fail_at($point, $worker, sub { $point =~ /accept|refuse/ ? in_history($note) ne '' : is_gone($worker) });
			}
			is(value($session, "SELECT pg_background_await(:'job', '2min')"), 't', "the job ends ($note)");
			ok(none_waits(), 'no job waits');
			my ($ran, $states) = (done($note), in_history($note));
			# A worker that ends when it has taken the job ends the job with it.
			if ($whom eq 'worker' && $point =~ /attach|accept|refuse/)
			{
				is("$ran $states", '0 error', 'it has failed, once');
			}
			else
			{
				is("$ran $states", '1 stopped', 'it has run once');
			}
			is(value($session, "SELECT state FROM pg_background_outcome(:'job')"), $states, 'its session knows');
			value($session, 'SELECT pg_background_forget_all()');
		}
	}
}

# --- the dispatcher ends when it has offered a job, and the next one waits for a process when the worker takes it ---

if ($ENV{PGBG_POINTS})
{
	without_idle($node);
	job($session, 'SELECT 1::text');
	ok(until_true(sub { idle_workers($node) == 1 }), 'a worker is idle');
	value($other, 'SELECT pg_advisory_lock(n) FROM generate_series(1, 2) n');
	arm($node, 'take', 'hold');
	arm($node, 'dispatch-offered', 'hold');
	value($session, "BEGIN;\nSELECT h AS job FROM pg_background_start('SELECT pg_advisory_lock_shared(2)', label => 'offered twice', at_commit => true, notify => 'offered') h \\gset\nCOMMIT");
	my $dispatcher = until_held($node, 'dispatch-offered');
	my $worker = until_held($node, 'take');
	my $listener = session($node);
	value($listener, 'LISTEN offered');
	disarm($node, 'dispatch-offered');
	# the fourth process: the next dispatcher finds none
	value($other, "SELECT pg_background_start('SELECT pg_advisory_lock_shared(1)', results => false)");
	my $before = look('SELECT sum(queue_waits) FROM pg_stat_background_totals');
	kill 'TERM', $dispatcher;
	ok(until_true(sub { look('SELECT sum(queue_waits) FROM pg_stat_background_totals') > $before }, 120), 'the next dispatcher waits for a process');
	disarm($node, 'take');
	ok(until_true(sub { look("SELECT pid FROM pg_stat_background WHERE label = 'offered twice'") eq $worker }), 'the worker takes the job');
	value($session, insert_job('behind', 'results => false') =~ s/AS job/AS behind/r);
	value($other, 'SELECT pg_advisory_unlock(1)');
	ok(until_true(sub { done('behind') }), 'the dispatcher goes on while that job runs');
	value($other, 'SELECT pg_advisory_unlock(2)');
	is(value($session, q{SELECT pg_background_await(:'job', '2min')}), 't', 'the job ends');
	is(in_history('offered twice'), 'stopped', 'and has run once');
	my $told = '';
	until_true(sub { $told .= join '', ask($listener, 'SELECT 1'); $told =~ /"pid"/ });
	like($told, qr/"pid" ?: ?$worker\b/, 'by that worker, which knows who it is');
	$listener->quit;
	value($session, 'SELECT pg_background_forget_all()');
}

# --- the worker that was offered a job ends when another process runs the job ---

if ($ENV{PGBG_POINTS})
{
	without_idle($node);
	job($session, 'SELECT 1::text');
	ok(until_true(sub { idle_workers($node) == 1 }), 'a worker is idle');
	value($other, 'SELECT pg_advisory_lock(1)');
	arm($node, 'take', 'hold');
	arm($node, 'dispatch-offered', 'hold');
	$id++;
	value($session, "BEGIN;\nSELECT pg_background_start('SELECT pg_advisory_lock_shared(1); INSERT INTO done VALUES ($id, ''by another'')', label => 'by another', at_commit => true, results => false);\nCOMMIT");
	my $dispatcher = until_held($node, 'dispatch-offered');
	my $worker = until_held($node, 'take');
	kill 'TERM', $dispatcher;
	disarm($node, 'dispatch-offered');
	ok(until_true(sub { look("SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'pg_background' AND wait_event = 'advisory' AND pid <> $worker") }), 'another process runs it');
	fail_at('take', $worker, sub { is_gone($worker) });
	is(in_history('by another'), '', 'it runs still');
	value($other, 'SELECT pg_advisory_unlock(1)');
	ok(none_waits(), 'it ends');
	is(in_history('by another') . ' ' . done('by another'), 'stopped 1', 'and has run once');

	# The worker comes so late that the job's session is gone, and its segment with it.
	without_idle($node);
	job($session, 'SELECT 1::text');
	ok(until_true(sub { idle_workers($node) == 1 }), 'a worker is idle');
	my $offset = -s $node->logfile;
	arm($node, 'map', 'hold');
	arm($node, 'dispatch-offered', 'hold');
	$node->safe_psql('postgres', "BEGIN;\n" . insert_job('gone with its session', 'results => true') . 'COMMIT');
	$dispatcher = until_held($node, 'dispatch-offered');
	$worker = until_held($node, 'map');
	kill 'TERM', $dispatcher;
	disarm($node, 'dispatch-offered');
	ok(until_true(sub { in_history('gone with its session') eq 'stopped' }), 'another process has run it');
	ok(until_true(sub { !grep { title($_) =~ /pg_background dispatcher/ } children() }), 'the dispatcher leaves');
	# the one that has run it keeps the segment mapped for a while
	my $others = "FROM pg_stat_activity WHERE backend_type = 'pg_background' AND pid <> $worker";
	look("SELECT count(pg_terminate_backend(pid)) $others");
	ok(until_true(sub { look("SELECT count(*) $others") == 0 }), 'nobody has the segment mapped');
	disarm($node, 'map');
	ok(until_true(sub { is_gone($worker) }), 'the worker leaves');
	unlike(slurp_file($node->logfile, $offset), qr/shared memory segment of a job is gone/, 'without an error');
}

# --- a process that the last dispatcher has registered takes the job when the next one has a slot for it ---

if ($ENV{PGBG_POINTS})
{
	my $listener = session($node);

	value($listener, 'LISTEN late');
	for my $next ('stopped', 'without memory', 'goes on')
	{
		my $note = "late process, $next";
		my $results = $next eq 'goes on' ? 'true' : 'false';
		my $point = $next eq 'without memory' ? 'dispatch-segment' : 'dispatch-admitted';

		without_idle($node);
		value($other, 'SELECT pg_advisory_lock(1)');
		arm($node, 'begin', 'hold');
		arm($node, 'dispatch-registered', 'hold');
		$id++;
		value($session, "BEGIN;\nSELECT h AS job FROM pg_background_start('SELECT pg_advisory_lock_shared(1); INSERT INTO done VALUES ($id, ''$note'')', label => '$note', at_commit => true, results => $results, notify => 'late') h \\gset\nCOMMIT");
		my $last = until_held($node, 'dispatch-registered');
		my $late = until_held($node, 'begin');
		arm($node, 'dispatch-looked', 'hold');
		kill 'TERM', $last;
		disarm($node, 'dispatch-registered');
		my $dispatcher = until_held($node, 'dispatch-looked');
		is(value($session, q{SELECT pg_background_stop(:'job')}), 't', 'the job is stopped') if $next eq 'stopped';
		arm($node, $point, 'hold');
		disarm($node, 'dispatch-looked');
		until_held($node, $point, $dispatcher);
		disarm($node, 'begin');
		ok(until_true(sub { look("SELECT pid FROM pg_stat_background WHERE label = '$note'") eq $late }), "the process takes the job ($note)");
		ok(until_waits_for($node, $late, 'advisory'), 'and runs it') if $next ne 'stopped';
		if ($next eq 'without memory')
		{
			arm($node, $point, "error $dispatcher");
		}
		else
		{
			disarm($node, $point);
		}
		value($session, insert_job("behind $note", 'results => true') =~ s/AS job/AS behind/r);
		ok(until_true(sub { done("behind $note") }), 'the dispatcher goes on');
		if ($next eq 'without memory')
		{
			# it leaves its mark
			unlink $node->data_dir . "/pg_background_points/$point.$dispatcher";
			disarm($node, $point);
			ok(until_true(sub { !grep { title($_) =~ /pg_background dispatcher/ } children() }), 'and leaves');
		}
		value($other, 'SELECT pg_advisory_unlock(1)');
		ok(none_waits(), 'the job ends');
		is(in_history($note) . ' ' . done($note), $next eq 'stopped' ? 'canceled 0' : 'stopped 1', 'once');
		my $told = '';
		ok(until_true(sub { $told .= join '', ask($listener, 'SELECT 1'); $told =~ /"pid"/ }), 'a notification tells of it');
		like($told, qr/"pid" ?: ?$late\b/, 'that process, which knows who it is');
		value($session, 'SELECT pg_background_forget_all()');
	}
	$listener->quit;
}

# --- all processes are others', and nothing of this library comes by when they end ---

ok(none_waits(), 'all jobs have ended');
my $hog = session($node, timeout => 300);
value($hog, 'SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0;'
	. ' SET max_parallel_workers_per_gather = 8; CREATE TABLE many AS SELECT generate_series(1, 5000) AS i');
ok(until_true(sub { !grep { title($_) =~ /pg_background/ } children() or do { look(q{SELECT count(pg_terminate_backend(pid)) FROM
	pg_stat_background_workers}); 0 } }), 'no worker has a process slot');
my $parallel = sub { look(q{SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'parallel worker'}) };
my $give_up = sub { look(q{SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE query LIKE 'SELECT count(pg_sleep(600))%' AND backend_type = 'client backend'}) };
# The slot of a process that has ended is free a moment later.
ok(until_true(sub {
	$hog->query_until(qr/begun/, "\\echo begun\nSELECT count(pg_sleep(600)) FROM many;\n");
	return 1 if until_true(sub { $parallel->() == 3 }, 5);
	$give_up->();
	ask($hog, 'SELECT 1');
	return 0;
}), 'parallel workers have all slots');
my $last = session($node);
value($last, 'BEGIN');
value($last, insert_job('hogged'));
value($last, 'COMMIT');
if ($ENV{PGBG_POINTS})
{
	# A process calls for a dispatcher, in vain: that is no reason for another one to sleep until it is told.
	my ($caller, $waiter) = map { session($node) } 1 .. 2;
	my ($calls, $waits) = map { value($_, 'SELECT pg_backend_pid()') } $caller, $waiter;
	my $cookie = look("SELECT cookie FROM pg_stat_background WHERE label = 'hogged'");

	arm($node, 'dispatcher-called', "hold $calls");
	$caller->query_until(qr/begun/, "\\echo begun\nSELECT count(*) FROM pg_stat_background;\n");
	until_held($node, 'dispatcher-called', $calls);
	$waiter->query_until(qr/begun/, "\\echo begun\nSELECT pg_background_await(ROW(0, $cookie)::pg_background_handle);\n");
	ok(until_waits_for($node, $waits, wait_event($node, 'Launch')), 'a session waits for a job while another calls for a dispatcher');
	my $before = process_field($waits, 'voluntary_ctxt_switches');
	ok(until_true(sub { process_field($waits, 'voluntary_ctxt_switches') > $before + 5 }), 'it looks again');
	disarm($node, 'dispatcher-called');
	is(value($caller, 'SELECT 1'), "1\n1", 'the call was in vain');
	look("SELECT pg_cancel_backend($waits)");
	$_->quit for $caller, $waiter;
}
# a session that waits for its job, in each of the ways
my @waiting = map { session($node, timeout => 300) } 1 .. 3;
foreach my $n (0 .. 2)
{
	my $results = $n == 1 ? 'results => false' : 'results => true';
	my $wait = $n == 2 ? 'SELECT pg_background_await_any(ARRAY[:\'job\']::pg_background_handle[]) IS NOT NULL' : 'SELECT pg_background_await(:\'job\')';
	value($waiting[$n], "BEGIN;\n" . insert_job('hogged, awaited', $results) . 'COMMIT');
	my $pid = value($waiting[$n], 'SELECT pg_backend_pid()');
	$waiting[$n]->query_until(qr/begun/, "\\echo begun\n$wait;\n");
	ok(until_waits_for($node, $pid, 'PgBackgroundJob', 'PgBackgroundLaunch', 'Extension'), 'a session waits for a job that has no process');
}
$last->quit;
# A session that was idle has a timer of the server's set, which wakes it once within ten seconds, whatever it waits for.
ok(until_true(sub { look(q{SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%await%' AND state = 'active' AND pid <> pg_backend_pid()
	AND clock_timestamp() - query_start > '11 s'}) == 3 }), 'they sleep');
$give_up->();
ok(until_true(sub { $parallel->() == 0 }), 'they end');
is(value($_, 'SELECT 1'), "t\n1", 'the wait ends when there are processes again') for @waiting;
is(done('hogged, awaited'), 3, 'the jobs have run');
$_->quit for @waiting;
ok(none_waits(), 'none waits any more');
is(done('hogged'), 1, 'the job has run');
$hog->quit;

# The dispatcher leaves by itself.
$_->quit for $session, $other;
ok(settle($node), 'no worker is busy in the end');
ok(without_idle($node), 'no worker is left');
ok(until_true(sub { segments_of_jobs($node) == 1 }), 'no shared memory segment of a job is left');
healthy($node);
done_testing();
