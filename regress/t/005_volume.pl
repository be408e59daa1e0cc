# Thousands of jobs: nothing grows, nothing is left, and no worker slot is missed.  PGBG_ROUNDS and PGBG_SECONDS ask for more.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::RealBin;
use Jobs;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

my $rounds = $ENV{PGBG_ROUNDS} || 2000;
my $seconds = $ENV{PGBG_SECONDS} || 10;
my $node = server('volume', conf => "max_worker_processes = 64\n");
my $session = session($node, timeout => 180 + $rounds);
my $backend = value($session, 'SELECT pg_backend_pid()');

# --- one session ---

value($session, <<'END');
CREATE FUNCTION memory() RETURNS int8 LANGUAGE sql AS 'SELECT sum(total_bytes)::int8 FROM pg_backend_memory_contexts';
CREATE PROCEDURE launch_and_result(rounds int) LANGUAGE plpgsql AS $$
DECLARE
  h pg_background_handle;
  n int;
BEGIN
  FOR i IN 1..rounds LOOP
    h := pg_background_launch_v2(format('SELECT %s', i));
    SELECT r.n INTO STRICT n FROM pg_background_result_v2(h.pid, h.cookie) AS r(n int);
    ASSERT n = i;
  END LOOP;
END $$;
CREATE PROCEDURE submit_wait_detach(rounds int) LANGUAGE plpgsql AS $$
DECLARE
  h pg_background_handle;
BEGIN
  FOR i IN 1..rounds LOOP
    h := pg_background_submit_v2(format('INSERT INTO done VALUES (%s, %L)', i, 'submit'));
    PERFORM pg_background_wait_v2(h.pid, h.cookie);
    PERFORM pg_background_detach_v2(h.pid, h.cookie);
  END LOOP;
END $$;
CREATE PROCEDURE failing(rounds int) LANGUAGE plpgsql AS $$
DECLARE
  h pg_background_handle;
BEGIN
  FOR i IN 1..rounds LOOP
    h := pg_background_launch_v2('INSERT INTO done VALUES (0, ''failed''); SELECT 1 / 0');
    BEGIN
      PERFORM * FROM pg_background_result_v2(h.pid, h.cookie) AS (n int);
      RAISE 'no error';
    EXCEPTION WHEN division_by_zero THEN
      PERFORM pg_background_detach_v2(h.pid, h.cookie);
    END;
  END LOOP;
END $$;
END

# Another handle is held open all the time.
value($session, q{SELECT pid AS held_pid, cookie AS held_cookie FROM pg_background_launch_v2('SELECT pg_sleep(36000)') \gset});
my $held = segments($node);

for my $kind ('launch_and_result', 'submit_wait_detach', 'failing')
{
	my $first = int($rounds / 10);
	my $rest = $rounds - $first;

	value($session, "CALL $kind($first)");
	value($session, 'SELECT memory()');
	my ($memory, $resident) = (value($session, 'SELECT memory()'), process_field($backend, 'RssAnon'));
	my $from = time;
	value($session, "CALL $kind($rest)");
	my $took = time - $from;
	value($session, 'SELECT memory()');
	my ($memory_then, $resident_then) = (value($session, 'SELECT memory()'), process_field($backend, 'RssAnon'));

	note(sprintf '%s: %d rounds, %.2f ms each', $kind, $rest, $took * 1000 / $rest);
	# 10 bytes for each round would show: the C extension lost 210.
	cmp_ok($memory_then - $memory, '<=', 8192 + 10 * $rest, "$kind: the session's memory is flat ($memory, then $memory_then bytes)");
	SKIP: {
		skip 'no /proc', 1 unless $resident;
		cmp_ok($resident_then - $resident, '<=', 150 + $rest / 50, "$kind: the session's process is no larger ($resident, then $resident_then kB)");
	}
	ok(until_true(sub { segments($node) <= $held + $Jobs::kept }, 10), "$kind: no segment is left, but for those that the session keeps");
	ok(settle($node, 1), "$kind: no worker is busy but the one that is held");
}
is(value($session, q{SELECT string_agg(note || ' ' || n, ', ' ORDER BY note) FROM (SELECT note, count(*) AS n FROM done GROUP BY 1) AS s}),
	"submit $rounds", 'what was to commit has committed');
is(value($session, 'SELECT workers_launched, workers_completed, workers_failed, workers_canceled, workers_active FROM pg_background_stats_v2()'),
	3 * $rounds + 1 . '|' . 2 * $rounds . "|$rounds|0|1", 'all jobs of the rounds are counted');
is(value($session, 'SELECT state FROM jobs'), 'running', 'the handle that was held is still good');
value($session, 'SELECT pg_background_cancel_v2(:held_pid, :held_cookie), pg_background_wait_v2(:held_pid, :held_cookie)');
is(value($session, 'SELECT state FROM jobs'), 'canceled', 'the handle that was held can be cancelled to the end');
$session->quit;
nothing_left($node, 'after one session');

# --- eight sessions ---

# With autovacuum off, and nothing else in the slots: 8 of 64 are in use, the others are free or about to be.
for my $case (
	[ 'launch, result', q{SELECT * FROM pg_background_result(pg_background_launch('SELECT 1')) AS (n int)} ],
	[ 'submit, detach', <<'END' ])
SELECT pid, cookie FROM pg_background_submit_v2('SELECT 1') \gset
SELECT pg_background_wait_v2(:pid, :cookie), pg_background_detach_v2(:pid, :cookie);
END
{
	my ($what, $sql) = @$case;
	my ($half, $file) = (int($seconds / 2) || 1, $what =~ s/\W+/_/gr);

	$node->pgbench("-n -c 8 -j 2 -T $half", 0, [qr{number of failed transactions: 0|processed: \d+}], [qr{^$}],
		"8 clients, $what, for $half seconds: no error", { "volume_$file" => $sql });
}
nothing_left($node, 'after eight sessions');
healthy($node);
done_testing();
