# Memory that runs out while a job's message is copied for its launcher: the message or the job is lost, not the server.  And while
# a session maps what it has not seen yet of the jobs that start at a commit: it sees them as soon as there is memory again.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::RealBin;
use Jobs;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

plan skip_all => 'prlimit is needed' if system('prlimit --version >/dev/null 2>&1') != 0;

my $node = server('no_memory', preload => 1, conf => <<'END');
pg_background.idle_timeout = '10min'
restart_after_crash = off
END
my $session = session($node);
my $pid = q{SELECT pid FROM pg_background_query('SELECT pg_backend_pid()') AS (pid int)};
my $message = q{DO $$ BEGIN
  RAISE NOTICE USING MESSAGE = repeat('m', 2000000), DETAIL = repeat('d', 2000000), HINT = repeat('h', 2000000);
END $$};

# The copy of all three texts takes more than what the server needs to make one of them. So some limits are reached in the copy.
my %ends;
for my $room (0 .. 40)
{
	my $worker = value($session, $pid);
	my $data = process_field($worker, 'VmData');
	system('prlimit', "--pid=$worker", sprintf('--data=%d:', 1024 * ($data + 2000 * $room)));
	my (undef, undef, $err) = $node->psql('postgres', 'SELECT pg_background_exec($job$' . $message . '$job$)');
	$ends{ $err =~ /ERROR:.*(?:out of memory|Cannot allocate memory)/ ? 'no memory' : $err =~ /NOTICE:  m+\n/ ? 'its message' : $err }++;
	system("prlimit --pid=$worker --data=unlimited: 2>/dev/null");
}
is(join(', ', map { substr $_, 0, 100 } sort keys %ends), 'its message, no memory', 'a job ends with its message, or with an error of memory');

# All memory, to the last bytes: values of settings are small pieces.  Then an error has none for its copy.  Texts of more than a
# kilobyte are copied, and logged, in pieces of their own.
my $fill = q{FOR i IN 1..300 LOOP PERFORM set_config('memory.piece' || i, '', false); END LOOP;
  FOR i IN 1..300 LOOP
    EXIT WHEN size <= least;
    BEGIN PERFORM set_config('memory.piece' || i, repeat('x', size), false);
    EXCEPTION WHEN out_of_memory THEN size := size / 2; END;
  END LOOP;};
my $long = '-- ' . 'long ' x 500 . "\n";
my %fillers = (
	values => "DO \$\$ DECLARE size int := 65536; least int := -1; BEGIN $fill RAISE NOTICE 'it is full'; END \$\$",
	'values, long texts' => "$long DO \$\$ DECLARE size int := 65536; least int := -1; BEGIN $fill RAISE NOTICE 'it is full%', repeat('n', 3000); END \$\$",
	# these take it in pieces of a kilobyte
	statements => "$long DO \$\$ BEGIN FOR i IN 1..5000 LOOP EXECUTE format('PREPARE p%s AS SELECT 1', i); END LOOP; RAISE NOTICE 'it is full'; END \$\$");
for my $filler (sort keys %fillers)
{
	my %full;
	for my $room (0 .. 20)
	{
		my $worker = value($session, $pid);
		my $data = process_field($worker, 'VmData') // next;
		system('prlimit', "--pid=$worker", sprintf('--data=%d:', 1024 * ($data + 100 * $room)));
		my (undef, undef, $err) = $node->psql('postgres', "SELECT pg_background_exec(\$job\$$fillers{$filler}\$job\$)");
		$full{ $err =~ /ERROR:.*(?:out of memory|Cannot allocate memory)/ ? 'no memory' : $err =~ /NOTICE:  it is full/ ? 'its message' : $err }++;
		system("prlimit --pid=$worker --data=unlimited: 2>/dev/null");
	}
	note("$filler: " . join ', ', map { "$full{$_} times: $_" } sort keys %full);
	is(join('; ', map { substr $_, 0, 200 } grep { !/^(no memory|its message)$/ } sort keys %full), '', "$filler: a job that takes all memory is told so");
	ok($full{'no memory'}, "$filler: it was all taken");
}

# The same in a session, which then launches jobs with the little that is left: it goes on with an error, or ends, and does not wait
# for itself.
my %ends_of_session;
for my $room (0 .. 31)
{
	my ($timed_out, $more, $least) = (0, 50 * $room, (-1, 256, 1024, 4096, 8192, 16384, 32768, 65536)[$room % 8]);
	my $status = $node->psql('postgres', <<"END", stdout => \my $out, stderr => \my $err, on_error_stop => 0, timeout => $Jobs::patience, timed_out => \$timed_out);
SELECT pg_background_exec('SELECT 1');
SELECT pg_backend_pid() AS pid \\gset
\\setenv PID :pid
\\! prlimit --pid=\$PID --data=\$((1024 * (\$(sed -n 's/^VmData:[^0-9]*\\([0-9]*\\).*/\\1/p' /proc/\$PID/status) + $more))):
DO \$\$ DECLARE size int := 65536; least int := $least; BEGIN $fill
  FOR i IN 1..10 LOOP PERFORM pg_background_exec('SELECT 1'); PERFORM pg_background_start('SELECT 1', at_commit => i % 2 = 0); END LOOP; END \$\$;
\\! prlimit --pid=\$PID --data=unlimited:
SELECT 'goes on' FROM pg_background_query('SELECT 1') AS (x int);
END
	my $end = $timed_out ? 'hangs' : $out =~ /goes on/ ? 'goes on' : $err =~ /FATAL:  out of memory|server closed the connection|connection to server was lost/ ? 'ends' : $err;
	$ends_of_session{$end}++;
	$ends_of_session{'had no memory'}++ if $err =~ /out of memory|Cannot allocate memory/;
}
note(join ', ', map { "$ends_of_session{$_} times: $_" } sort keys %ends_of_session);
is(join('; ', map { substr $_, 0, 300 } grep { !/^(goes on|ends|had no memory)$/ } sort keys %ends_of_session), '', 'a session that takes all memory goes on or ends');
ok($ends_of_session{'had no memory'}, 'it took all');
is(value($session, $pid) > 0, 1, 'jobs run afterwards');

# Two jobs that wait, of which the larger one needs a segment that the looking session has not mapped.
my ($asker, $looker) = (session($node), session($node));
my $look = q{SELECT string_agg(label, ' ' ORDER BY label) FROM pg_stat_background WHERE pid IS NULL};
value($session, 'SELECT pg_advisory_lock(1)');
value($asker, 'SET pg_background.max_workers_per_role = 1');
sub ask_for
{
	my ($label, $bytes) = @_;
	value($asker, "BEGIN;\nSELECT pg_background_start('SELECT pg_advisory_lock_shared(1); --' || repeat('x', $bytes), label => '$label', at_commit => true, results => false);\nCOMMIT");
	return;
}
ask_for('runs', 1);
ok(until_true(sub { value($session, q{SELECT count(*) FROM pg_stat_background WHERE label = 'runs' AND wait_event = 'advisory'}) }), 'a job runs');
ask_for('small', 1);
is(value($looker, $look), 'small', 'a session sees a job that waits');
ask_for('large', 16_000_000);
my $looking = value($looker, 'SELECT pg_backend_pid()');
for my $round (1 .. 2)
{
	system('prlimit', "--pid=$looking", sprintf('--as=%d:', 1024 * (process_field($looking, 'VmSize') + 4000)));
	my (undef, $err) = ask($looker, $look);
	like($err, qr/could not map shared memory segment.*Cannot allocate memory/, "there is no memory to map the next one: round $round");
	system('prlimit', "--pid=$looking", '--as=unlimited:');
}
is(value($looker, $look), 'large small', 'and when there is, the session sees both');
value($session, 'SELECT pg_advisory_unlock(1)');
my $ended = q{SELECT string_agg(label || ' ' || state, ', ' ORDER BY label) FROM pg_background_history WHERE label IN ('runs', 'small', 'large')};
ok(until_true(sub { value($session, $ended) eq 'large stopped, runs stopped, small stopped' }), 'all of them run in the end');

unlike(slurp_file($node->logfile), qr/terminated by signal|TRAP:/, 'no process has crashed');

# A registry that cannot be mapped, in a transaction that goes on.
SKIP:
{
	skip 'the registry is in a segment from 17 on', 5 if $node->pg_version < 17;

	my $node = server('in_segment', preload => 0, conf => "restart_after_crash = off\n");
	my $session = session($node);
	my $own = value($session, 'SELECT pg_backend_pid()');

	value($session, "CREATE ROLE altered; ALTER ROLE altered SET work_mem = '4MB'; LOAD 'pg_background'; SET client_min_messages = debug1");
	system('prlimit', "--pid=$own", sprintf('--as=%d:', 1024 * (process_field($own, 'VmSize') + 500)));
	my (undef, $err) = ask($session, q{DO $$ BEGIN ALTER ROLE altered SET work_mem = '5MB'; PERFORM pg_background_exec('SELECT 1'); END $$});
	like($err, qr/could not dismiss its idle workers: could not map shared memory segment.*ERROR:  53200: could not map shared memory segment/s,
		'there is no memory to map the registry, and none for a job in the same statement');
	(undef, $err) = ask($session, "ALTER ROLE altered SET work_mem = '5MB'");
	like($err, qr/could not dismiss its idle workers: could not map/, 'a command alone goes on');
	unlike($err, qr/resource was not closed/, 'and leaves nothing behind');
	system('prlimit', "--pid=$own", '--as=unlimited:');
	is(value($session, q{SELECT x FROM pg_background_query('SELECT 42') AS (x int)}), '42', 'when there is memory, a job runs');
	unlike(slurp_file($node->logfile), qr/terminated by signal|TRAP:/, 'no process has crashed');
}

done_testing();
