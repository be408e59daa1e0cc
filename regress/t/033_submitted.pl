# A session that submits jobs and cleans up nothing: none is lost, none refused, and the session does not grow.  PGBG_SUBMITS asks for
# another number of jobs.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::RealBin;
use Jobs;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

# Without a registry each job is a new process.
my $node = server('submitted');
my $jobs = $ENV{PGBG_SUBMITS} || ($node->{registry} ? 10_000 : 1_000);
my $session = session($node, timeout => 600);
my $backend = value($session, 'SELECT pg_backend_pid()');

value($session, <<'END');
CREATE FUNCTION memory() RETURNS int8 LANGUAGE sql AS 'SELECT sum(total_bytes)::int8 FROM pg_backend_memory_contexts';
CREATE PROCEDURE submit(first int, last int) LANGUAGE plpgsql AS $$
BEGIN
  FOR i IN first..last LOOP
    PERFORM pg_background_start('INSERT INTO done VALUES ($1)', ROW(i), results => false);
  END LOOP;
END $$;
SET pg_background.launch_timeout = '10min';
END
my $warm_up = $jobs / 10;
value($session, "CALL submit(1, $warm_up)");
value($session, 'SELECT memory()');
my ($memory, $resident) = (value($session, 'SELECT memory()'), process_field($backend, 'RssAnon'));
value($session, "CALL submit($warm_up + 1, $jobs)");
value($session, 'SELECT memory()');
my ($memory_then, $resident_then) = (value($session, 'SELECT memory()'), process_field($backend, 'RssAnon'));
value($session, 'SELECT pg_background_await((pid, cookie)) FROM jobs');

is(value($session, 'SELECT count(*), count(DISTINCT id), max(id) FROM done'), "$jobs|$jobs|$jobs", "each of $jobs jobs has committed once");
is(value($session, 'SELECT count(*) FROM jobs'), 16, 'the session tracks as many jobs as it may');
is(value($session, 'SELECT workers_launched, workers_completed, workers_failed FROM pg_background_stats_v2()'), "$jobs|$jobs|0",
	'all jobs are counted');
# Once there are some 30 kB more, however many jobs: a few bytes for each would show.
cmp_ok($memory_then - $memory, '<=', 65536, "the session's memory is flat ($memory, then $memory_then bytes)");
SKIP: {
	skip 'no /proc', 1 unless $resident;
	cmp_ok($resident_then - $resident, '<=', 300 + $jobs / 50, "the session's process is no larger ($resident, then $resident_then kB)");
}
SKIP: {
	skip 'each job has a new process', 1 unless $node->{registry};
	my $cold = value($session, 'SELECT cold_starts FROM pg_stat_background_totals');
	cmp_ok($cold, '<', $jobs / 4, "most jobs have run in warm workers ($cold in new processes)");
}

# With failures among them, and no time to wait: refused only as long as as many run as there may.
value($session, 'TRUNCATE done; SET pg_background.launch_timeout = 0');
value($session, <<'END');
DO $$
DECLARE
  refused bool;
BEGIN
  FOR i IN 1..200 LOOP
    LOOP
      BEGIN
        PERFORM pg_background_submit_v2(format('INSERT INTO done VALUES (%s); SELECT 1 / (%1$s %% 2)', i));
        EXIT;
      EXCEPTION WHEN configuration_limit_exceeded THEN
        PERFORM pg_sleep(0.01);
      END;
    END LOOP;
  END LOOP;
END $$;
END
value($session, 'SELECT pg_background_await((pid, cookie)) FROM jobs');
is(value($session, 'SELECT count(*), count(DISTINCT id), count(*) FILTER (WHERE id % 2 = 0) FROM done'), '100|100|0',
	'of 200 jobs those that do not fail have committed');
is(value($session, 'SELECT workers_failed FROM pg_background_stats_v2()'), 100, 'those that fail are counted');

value($session, 'SELECT pg_background_forget_all()');
$session->quit;
nothing_left($node, 'after the session');
healthy($node);
done_testing();
