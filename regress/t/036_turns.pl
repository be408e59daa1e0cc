# Launches that wait for a place: what is freed wakes the one that it is for, and no other; whatever becomes of that one, the next goes on.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::RealBin;
use Jobs;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = server('turns', conf => "pg_background.idle_timeout = '10min'\n");
plan skip_all => 'launches wait for a place only with a registry' unless $node->{registry};
plan skip_all => 'no /proc' unless process_field($$, 'voluntary_ctxt_switches');

my $locker = session($node);

sub look { return Jobs::look($node, $_[0]) }
sub slept { return join ' ', map { process_field($_, 'voluntary_ctxt_switches') } @_ }

# A process says what it waits for before it sleeps, which is counted only then.
sub until_sleeps_for_launch
{
	my ($pid) = @_;
	return until_waits_for($node, $pid, wait_event($node, 'Launch')) && until_true(sub { process_field($pid, 'State') eq 'S' });
}
sub ran { return look(q{SELECT coalesce(string_agg(note, ' ' ORDER BY id), '') FROM done}) }

# Sessions that may have one job at a time, and wait for a place; the jobs write who they are, and take no time.
sub waiting { return waiting_with('SET pg_background.max_workers_per_role = 1;', @_) }

sub waiting_with
{
	my ($settings, @who) = @_;
	my @waiting;

	for my $who (@who)
	{
		my $session = session($node);
		my $pid = value($session, "SET pg_background.launch_timeout = '1h'; $settings SELECT pg_backend_pid()");
		$session->query_until(qr/begun/, "\\echo begun\n"
			  . "SELECT pg_background_exec(\$sql\$INSERT INTO done SELECT count(*), '$who' FROM done\$sql\$);\n");
		until_sleeps_for_launch($pid) or die "$who does not wait";
		push @waiting, [ $session, $pid ];
	}
	return @waiting;
}

# The job that has the place ends while the first of those that wait is stopped, so that it is seen who is woken.
for my $case (
	[ 'cancelled', sub { value($locker, "SELECT pg_cancel_backend($_[0])") } ],
	[ 'terminated', sub { value($locker, "SELECT pg_terminate_backend($_[0])") } ])
{
	my ($what, $befalls) = @$case;
	my $runner = session($node);

	value($locker, 'TRUNCATE done; SELECT pg_advisory_lock(36)');
	launch($runner, 'SELECT pg_advisory_xact_lock_shared(36)');
	my @waiting = waiting(qw(first second third fourth));
	my ($first, @others) = map { $_->[1] } @waiting;
	my $before = slept(@others);
	kill 'STOP', $first;
	value($locker, 'SELECT pg_advisory_unlock(36)');
	ok(until_true(sub { look('SELECT count(*) FROM pg_stat_background') == 0 }), "the first is $what: the place is free");
	is(slept(@others), $before, "the first is $what: those behind it have slept");
	is(ran(), '', "the first is $what: the place is not given to another before");
	# It was woken, and finds this when it comes to look.
	$befalls->($first);
	kill 'CONT', $first;
	ok(until_true(sub { ran() eq 'second third fourth' }), "the first is $what: those behind it go on, one after the other") or diag(ran());
	eval { $_->quit } for $runner, map { $_->[0] } @waiting;
}

# A woken launch that goes on wakes nobody whom its own job keeps out.
{
	my $runner = session($node);

	value($locker, 'TRUNCATE done; SELECT pg_advisory_lock(36), pg_advisory_lock(37)');
	launch($runner, 'SELECT pg_advisory_xact_lock_shared(36)');
	my $next = session($node);
	my $pid = value($next, q{SET pg_background.launch_timeout = '1h'; SET pg_background.max_workers_per_role = 1; SELECT pg_backend_pid()});
	$next->query_until(qr/begun/, "\\echo begun\nSELECT pg_background_exec('SELECT pg_advisory_xact_lock_shared(37)');\n");
	until_sleeps_for_launch($pid) or die 'the next does not wait';
	my @waiting = waiting(qw(one two three));
	my $before = slept(map { $_->[1] } @waiting);
	value($locker, 'SELECT pg_advisory_unlock(36)');
	ok(until_true(sub { look(q{SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = 37 AND NOT granted}) == 1 }),
		'the job of the first runs');
	is(slept(map { $_->[1] } @waiting), $before, 'those behind it have slept');
	value($locker, 'SELECT pg_advisory_unlock(37)');
	ok(until_true(sub { ran() eq 'one two three' }), 'they go on in their order') or diag(ran());
	eval { $_->quit } for $runner, $next, map { $_->[0] } @waiting;
}

value($locker, <<'END');
CREATE FUNCTION attempt(command text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
  EXECUTE command;
  RETURN 'fine';
EXCEPTION WHEN configuration_limit_exceeded THEN
  RETURN 'limit';
END $$;
END
$node->safe_psql('postgres', 'CREATE DATABASE elsewhere');
$node->safe_psql('elsewhere', 'CREATE EXTENSION pg_background');
my $insert_newcomer = q{SELECT attempt($a$SELECT pg_background_exec($j$INSERT INTO done SELECT count(*), 'newcomer' FROM done$j$)$a$)};

# A limit that is raised, or lowered, while launches wait is that of those that wait, too.
for my $limit (qw(max_workers_total max_workers_per_database))
{
	my $setting = "pg_background.$limit";
	my ($runner, $newcomer, $elsewhere) = (session($node), session($node), session($node, dbname => 'elsewhere'));

	setting($node, $setting, 1);
	value($locker, 'TRUNCATE done; SELECT pg_advisory_lock(36)');
	launch($runner, 'SELECT pg_advisory_xact_lock_shared(36)');
	my @waiting = waiting_with('', qw(one two));
	my ($first, $second) = map { $_->[1] } @waiting;
	is(value($newcomer, $insert_newcomer), 'limit', "$limit is 1, and a job runs");
	is((ask($elsewhere, q{SELECT pg_background_exec('SELECT 1')}))[1] =~ /ERROR:  (\w+)/ ? $1 : 'fine', $limit eq 'max_workers_total' ? '53400' : 'fine', "$limit is 1, in another database");
	kill 'STOP', $first;
	setting($node, $setting, 2);
	is(value($newcomer, $insert_newcomer), 'limit', "$limit was raised: the new place is for the first that waits");
	until_sleeps_for_launch($second) or die 'two does not wait';
	is(ran(), '', "$limit was raised: the second waits for the first");
	kill 'CONT', $first;
	ok(until_true(sub { ran() eq 'one two' && look('SELECT count(*) FROM pg_stat_background') == 1 }), "$limit was raised: they go on, one after the other") or diag(ran());
	is(value($newcomer, $insert_newcomer), 'fine', "$limit was raised, and nobody waits");

	# Two jobs run, which end one after the other.
	value($locker, 'TRUNCATE done; SELECT pg_advisory_lock(37)');
	launch($runner, 'SELECT pg_advisory_xact_lock_shared(37)');
	push @waiting, waiting_with('', 'three');
	my $third = $waiting[-1][1];
	setting($node, $setting, 1);
	# Where the postmaster does not know the library, a launch brings it up.
	is(value($newcomer, $insert_newcomer), 'limit', "$limit was lowered");
	value($locker, 'SELECT pg_advisory_unlock(37)');
	ok(until_true(sub { look('SELECT count(*) FROM pg_stat_background') == 1 }), 'one job is left');
	until_sleeps_for_launch($third) or die 'three does not wait';
	is(ran(), '', "$limit was lowered: a place beyond it is for none that waits");
	value($locker, 'SELECT pg_advisory_unlock(36)');
	ok(until_true(sub { ran() eq 'three' }), "$limit was lowered: the place that is left is") or diag(ran());
	setting($node, $setting, 0);
	eval { $_->quit } for $runner, $newcomer, $elsewhere, map { $_->[0] } @waiting;
}

# What is told of the limits is what was read, not what a process was given otherwise.
{
	my $late = session($node);

	# This session launches a job in the midst of a statement that has begun before the limit was set; the job's worker has its settings.
	value($locker, 'SELECT pg_advisory_lock(36), pg_advisory_lock(37)');
	my $pid = value($late, 'SELECT pg_backend_pid()');
	$late->query_until(qr/begun/, "\\echo begun\nSELECT pg_advisory_lock_shared(36), pg_background_exec('SELECT 1');\n");
	until_waits_for($node, $pid, 'advisory') or die 'the late one does not wait';
	without_idle($node);
	setting($node, 'pg_background.max_workers_total', 1);
	value($locker, 'SELECT pg_advisory_unlock(36)');
	until_true(sub { look("SELECT state FROM pg_stat_activity WHERE pid = $pid") eq 'idle' }) or die 'the late one goes on';
	settle($node) or die 'its worker is busy';
	# sessions that are new, and so know what the postmaster has read, not a later reading of their own
	my $runner = session($node);
	launch($runner, 'SELECT pg_advisory_xact_lock_shared(37)');
	is(look($insert_newcomer), 'limit', 'a worker tells nothing of what a launcher had read');

	SKIP: {
		skip 'the postmaster refuses the value', 2 if $node->{registry} eq 'preloaded';
		# The configuration is read, and the first to come is one whose client has set the limit before the library was there.
		setting($node, 'pg_background.worker_max_jobs', 9999);
		my $connection = $node->connstr('postgres') . q{ options='-c pg_background.max_workers_total=9'};
		is($node->safe_psql('postgres', $insert_newcomer, connstr => $connection), 'limit', 'a client cannot lift a limit for itself');
		is(look($insert_newcomer), 'limit', 'nor for others');
	}
	value($locker, 'SELECT pg_advisory_unlock(37)');
	setting($node, 'pg_background.max_workers_total', 0);
	eval { $_->quit } for $late, $runner;
}

# Jobs of a commit: one that came later and has its turn before an older one is not kept out by that. Each waits for a lock.
{
	value($locker, "CREATE ROLE limited_$_ LOGIN; GRANT pgbackground_role TO limited_$_; GRANT INSERT ON done TO limited_$_;"
	  . " ALTER ROLE limited_$_ SET pg_background.max_workers_per_role = 1") for qw(a c);
	my %of = map { $_ => session($node, extra => [ '-U', "limited_$_" ]) } qw(a c);
	my $session = session($node);
	setting($node, 'pg_background.max_workers_total', 3);
	my $held = sub { return "SELECT pg_background_start('INSERT INTO done SELECT 0, ''turn $_[0]'' FROM pg_advisory_lock_shared($_[0])', results => false, at_commit => $_[1]);\n" };
	my $runs = sub {
		my ($locks, $count) = @_;
		return until_true(sub { look("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted AND objid IN ($locks)") == $count });
	};
	value($locker, 'SELECT pg_advisory_lock(n) FROM generate_series(1, 6) n');
	value($of{a}, $held->(1, 'false'));
	value($of{c}, $held->(2, 'false'));
	ok($runs->('1, 2', 2), 'a job of each role runs');
	value($of{a}, "BEGIN;\n" . $held->(3, 'true') . $held->(4, 'true') . 'COMMIT');
	value($of{c}, "BEGIN;\n" . $held->(5, 'true') . 'COMMIT');
	value($session, $held->(6, 'false'));
	ok($runs->('1, 2, 6', 3), 'and one of another role, the last that the limit allows');
	value($locker, 'SELECT pg_advisory_unlock(1)');
	ok($runs->('2, 3, 6', 3), 'in the place of one that ends comes the next of its role');
	value($locker, 'SELECT pg_advisory_unlock(2)');
	ok($runs->('3, 5, 6', 3), 'in that of the other one the next of that role, though an older one waits');
	value($locker, 'SELECT pg_advisory_unlock_all()');
	ok(until_slot_free($node), 'all have ended');
	is(look("SELECT string_agg(note, ', ' ORDER BY note) FROM done WHERE note ~ '^turn '"), join(', ', map { "turn $_" } 1 .. 6), 'and each has run');
	setting($node, 'pg_background.max_workers_total', 0);
	$_->quit for values %of, $session;
}

healthy($node);
done_testing();
