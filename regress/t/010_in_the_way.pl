# Idle workers are never in the way: of what is done to databases, roles and the extension, of other workers, of a shutdown or a
# promotion.  And what was done is seen by the next job.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::RealBin;
use Jobs;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

# The server itself waits five seconds for a database to become empty, then gives up: who succeeds was not in the way for so long.
my $prompt = 30;
my $conf = "pg_background.idle_timeout = '10min'\npg_background.max_idle_workers = 16\n";
my $node = server('in_the_way', preload => 1, conf => $conf . "max_worker_processes = 8\n", init => { allows_streaming => 1 });
my $session = session($node);
my ($out, $err, $pid, $from);

# A job in a database, as a role, and its worker, which is idle then.
sub idle_in
{
	my ($server, $database, $role) = @_;
	my $worker = $server->safe_psql($database,
		q{SELECT * FROM pg_background_result(pg_background_launch('SELECT pg_backend_pid()')) AS (pid int)},
		extra_params => $role ? [ '-U', $role ] : []);
	until_true(sub { grep { $_ == $worker } idle_workers($server) }) or die "worker $worker is not idle";
	return $worker;
}

sub job
{
	my ($in, $sql) = @_;
	return ask($in, "SELECT * FROM pg_background_result(pg_background_launch(\$job\$$sql\$job\$)) AS (x text)");
}

sub until_waits_for
{
	my ($worker, $event) = @_;
	return $node->poll_query_until('postgres', "SELECT wait_event = '$event' FROM pg_stat_activity WHERE pid = $worker");
}

# succeeds(STATEMENTS): at once, whoever is idle
sub succeeds
{
	my ($sql) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;

	$from = time;
	($out, $err) = ask($session, $sql);
	my $took = time - $from;
	is($err, '', "$sql: succeeds");
	cmp_ok($took, '<', $prompt, sprintf('in %.3f s', $took));
	return;
}

# goes(STATEMENTS, PID): they succeed at once, and the worker has gone
sub goes
{
	my ($sql, $worker) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;

	succeeds($sql);
	ok(until_true(sub { is_gone($worker) }, 10), 'the idle worker has gone');
	return;
}

# --- databases ---

my $tablespace = PostgreSQL::Test::Utils::tempdir();
value($session, "CREATE TABLESPACE elsewhere LOCATION '$tablespace'");
value($session, 'CREATE DATABASE target');
$node->safe_psql('target', 'CREATE EXTENSION pg_background');
goes('ALTER DATABASE target RENAME TO renamed', idle_in($node, 'target'));
is($node->safe_psql('renamed', q{SELECT * FROM pg_background_result(pg_background_launch('SELECT current_database()')) AS (x name)}),
	'renamed', 'a job under the new name');
goes('ALTER DATABASE renamed RENAME TO target', idle_in($node, 'renamed'));
goes('ALTER DATABASE target SET TABLESPACE elsewhere', idle_in($node, 'target'));
goes('ALTER DATABASE target SET TABLESPACE pg_default', idle_in($node, 'target'));
goes('CREATE DATABASE copy TEMPLATE target', idle_in($node, 'target'));
value($session, 'CREATE ROLE owner');
idle_in($node, 'target');
succeeds('ALTER DATABASE target OWNER TO owner');
goes('DROP DATABASE copy', idle_in($node, 'copy'));
$pid = idle_in($node, 'postgres');
goes('DROP DATABASE target', idle_in($node, 'target'));

# Not only once.
my $failed = '';
$from = time;
for my $i (1 .. 10)
{
	value($session, 'CREATE DATABASE target TEMPLATE template0');
	$node->safe_psql('target', 'CREATE EXTENSION pg_background');
	idle_in($node, 'target');
	(undef, $err) = ask($session, 'DROP DATABASE target');
	$failed .= $err;
}
is($failed, '', sprintf('ten databases come and go, %.3f s each', (time - $from) / 10));

# A worker whose job ends while the server waits leaves then.
value($session, 'CREATE DATABASE target');
$node->safe_psql('target', 'CREATE EXTENSION pg_background');
$pid = $node->safe_psql('target', q{SELECT pid FROM pg_background_submit_v2('SELECT pg_sleep(1)')});
ok(until_waits_for($pid, 'PgSleep'), 'a job runs');
($out, $err) = ask($session, 'DROP DATABASE target');
is($err, '', 'when it has ended its database can be dropped');

# Who may not send anybody away does not.
value($session, 'CREATE DATABASE target');
$node->safe_psql('target', 'CREATE EXTENSION pg_background');
value($session, 'CREATE ROLE nobody LOGIN; CREATE ROLE maker LOGIN CREATEDB');
$pid = idle_in($node, 'target');
my $mine = idle_in($node, 'postgres');
for my $role (qw(nobody maker))
{
	my $in = session($node, extra => [ '-U', $role ]);
	for my $sql ('DROP DATABASE target', 'ALTER DATABASE target RENAME TO x', 'CREATE DATABASE y TEMPLATE target', 'ALTER DATABASE target SET TABLESPACE elsewhere',
		q{ALTER ROLE postgres SET work_mem = '1MB'}, q{ALTER DATABASE target SET work_mem = '1MB'}, 'DROP ROLE owner', 'DROP DATABASE no_such_database')
	{
		($out, $err) = ask($in, $sql);
		like($err, qr/ERROR:  (42501|3D000): /, "$role: $sql");
	}
	value($in, q{ALTER ROLE CURRENT_USER SET work_mem = '2MB'});
	$in->quit;
}
is(idle_in($node, 'target'), $pid, 'the worker stays');
is(idle_in($node, 'postgres'), $mine, 'so does the other');
value($session, 'DROP DATABASE target; DROP ROLE nobody, maker');

# Not only at the top.
goes(q{DO $$ BEGIN EXECUTE 'ALTER ROLE postgres SET work_mem = $x$3MB$x$'; END $$}, idle_in($node, 'postgres'));
value($session, 'ALTER ROLE postgres RESET work_mem');

# Everything else leaves them where they are.
$pid = idle_in($node, 'postgres');
value($session, 'CREATE TABLE t (id int); ALTER TABLE t RENAME TO u; ALTER TABLE u OWNER TO owner; GRANT SELECT ON u TO owner; CREATE SCHEMA s;'
	  . ' CREATE EXTENSION IF NOT EXISTS plpgsql; ALTER TABLE u SET SCHEMA s; DROP SCHEMA s CASCADE; VACUUM done; SET work_mem = 1000; RESET work_mem');
is((job($session, 'SELECT pg_backend_pid()::text'))[0], $pid, 'other commands send nobody away');

# --- roles ---

for my $role ('guest', 'owned')
{
	value($session, "CREATE ROLE $role LOGIN; SELECT grant_pg_background_privileges('$role')");
}
my $guest = session($node, extra => [ '-U', 'guest' ]);
my $own = q{SELECT pg_backend_pid() || ' ' || current_setting('work_mem')};

# What a job goes back to when it resets what its launcher has set; twice, so that a warm worker says the same as a new one.
my $reset = q{SET work_mem = '1MB'; RESET work_mem; SELECT current_setting('work_mem')};
sub goes_back
{
	my ($to, $what) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return is((job($guest, $reset))[0] . ' ' . (job($guest, $reset))[0], "$to $to", $what);
}
value($guest, q{SET work_mem = '3MB'});
goes_back('4MB', 'the default');
$pid = idle_in($node, 'postgres', 'guest');
goes(q{ALTER ROLE guest SET work_mem = '7MB'}, $pid);
goes_back('7MB', "the role's setting");
$pid = idle_in($node, 'postgres', 'guest');
goes(q{ALTER ROLE guest RESET work_mem; ALTER DATABASE postgres SET work_mem = '8MB'}, $pid);
goes_back('8MB', "the database's setting");
value($session, 'ALTER DATABASE postgres RESET work_mem');

# A change counts when it is committed.
$pid = idle_in($node, 'postgres', 'guest');
value($session, q{BEGIN; ALTER ROLE guest SET work_mem = '9MB'});
is(idle_in($node, 'postgres', 'guest'), $pid, 'a change that is not committed sends nobody away');
value($session, 'COMMIT');
ok(until_true(sub { is_gone($pid) }), 'when it is committed the worker has gone');
goes_back('9MB', 'the change is seen');
value($session, 'ALTER ROLE guest RESET work_mem');

# What a role may do.
value($session, 'CREATE ROLE readers; GRANT SELECT ON done TO readers; GRANT readers TO guest');
is((job($guest, 'SELECT count(*)::text FROM done'))[0], 0, 'a member reads');
value($session, 'REVOKE readers FROM guest');
like((job($guest, 'SELECT count(*)::text FROM done'))[1], qr/ERROR:  42501: permission denied for table done/, 'no member any more');
value($session, 'GRANT SELECT ON done TO guest');
is((job($guest, 'SELECT count(*)::text FROM done'))[0], 0, 'a grant');
value($session, 'REVOKE SELECT ON done FROM guest');
like((job($guest, 'SELECT count(*)::text FROM done'))[1], qr/ERROR:  42501: permission denied for table done/, 'a revoke');
value($session, 'ALTER ROLE guest SUPERUSER');
is((job($guest, 'SELECT count(*)::text FROM done'))[0], 0, 'a superuser');
value($session, 'ALTER ROLE guest NOSUPERUSER');
like((job($guest, 'SELECT count(*)::text FROM done'))[1], qr/ERROR:  42501: permission denied for table done/, 'no superuser any more');

goes('ALTER ROLE guest NOLOGIN', idle_in($node, 'postgres', 'guest'));
like((job($guest, $own))[1], qr/ERROR:  28000: role "guest" is not permitted to log in/, 'without LOGIN no job');
value($session, 'ALTER ROLE guest LOGIN');
is((job($guest, 'SELECT session_user::text'))[0], 'guest', 'with it jobs again');
idle_in($node, 'postgres', 'guest');
succeeds('REVOKE CONNECT ON DATABASE postgres FROM PUBLIC');
like((job($guest, $own))[1], qr/ERROR:  42501: permission denied for database "postgres"/, 'without CONNECT no job');
value($session, 'GRANT CONNECT ON DATABASE postgres TO PUBLIC');
is((job($guest, 'SELECT session_user::text'))[0], 'guest', 'with it jobs again');
idle_in($node, 'postgres', 'guest');
succeeds('ALTER ROLE guest RENAME TO visitor');
$guest->quit;
$guest = session($node, extra => [ '-U', 'visitor' ]);
is((job($guest, 'SELECT session_user::text'))[0], 'visitor', 'under the new name');

$pid = idle_in($node, 'postgres', 'owned');
$node->safe_psql('postgres', q{SELECT * FROM pg_background_result(pg_background_launch('CREATE TABLE pg_temp.mine (id int)')) AS (tag text)},
	extra_params => [ '-U', 'owned' ]);
# The server itself is not up to a table that goes meanwhile.
ok(until_true(sub { Jobs::look($node, q{SELECT count(*) FROM pg_class WHERE relname = 'mine'}) == 0 }), 'a temporary table goes with its job');
value($session, 'REASSIGN OWNED BY owned TO visitor');
goes('DROP OWNED BY owned; DROP ROLE owned', idle_in($node, 'postgres', 'owned'));
# Dropped while its session is there.
$pid = idle_in($node, 'postgres', 'visitor');
$guest->quit;
goes('DROP OWNED BY visitor; DROP ROLE visitor', $pid);

# --- every slot is taken by idle workers, and another database wants one ---

value($session, 'CREATE DATABASE target');
$node->safe_psql('target', 'CREATE EXTENSION pg_background');
without_idle($node);
my $locker = session($node);
value($locker, 'SELECT pg_advisory_lock(1)');
value($session, 'CREATE TABLE all_slots (pid int, cookie int8)');
my $slots = 0;
for my $i (1 .. 8)
{
	(undef, $err) = ask($session, q{WITH h AS (SELECT * FROM pg_background_launch_v2('SELECT pg_advisory_xact_lock(1)'))
	  INSERT INTO all_slots SELECT pid, cookie FROM h});
	last if $err =~ /53000: could not register background process/;
	$slots++;
}
cmp_ok($slots, '>=', 6, "$slots workers take all slots");
cmp_ok($slots, '<', 8, 'all that there are');
value($locker, 'SELECT pg_advisory_unlock(1)');
value($session, 'SELECT pg_background_wait_v2(pid, cookie), pg_background_detach_v2(pid, cookie) FROM all_slots');
ok(until_true(sub { idle_workers($node) == $slots }), 'all are idle');
$from = time;
idle_in($node, 'target');
cmp_ok(time - $from, '<', $prompt, sprintf('a job in another database gets one of the slots, in %.3f s', time - $from));
is(scalar(idle_workers($node)), $slots, 'one has made room');

# --- the extension ---

$pid = idle_in($node, 'target');
goes('DROP DATABASE target', $pid);
value($session, 'CREATE DATABASE target');
$node->safe_psql('target', q{CREATE EXTENSION pg_background VERSION '1.8'});
$pid = idle_in($node, 'target');
$node->safe_psql('target', 'ALTER EXTENSION pg_background UPDATE');
ok(until_true(sub { is_gone($pid) }), 'ALTER EXTENSION UPDATE: the idle worker has gone');
is($node->safe_psql('target', q{SELECT extversion FROM pg_extension WHERE extname = 'pg_background'}), '3.0', 'the extension is the new one');
$pid = idle_in($node, 'target');
$node->safe_psql('target', 'DROP EXTENSION pg_background');
ok(until_true(sub { is_gone($pid) }), 'DROP EXTENSION: the idle worker has gone');
value($session, 'DROP DATABASE target');
value($session, 'DROP TABLESPACE elsewhere');
$_->quit for $session, $locker;
nothing_left($node, 'databases, roles and the extension');

# --- a standby ---

$node->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'base', has_streaming => 1);
$standby->append_conf('postgresql.conf', "max_worker_processes = 16\n");
$standby->start;
$standby->{registry} = 'preloaded';
Jobs::at_rest($standby);
$pid = idle_in($standby, 'postgres');
is(idle_in($standby, 'postgres'), $pid, 'jobs on a standby are warm');
$node->safe_psql('postgres', 'CREATE DATABASE target');
$node->safe_psql('target', 'CREATE EXTENSION pg_background');
$node->wait_for_catchup($standby, 'replay', $node->lsn('write'));
$pid = idle_in($standby, 'target');
$node->safe_psql('postgres', 'DROP DATABASE target');
$from = time;
$node->wait_for_catchup($standby, 'replay', $node->lsn('write'));
cmp_ok(time - $from, '<', $prompt, sprintf('a database is dropped on the standby, in %.3f s', time - $from));
ok(until_true(sub { is_gone($pid) }), 'the idle worker in it has gone');

# A snapshot or a lock of an idle worker would hold the recovery up.
$standby->append_conf('postgresql.conf', "max_standby_streaming_delay = -1\n");
$standby->reload;
$node->safe_psql('postgres', q{CREATE TABLE doomed AS SELECT generate_series(1, 10) AS id});
$node->wait_for_catchup($standby, 'replay', $node->lsn('write'));
is($standby->safe_psql('postgres', q{SELECT * FROM pg_background_result(pg_background_launch('SELECT count(*) FROM doomed')) AS (n int8)}), 10,
	'a job on the standby reads a table');
$node->safe_psql('postgres', 'DELETE FROM doomed');
$node->safe_psql('postgres', 'VACUUM doomed');
$node->safe_psql('postgres', 'DROP TABLE doomed');
$node->wait_for_catchup($standby, 'replay', $node->lsn('write'));
pass('which is vacuumed and dropped while its worker is idle');

# The promotion.
my $after = session($standby);
$pid = idle_in($standby, 'postgres');
$standby->promote;
is((job($after, q{INSERT INTO done VALUES (1, 'promoted'); SELECT pg_is_in_recovery()::text}))[0], 'false', 'a job after the promotion');
is($standby->safe_psql('postgres', q{SELECT count(*) FROM done WHERE note = 'promoted'}), 1, 'has written');
ok(until_true(sub { is_gone($pid) }), 'the worker from before has gone');
$pid = idle_in($standby, 'postgres');
is(idle_in($standby, 'postgres'), $pid, 'those after it are warm');
$after->quit;
nothing_left($standby, 'standby');
healthy($standby);
$standby->stop;

# --- a shutdown ---

for my $mode ('smart', 'fast', 'immediate')
{
	for my $busy (0, 1)
	{
		# a smart shutdown ends jobs, too, once there are no clients
		my $what = "$mode, with " . ($busy ? 'idle workers and a busy one' : 'idle workers');
		my @workers = (idle_in($node, 'postgres'));
		if ($busy)
		{
			$pid = $node->safe_psql('postgres', q{SELECT pid FROM pg_background_submit_v2('SELECT pg_sleep(600)')});
			until_waits_for($pid, 'PgSleep') or die 'the job does not run';
			push @workers, $pid;
			push @workers, idle_in($node, 'postgres');
		}
		my $offset = -s $node->logfile;
		$from = time;
		$node->stop($mode);
		my $took = time - $from;
		cmp_ok($took, '<', 20, sprintf('%s: stops in %.1f s', $what, $took));
		is(scalar(grep { !is_gone($_) } @workers), 0, "$what: no worker is left");
		is(segments($node), 0, "$what: no segment is left") unless $mode eq 'immediate';
		if (!$busy && $mode ne 'immediate')
		{
			my $pids = join '|', @workers;
			ok(!$node->log_contains(qr/\[($pids)\] |PID ($pids)\)/, $offset), "$what: without a word in the log");
		}
		$node->start;
		is(scalar(idle_workers($node)), 0, "$what: after the start there is no worker");
		is(Jobs::look($node, 'SELECT count(*) FROM pg_stat_background'), 0, "$what: and no job");
	}
}

# A smart shutdown waits for the clients only; they still have jobs, and warm ones.
$session = session($node);
$pid = idle_in($node, 'postgres');
my $stopper = IPC::Run::start [ 'pg_ctl', '-D', $node->data_dir, '-m', 'smart', '-t', '120', 'stop' ], '>', '/dev/null',
  IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default);
ok($node->wait_for_log(qr/received smart shutdown request/), 'smart, with a client: requested');
is((job($session, 'SELECT 1::text'))[0], 1, 'smart, with a client: jobs run');
$from = time;
$session->quit;
$stopper->finish;
cmp_ok(time - $from, '<', 20, sprintf('smart, with a client: ends when it has gone, in %.1f s', time - $from));
$node->_update_pid(0);
ok(is_gone($pid), 'smart, with a client: no worker is left');
$node->start;
nothing_left($node, 'in the end');
healthy($node);

# --- without preloading ---

# Nobody may tell an idle worker then that it is in the way: it leaves soon enough by itself.
SKIP: {
	skip 'no registry without preloading before 17', 4 if $node->pg_version < 17;

	my $unaware = server('unaware', preload => 0, conf => $conf);
	$session = session($unaware);
	value($session, 'CREATE DATABASE target');
	$unaware->safe_psql('target', 'CREATE EXTENSION pg_background');
	$pid = $unaware->safe_psql('target',
		q{SELECT * FROM pg_background_result(pg_background_launch('SELECT pg_backend_pid()')) AS (pid int)});
	is($unaware->safe_psql('target',
			q{SELECT * FROM pg_background_result(pg_background_launch('SELECT pg_backend_pid()')) AS (pid int)}),
		$pid, 'not preloaded: jobs are warm');
	goes('DROP DATABASE target', $pid);
	$session->quit;
	$unaware->stop;
}
done_testing();
