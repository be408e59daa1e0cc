# What the tests of this directory share: servers with the extension, sessions that may fail, and counting what is left over.
package Jobs;

use strict;
use warnings FATAL => 'all';

use Exporter 'import';
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time usleep);

our @EXPORT = qw(server session ask value launch job job_sql until_true until_waits_for segments segments_of_jobs settle nothing_left healthy crashed process_field wake_ups is_gone until_there
  wait_event setting arm disarm until_held without_idle idle_workers until_idle until_slot_free totals LIST);

# Seconds after which anything that should happen at once has failed.
our $patience = 60;

# The columns of the list, as a caller declares them.
use constant LIST => 'pg_background_list_v2() AS (pid int4, cookie int8, launched_at timestamptz, user_id oid,'
  . ' queue_size int4, state text, sql_preview text, last_error text, consumed bool)';

# Segments are files in the data directory here, so they can be counted.
my $settings = <<'END';
dynamic_shared_memory_type = mmap
max_worker_processes = 32
autovacuum = off
log_statement = none
END

# A session keeps some segments of its jobs for later ones.
our $kept = 4;

# server(NAME, conf => LINES, init => { ... }, preload => BOOLEAN): started, with the extension, the view "jobs", and a table that
# jobs write to.  PGBG_PRELOAD=0 asks for servers without preloading where a test does not say.
sub server
{
	my ($name, %params) = @_;
	my $node = PostgreSQL::Test::Cluster->new($name);

	$node->init(%{ $params{init} || {} });
	my $preload = $params{preload} // $ENV{PGBG_PRELOAD} // 1;
	my $library = $preload ? "shared_preload_libraries = 'pg_background'\n" : '';
	$node->append_conf('postgresql.conf', $settings . $library . ($params{conf} || ''));
	$node->start;
	$node->{registry} = $preload ? 'preloaded' : $node->pg_version >= 17 ? 'in a segment' : '';
	$node->safe_psql('postgres', 'CREATE EXTENSION pg_background;'
		  . ' CREATE VIEW jobs AS SELECT * FROM ' . LIST . ';'
		  . ' CREATE TABLE done (id int, note text);');
	at_rest($node);
	return $node;
}

# Remembers how many segments there are when there is no job.  The registry may have one of its own, from the first job on.
sub at_rest
{
	my ($node) = @_;

	one_job($node) == 42 or die 'no jobs here';
	without_idle($node);
	$node->{segments_at_rest} = segments($node);
	$node->{segments_of_jobs_at_rest} = segments_of_jobs($node);
	return;
}

sub one_job
{
	my ($node) = @_;
	return $node->safe_psql('postgres', q{SELECT * FROM pg_background_result(pg_background_launch('SELECT 42')) AS (n int)});
}

# A psql session that goes on after errors.
sub session
{
	my ($node, %params) = @_;
	my $session = $node->background_psql($params{dbname} || 'postgres',
		on_error_stop => 0, extra_params => $params{extra} || [], timeout => $params{timeout});

	$session->set_query_timer_restart;
	$session->query("\\set VERBOSITY verbose\n\\set SHOW_CONTEXT errors");
	return $session;
}

# ask(SESSION, SQL): what the query returned and what was said on standard error
sub ask
{
	my ($session, $sql) = @_;

	$session->{stderr} = '';
	my $out = $session->query($sql);
	my $err = $session->{stderr};
	$session->{stderr} = '';
	return ($out, $err);
}

# value(SESSION, SQL): what the query returned; an error ends the test
sub value
{
	my ($session, $sql) = @_;
	my ($out, $err) = ask($session, $sql);

	die "query failed: $sql\n$err" if $err =~ /^(psql:\S+ )?(ERROR|FATAL|PANIC)/m;
	return $out;
}

# launch(SESSION, SQL, QUEUE_SIZE): keeps the job's handle in the session's variables "pid" and "cookie"; returns the pid, in a list
# the pid and the cookie
sub launch
{
	my ($session, $sql, $queue_size) = @_;
	my $size = $queue_size ? ", $queue_size" : '';

	value($session, "SELECT pid, cookie FROM pg_background_launch_v2(\$job\$$sql\$job\$$size) \\gset");
	my @handle = split /\|/, value($session, 'SELECT :pid, :cookie');
	return wantarray ? @handle : $handle[0];
}

# job_sql(SQL): a query that launches the job and returns its only column, a text
sub job_sql
{
	my ($sql) = @_;
	return "SELECT * FROM pg_background_result(pg_background_launch(\$job\$$sql\$job\$)) AS (x text)";
}

# job(SESSION, SQL): what the job returned; an error ends the test
sub job
{
	my ($session, $sql) = @_;
	return value($session, job_sql($sql));
}

# until_waits_for(NODE, PID, EVENT...): waits until the process waits for one of these events
sub until_waits_for
{
	my ($node, $pid, @events) = @_;
	my $events = join ', ', map { "'$_'" } @events;
	return $node->poll_query_until('postgres', "SELECT wait_event IN ($events) FROM pg_stat_activity WHERE pid = $pid");
}

# until_true(CODE, SECONDS): runs CODE until it returns true; false when it never did
sub until_true
{
	my ($code, $seconds) = @_;
	my $end = time + ($seconds || $patience);

	until ($code->())
	{
		return 0 if time > $end;
		usleep(20_000);
	}
	return 1;
}

# Files of shared memory segments.  An empty one is what the server leaves when it runs out of memory while it makes one.
sub segments
{
	my ($node) = @_;
	my @files = grep { -s } glob($node->data_dir . '/pg_dynshmem/mmap.*');
	return scalar @files;
}

# The same without those of whole megabytes: areas, which stay when they have grown, as that in which jobs wait for their start after
# a commit.
sub segments_of_jobs
{
	my ($node) = @_;
	return scalar grep { (-s // 0) % (1 << 20) } glob($node->data_dir . '/pg_dynshmem/mmap.*');
}

# What a query says of the whole server, in a session of its own.
sub look
{
	my ($node, $sql) = @_;
	# without a registry the views say that there is none
	return $node->safe_psql('postgres', "SET client_min_messages = warning; $sql");
}

# Workers that run jobs; an idle one does not.
my $busy = q{pg_stat_activity AS a WHERE backend_type = 'pg_background' AND NOT EXISTS
  (SELECT FROM pg_stat_background_workers AS w WHERE w.pid = a.pid AND w.state = 'idle')};

# settle(NODE, COUNT): waits until all workers, or all but COUNT, are idle or gone
sub settle
{
	my ($node, $count) = @_;
	$count //= 0;
	return until_true(sub { look($node, "SELECT count(*) FROM $busy") == $count });
}

# The worker has no job any more; it may be there all the same.
sub until_idle
{
	my ($node, $pid) = @_;
	return until_true(sub { look($node, "SELECT count(*) FROM $busy AND a.pid = $pid") == 0 });
}

# Pids of the workers that are idle, in any database.
sub idle_workers
{
	my ($node) = @_;
	return split /\n/, look($node, q{SELECT pid FROM pg_stat_background_workers WHERE state = 'idle' ORDER BY pid});
}

# The registry has forgotten the job: it ended, or was never taken.
sub until_slot_free
{
	my ($node) = @_;
	return until_true(sub { look($node, 'SELECT count(*) FROM pg_stat_background') == 0 });
}

# setting(NODE, NAME, VALUE): for the whole server, at once; the value is in the words of SHOW
sub setting
{
	my ($node, $name, $value) = @_;

	$node->append_conf('postgresql.conf', "$name = '$value'");
	$node->reload;
	# The postmaster has it when a new process has it.
	until_true(sub { shown($node, $name) eq $value }) or die "$name is not $value";
	return;
}

sub shown
{
	my ($node, $name) = @_;
	return $node->safe_psql('postgres', "LOAD 'pg_background'; SHOW $name");
}

# Sends idle workers away, and waits for the busy ones.  Afterwards there is no worker.
sub without_idle
{
	my ($node) = @_;
	my $was;

	if ($node->{registry})
	{
		$was = shown($node, 'pg_background.max_idle_workers');
		setting($node, 'pg_background.max_idle_workers', 0);
	}
	my $gone = until_true(
		sub { look($node, q{SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'pg_background'}) == 0 });
	setting($node, 'pg_background.max_idle_workers', $was) if $was;
	return $gone;
}

# nothing_left(NODE, WHAT): no process and no segment of a job.  Sessions that are still there may keep some segments for later.
sub nothing_left
{
	my ($node, $what) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;

	# The first job after a start makes the registry, where it is in a segment.
	one_job($node) if $node->{registry} eq 'in a segment';
	ok(settle($node), "$what: no worker is busy");
	ok(without_idle($node), "$what: no worker is left");
	my $sessions = look($node, q{SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()});
	my $limit = $node->{segments_of_jobs_at_rest} + $kept * $sessions;
	until_true(sub { segments_of_jobs($node) <= $limit }, 10);
	if ($sessions == 0)
	{
		is(segments_of_jobs($node), $limit, "$what: no shared memory segment is left");
	}
	else
	{
		cmp_ok(segments_of_jobs($node), '<=', $limit, "$what: no shared memory segment is left, but for those that $sessions sessions keep");
	}
	return;
}

# The counters of a role in a database, by name.
sub totals
{
	my ($node, $database, $role) = @_;
	my @names = qw(launched completed failed canceled timed_out rejected queue_waits warm_starts cold_starts);
	my %totals;

	@totals{@names} = split /\|/,
	  look($node, 'SELECT ' . join(', ', map { "coalesce(sum($_), 0)" } @names)
		  . " FROM pg_stat_background_totals WHERE datname = '$database' AND usename = '$role'");
	return \%totals;
}

# The file that arms a point of src/point.rs, and the one by which a process says that it is held there.
sub point
{
	my ($node, $name, $pid) = @_;
	return $node->data_dir . "/pg_background_points/$name" . ($pid ? ".$pid" : '');
}

# arm(NODE, POINT, ORDER): "hold" or "error", and of which process, if not of any.  A process that is held follows a new order.
sub arm
{
	my ($node, $name, $order) = @_;

	mkdir $node->data_dir . '/pg_background_points';
	append_to_file(point($node, 'new'), $order);
	rename(point($node, 'new'), point($node, $name)) or die "$name: $!";
	return;
}

# Processes that are held go on.
sub disarm
{
	my ($node, $name) = @_;

	unlink point($node, $name) or die "$name was not armed";
	return until_true(sub { !glob(point($node, $name) . '.*') });
}

# Pid of a process that is held at the point; any, when none is named.
sub until_held
{
	my ($node, $name, $pid) = @_;
	my @held;

	# a pattern without a star matches itself
	until_true(sub { @held = grep { -e } glob(point($node, $name, $pid // '*')) }) or die "nobody comes to $name";
	return $held[0] =~ s/.*\.//r;
}

# What pg_stat_activity says of a process that waits for a job, or for one to be let in (17 and later tell which).
sub wait_event
{
	my ($node, $what) = @_;
	return $node->pg_version >= 17 ? 'PgBackground' . ($what // 'Job') : 'Extension';
}

sub crashed
{
	my ($node, $offset) = @_;
	return $node->log_contains(qr/terminated by signal|PANIC: |TRAP: |panicked at|exited with exit code 134/, $offset || 0);
}

# healthy(NODE): no process of the server crashed, and it answers
sub healthy
{
	my ($node) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;

	ok(!crashed($node), 'no process has crashed');
	is(one_job($node), 42, 'a job runs in the end');
	return;
}

# until_there(NODE): waits until a server that starts again by itself accepts connections.  Until then a psql may be gone before it has
# been given its statement.
sub until_there
{
	my ($node) = @_;
	return until_true(sub { (eval { $node->safe_psql('postgres', 'SELECT pg_is_in_recovery()') } // '') eq 'f' });
}

# process_field(PID, NAME): a field of /proc/PID/status; undef where there is none
sub process_field
{
	my ($pid, $name) = @_;

	open(my $status, '<', "/proc/$pid/status") or return;
	while (my $line = <$status>)
	{
		return $1 if $line =~ /^$name:\s+(\S+)/;
	}
	return;
}

# How often the processes were woken up in that many seconds.  One could not ask less of a process that sleeps than to look at it
# for a while.
sub wake_ups
{
	my ($seconds, @pids) = @_;
	my @before = map { process_field($_, 'voluntary_ctxt_switches') } @pids;

	usleep($seconds * 1_000_000);
	return map { process_field($pids[$_], 'voluntary_ctxt_switches') - $before[$_] } 0 .. $#pids;
}

sub is_gone
{
	my ($pid) = @_;
	return !kill(0, $pid);
}

1;
