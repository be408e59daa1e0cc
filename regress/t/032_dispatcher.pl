# Jobs that start at a commit: the dispatcher's process, and what it keeps others from meanwhile.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::RealBin;
use Jobs;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

# One process is the server's own, for logical replication.
my $node = server('dispatcher', preload => 1, conf => <<'END');
max_worker_processes = 4
log_min_messages = debug1
pg_background.max_idle_workers = 4
pg_background.idle_timeout = '10min'
END
$node->safe_psql('postgres', <<'END');
CREATE ROLE limited LOGIN;
ALTER ROLE limited SET pg_background.max_workers_per_role = 1;
CREATE TABLE finished (note text, at timestamptz);
GRANT pgbackground_role TO limited;
GRANT INSERT ON finished TO limited;
END
my ($session, $holder);

sub begin { ($session, $holder) = map { session($node, timeout => 300) } 1 .. 2; return }
sub look { return Jobs::look($node, $_[0]) }
# Not the views of this library: who looks at them calls for a dispatcher.
sub has_finished { return look("SELECT count(*) FROM finished WHERE note = '$_[0]'") }
sub waiting_for { return look("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = $_[0] AND NOT granted") }
sub none_waits { return until_true(sub { look('SELECT count(*) FROM pg_stat_background') == 0 }, 120) }

# What a process calls itself; it may be gone.
sub title
{
	open(my $in, '<', "/proc/$_[0]/cmdline") or return '';
	return scalar(<$in>) // '';
}

sub no_dispatcher
{
	my $postmaster = (split /\n/, slurp_file($node->data_dir . '/postmaster.pid'))[0];
	my @pids = map { m{/(\d+)$} ? $1 : () } glob '/proc/[0-9]*';
	return !grep { title($_) =~ /pg_background dispatcher/ && (process_field($_, 'PPid') // 0) == $postmaster } @pids;
}

sub finish { return "INSERT INTO finished VALUES (''$_[0]'', clock_timestamp())" }

# A statement that asks for a job which notes that it has run.
sub at_commit
{
	my ($note, $results) = @_;
	$results //= 'false';
	return "SELECT pg_background_start('" . finish($note) . "', label => '$note', at_commit => true, results => $results);\n";
}

# SESSION's jobs that wait for the lock NUMBER: so many.
sub occupy
{
	my ($session, $count, $number) = @_;
	my $started = 0;

	ok(until_true(sub {
		my (undef, $err) = ask($session, "SELECT pg_background_start('SELECT pg_advisory_lock_shared($number)', results => false, label => 'occupies')");
		return ($started += $err eq '') == $count;
	}), "$count jobs start");
	ok(until_true(sub { waiting_for($number) == $count }), 'and wait');
	return;
}

begin();

# --- a commit that finds no process, and workers that stay idle ---

without_idle($node);
ok(until_true(\&no_dispatcher), 'there is no dispatcher');
value($holder, 'SELECT pg_advisory_lock(1)');
occupy($session, 3, 1);
my %busy = map { $_ => 1 } split /\n/, look("SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND NOT granted");
$node->safe_psql('postgres', at_commit('idle workers'));
value($holder, 'SELECT pg_advisory_unlock(1)');
ok(until_true(sub { has_finished('idle workers') }), 'an idle worker makes way for the dispatcher');
ok(until_true(sub { grep { $busy{$_} } idle_workers($node) }), 'others stay');
without_idle($node);
ok(none_waits(), 'all have ended');

# --- the same where sessions launch one job after the other, and no worker is ever idle for long ---

ok(until_true(\&no_dispatcher), 'there is no dispatcher');
value($holder, 'SELECT pg_advisory_lock(1)');
my @loops = map { session($node, timeout => 300) } 1 .. 3;
$_->query_until(qr/begun/, "SET pg_background.launch_timeout = '5min';\n\\echo begun\nSELECT pg_background_exec('SELECT pg_advisory_lock_shared(1)');\n"
	  . "DO \$\$ BEGIN LOOP PERFORM pg_background_exec('SELECT pg_sleep(0.01)'); END LOOP; END \$\$;\n") for @loops;
ok(until_true(sub { waiting_for(1) == 3 }), 'sessions have all processes');
$node->safe_psql('postgres', at_commit('busy workers'));
value($holder, 'SELECT pg_advisory_unlock(1)');
ok(until_true(sub { has_finished('busy workers') }), 'a busy worker makes way for the dispatcher');
look(q{SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE query LIKE 'DO %LOOP PERFORM%' AND backend_type = 'client backend'});
$_->quit for @loops;
without_idle($node);
ok(none_waits(), 'all have ended');

if ($ENV{PGBG_POINTS})
{
	# --- a commit takes its time after it has asked for a dispatcher, while a launch waits ---

	ok(until_true(\&no_dispatcher), 'there is no dispatcher');
	my ($first, $second) = map { session($node, extra => [ '-U', 'limited' ], timeout => 300) } 1 .. 2;
	my $waits = value($second, 'SELECT pg_backend_pid()');
	my $commits = value($session, 'SELECT pg_backend_pid()');
	my $log = sub { return slurp_file($node->logfile, $_[0]) };
	my $seconds = sub {
		my ($line) = grep { /$_[0]/ } split /\n/, $_[1];
		return $line && $line =~ / (\d+):(\d+):(\d+\.\d+) / ? ($1 * 60 + $2) * 60 + $3 : undef;
	};

	value($holder, 'SELECT pg_advisory_lock(1)');
	occupy($first, 1, 1);
	$second->query_until(qr/begun/, "SET pg_background.launch_timeout = '5min';\n\\echo begun\nSELECT pg_background_exec('SELECT 1');\n");
	ok(until_waits_for($node, $waits, wait_event($node, 'Launch')), 'a launch waits');
	my $offset = -s $node->logfile;
	arm($node, 'at-commit-queue', "hold $commits");
	$session->query_until(qr/begun/, "\\echo begun\n" . at_commit('slow commit'));
	until_held($node, 'at-commit-queue', $commits);
	my ($came, $left);
	ok(until_true(sub {
		my $lines = $log->($offset);
		$came = $seconds->(qr/starting background worker process "pg_background dispatcher"/, $lines);
		$left = $seconds->(qr/unregistering background worker "pg_background dispatcher"/, $lines);
		return defined $came && defined $left;
	}), 'a dispatcher comes, and leaves');
	$left += 24 * 60 * 60 if $left < $came;
	cmp_ok($left - $came, '>=', 0.1, 'not at once: it waits for the jobs of the commit');
	disarm($node, 'at-commit-queue');
	value($session, 'SELECT 1');
	ok(until_true(sub { has_finished('slow commit') }), 'the job runs');
	value($holder, 'SELECT pg_advisory_unlock(1)');
	value($second, 'SELECT 1');
	$_->quit for $first, $second;
	ok(none_waits(), 'all have ended');
}

# --- many processes ---

$_->quit for $session, $holder;
$node->append_conf('postgresql.conf', "max_worker_processes = 16\npg_background.max_idle_workers = 16\nlog_min_messages = warning\n");
$node->restart;
begin();

if ($ENV{PGBG_POINTS})
{
	# --- a job has its turn, and many that are before it in the line are launched ---

	my $limited = session($node, extra => [ '-U', 'limited' ]);

	value($holder, 'SELECT pg_advisory_lock(1)');
	occupy($limited, 1, 1);
	arm($node, 'dispatch-segment', 'error');
	my $offset = -s $node->logfile;
	value($session, "SELECT count(pg_background_start('" . finish('before it') . "', at_commit => true, results => false)) FROM generate_series(1, 1000)");
	ok(until_true(sub { slurp_file($node->logfile, $offset) =~ /waits for a segment of shared memory/ }), 'there is no memory for many jobs');
	arm($node, 'dispatch-looked', 'hold');
	value($limited, at_commit('turn', 'true'));
	for my $n (1 .. 2)
	{
		# the one with the turn, or first the oldest, which there may be memory for again
		arm($node, 'dispatch-looked', 'hold') if $n == 2;
		until_held($node, 'dispatch-looked');
		disarm($node, 'dispatch-looked');
	}
	arm($node, 'dispatch-segment', 'hold');
	until_held($node, 'dispatch-segment');
	value($holder, 'SELECT pg_advisory_unlock(1)');
	ok(until_true(sub { look("SELECT count(*) FROM pg_stat_background WHERE label = 'occupies'") == 0 }), 'the job ends behind which another has its turn');
	disarm($node, 'dispatch-segment');
	ok(none_waits(), 'all have ended');
	is(has_finished('before it'), 1000, 'many have run');
	cmp_ok(look("SELECT count(*) FROM finished WHERE note = 'before it' AND at > (SELECT at FROM finished WHERE note = 'turn')"), '>', 500,
		'the job that has its turn has not waited for all of them');
	$limited->quit;

	# --- jobs are queued while one waits for a process ---

	$node->safe_psql('postgres', 'CREATE ROLE idler LOGIN; GRANT pgbackground_role TO idler');
	my $idler = session($node, extra => [ '-U', 'idler' ]);
	without_idle($node);
	ok(until_true(\&no_dispatcher), 'there is no dispatcher');
	value($holder, 'SELECT pg_advisory_lock(1)');
	occupy($idler, 14, 1);
	value($holder, 'SELECT pg_advisory_unlock(1)');
	ok(until_true(sub { idle_workers($node) == 14 }), 'but for one, all processes are idle workers of another role');
	my $leaving = sub { my @held = glob($node->data_dir . '/pg_background_points/exited.*'); return scalar @held };
	arm($node, 'exited', 'hold');
	my $begun = time;
	value($session, at_commit('queued'));
	ok(until_true(sub { $leaving->() > 0 }), 'the job dismisses a worker');
	value($session, at_commit('queued')) for 1 .. 12;
	my $dismissed = $leaving->();
	my $took = time - $begun;
	note("$dismissed after $took s");
	cmp_ok($dismissed, '<=', 1 + $took / 0.064, 'those that are queued meanwhile dismiss no others');
	disarm($node, 'exited');
	ok(none_waits(), 'all have ended');
	is(has_finished('queued'), 13, 'each has run');
	$idler->quit;
}

$_->quit for $session, $holder;
ok(settle($node), 'no worker is busy in the end');
ok(without_idle($node), 'no worker is left');
healthy($node);
done_testing();
