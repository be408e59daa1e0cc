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

# All memory, to the last bytes: values of settings are small pieces.  Then an error has none for its copy.
my $full = q{DO $$ DECLARE size int := 65536; BEGIN
  FOR i IN 1..300 LOOP PERFORM set_config('memory.piece' || i, '', false); END LOOP;
  FOR i IN 1..300 LOOP
    BEGIN PERFORM set_config('memory.piece' || i, repeat('x', size), false);
    EXCEPTION WHEN out_of_memory THEN size := size / 2; END;
  END LOOP;
  RAISE NOTICE 'it is full';
END $$};
my %full;
for my $room (0 .. 40)
{
	my $worker = value($session, $pid);
	system('prlimit', "--pid=$worker", sprintf('--data=%d:', 1024 * (process_field($worker, 'VmData') + 50 * $room)));
	my (undef, undef, $err) = $node->psql('postgres', 'SELECT pg_background_exec($job$' . $full . '$job$)');
	$full{ $err =~ /ERROR:  out of memory/ ? 'no memory' : $err =~ /NOTICE:  it is full/ ? 'its message' : $err }++;
	system("prlimit --pid=$worker --data=unlimited: 2>/dev/null");
}
note(join ', ', map { "$full{$_} times: $_" } sort keys %full);
is(join('; ', map { substr $_, 0, 200 } grep { !/^(no memory|its message)$/ } sort keys %full), '', 'a job that takes all memory is told so');
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

done_testing();
