# Eight sessions do everything that can be done with jobs, in any order, while databases come and go, sessions and workers are
# terminated: afterwards nothing is left over and every job is accounted for.  PGBG_OPERATIONS asks for more, PGBG_SEED for the
# same again.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::RealBin;
use Jobs;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

my $operations = $ENV{PGBG_OPERATIONS} || 1500;
my $clients = 8;
my $seed = $ENV{PGBG_SEED} // int(rand(1_000_000));
my $node = server('stress', conf => <<'END');
max_worker_processes = 64
max_connections = 60
pg_background.max_idle_workers = 6
pg_background.idle_timeout = '200ms'
pg_background.worker_max_jobs = 50
pg_background.max_workers_total = 20
log_min_messages = warning
END
if (!$node->{registry})
{
	$node->stop;
	plan skip_all => 'no registry on this major without preloading';
}
note("seed $seed");
srand($seed);

# Jobs insert a row: it is there when, and only when, the job has ended well.
$node->safe_psql('postgres', <<'END');
CREATE ROLE crowd LOGIN;
CREATE ROLE doomed LOGIN;
SELECT grant_pg_background_privileges('crowd'), grant_pg_background_privileges('doomed');
GRANT pg_signal_backend TO crowd;
-- so that some launches wait and some are refused; whose own jobs wait to be read must not wait for ever
ALTER ROLE crowd SET pg_background.launch_timeout = '20ms';
ALTER ROLE doomed SET pg_background.launch_timeout = '1min';
GRANT ALL ON done TO crowd, doomed;
GRANT SELECT ON jobs TO doomed;
CREATE TABLE counted (client int, launched int, refused int, warnings text);
GRANT ALL ON counted TO crowd;

CREATE FUNCTION random_job(client int) RETURNS text LANGUAGE sql VOLATILE AS $$
  SELECT format('INSERT INTO done VALUES (%s, %L); ', client, current_user) || (ARRAY[
    'SELECT ''x''', 'SELECT ''x''', 'SELECT pg_sleep(random() * 0.02)', 'SELECT 1 / 0', 'SELECT repeat(''x'', 1000) FROM generate_series(1, 300)',
    'SET work_mem = ''1MB''; SELECT ''x''', 'CREATE TEMP TABLE t (id int); SELECT ''x''', 'SELECT pg_advisory_lock(100 + (random() * 10000)::int)',
    'DO $x$ BEGIN RAISE NOTICE ''x''; END $x$', 'LISTEN news; NOTIFY news; SELECT ''x''', 'PREPARE p AS SELECT 1; SELECT ''x''',
    'DO $x$ BEGIN PERFORM 1 / 0; EXCEPTION WHEN OTHERS THEN NULL; END $x$', 'SELECT * FROM no_such_table',
    'DO $x$ BEGIN PERFORM pg_sleep(0.01); EXCEPTION WHEN query_canceled THEN NULL; END $x$; SELECT ''x''',
    -- a client could not count this one's own
    format('SELECT * FROM pg_background_result(pg_background_launch($x$INSERT INTO done VALUES (%s, %L)$x$)) AS (tag text)', client, current_user)
  ])[1 + floor(random() * CASE client WHEN 0 THEN 15 ELSE 14 END)] $$;

-- one operation on the jobs of this session, or of any
CREATE PROCEDURE crowd(client int, operations int, seed float8) LANGUAGE plpgsql AS $$
DECLARE
  mine pg_background_handle[] := '{}';
  h pg_background_handle;
  i int;
  r float8;
  launched int := 0;
  refused int := 0;
  strange text := '';
BEGIN
  PERFORM setseed(seed);
  SET client_min_messages = warning;
  FOR n IN 1..operations LOOP
    r := random();
    i := 1 + floor(random() * cardinality(mine));
    IF cardinality(mine) < 6 AND r < 0.5 OR cardinality(mine) = 0 THEN
      h := NULL;
      BEGIN
        IF random() < 0.7 THEN h := pg_background_launch_v2(random_job(client));
        ELSE h := pg_background_submit_v2(random_job(client)); END IF;
      EXCEPTION WHEN insufficient_resources OR configuration_limit_exceeded THEN
        refused := refused + 1;
      END;
      IF h.pid IS NOT NULL THEN
        launched := launched + 1;
        mine := mine || h;
      END IF;
    ELSIF r < 0.55 THEN
      -- any job of another session
      SELECT b.pid, b.cookie INTO h FROM pg_stat_background AS b WHERE b.usename = 'crowd' AND b.launcher_pid <> pg_backend_pid() ORDER BY random() LIMIT 1;
      IF h.pid IS NOT NULL THEN
        IF random() < 0.5 THEN PERFORM pg_background_cancel_v2(h.pid, h.cookie);
        ELSE PERFORM pg_background_wait_v2_timeout(h.pid, h.cookie, (random() * 10)::int); END IF;
      END IF;
    ELSIF r < 0.57 THEN
      PERFORM pg_terminate_backend(a.pid) FROM pg_stat_activity AS a
        WHERE a.pid = mine[i].pid AND a.backend_type = 'pg_background';
    ELSIF r < 0.65 THEN
      PERFORM pg_background_cancel_v2(mine[i].pid, mine[i].cookie);
    ELSIF r < 0.68 THEN
      PERFORM pg_background_cancel_v2_grace(mine[i].pid, mine[i].cookie, (random() * 10)::int);
    ELSIF r < 0.75 THEN
      PERFORM pg_background_wait_v2_timeout(mine[i].pid, mine[i].cookie, (random() * 20)::int);
    ELSIF r < 0.8 THEN
      PERFORM pg_background_wait_v2(mine[i].pid, mine[i].cookie);
    ELSIF r < 0.92 THEN
      BEGIN
        PERFORM * FROM pg_background_result_v2(mine[i].pid, mine[i].cookie) AS (x text);
      EXCEPTION
        WHEN division_by_zero OR query_canceled OR undefined_table OR admin_shutdown OR datatype_mismatch OR feature_not_supported
          OR undefined_object OR object_not_in_prerequisite_state OR insufficient_privilege OR lock_not_available THEN NULL;
        WHEN OTHERS THEN strange := strange || SQLSTATE || ' ' || SQLERRM || E'\n';
      END;
      IF EXISTS (SELECT FROM pg_background_list_v2() AS (pid int4, cookie int8, launched_at timestamptz, user_id oid,
          queue_size int4, state text, sql_preview text, last_error text, consumed bool) WHERE pid = mine[i].pid AND cookie = mine[i].cookie) THEN
        PERFORM pg_background_detach_v2(mine[i].pid, mine[i].cookie);
      END IF;
      mine := mine[:i - 1] || mine[i + 1:];
    ELSE
      PERFORM pg_background_detach_v2(mine[i].pid, mine[i].cookie);
      mine := mine[:i - 1] || mine[i + 1:];
    END IF;
    COMMIT;
  END LOOP;
  FOREACH h IN ARRAY mine LOOP
    PERFORM pg_background_detach_v2(h.pid, h.cookie);
  END LOOP;
  INSERT INTO counted VALUES (client, launched, refused, strange);
END $$;
END

my $from = time;
my @crowd;
for my $client (1 .. $clients)
{
	my $random = rand;
	my ($out, $err) = ('', '');
	my $run = IPC::Run::start [ 'psql', '-XAtq', '-U', 'crowd', '-d', $node->connstr('postgres'), '-c', "CALL crowd($client, $operations, $random)" ],
	  '>', \$out, '2>', \$err, IPC::Run::timeout(120 + $operations);
	push @crowd, { run => $run, err => \$err };
}

# Meanwhile: sessions that are terminated at any moment, databases that come and go with jobs in them, and changes of roles.
my $churn = 0;
my ($databases, $terminated, $failed) = (0, 0, '');
my $watcher = session($node);
while (grep { $_->{run}->pumpable && do { $_->{run}->pump_nb; $_->{run}->pumpable } } @crowd)
{
	my $kind = $churn++ % 3;
	if ($kind == 0)
	{
		my $victim = session($node, extra => [ '-U', 'doomed' ]);
		my $pid = value($victim, 'SELECT pg_backend_pid()');
		$victim->query_until(qr/begun/, "\\echo begun\nDO \$\$ DECLARE h pg_background_handle; BEGIN LOOP BEGIN"
			  . " h := pg_background_launch_v2(random_job(0)); PERFORM pg_background_wait_v2(h.pid, h.cookie);"
			  . " PERFORM pg_background_detach_v2(h.pid, h.cookie); EXCEPTION WHEN query_canceled THEN"
			  . " PERFORM pg_background_detach_v2(pid, cookie) FROM jobs; END; END LOOP; END \$\$;\n");
		value($watcher, "SELECT pg_sleep(random() * 0.02), pg_cancel_backend($pid)") for 1 .. 5;
		value($watcher, 'SELECT pg_sleep(random() * 0.02)');
		value($watcher, "SELECT pg_terminate_backend($pid)");
		until_true(sub { is_gone($pid) }) or $failed .= "session $pid does not end\n";
		eval { $victim->quit };
		$terminated++;
	}
	elsif ($kind == 1)
	{
		value($watcher, 'CREATE DATABASE brief');
		$node->safe_psql('brief', 'CREATE EXTENSION pg_background');
		$node->safe_psql('brief', q{SET pg_background.launch_timeout = '1min';
SELECT pid, cookie FROM pg_background_submit_v2('SELECT pg_sleep(10)') \gset
SELECT * FROM pg_background_result(pg_background_launch('SELECT 1')) AS (n int);
SELECT pg_background_cancel_v2(:pid, :cookie), pg_background_wait_v2(:pid, :cookie);
SELECT * FROM pg_background_result(pg_background_launch('SELECT 1')) AS (n int);});
		my (undef, $err) = ask($watcher, 'DROP DATABASE brief' . ($churn % 2 ? ' WITH (FORCE)' : ''));
		if ($err) { $failed .= $err; value($watcher, 'DROP DATABASE IF EXISTS brief WITH (FORCE)') }
		$databases++;
	}
	else
	{
		value($watcher, q{ALTER ROLE crowd SET work_mem = '5MB'; ALTER ROLE crowd RESET work_mem});
	}
}
for my $one (@crowd)
{
	$one->{run}->finish;
	is(${ $one->{err} } =~ s/^(WARNING|NOTICE):.*\n(DETAIL:.*\n|HINT:.*\n|CONTEXT:.*\n)*//mgr, '', 'a session has come to its end');
}
note(sprintf '%d sessions of %d operations: %.1f s; %d databases, %d terminated sessions', $clients, $operations, time - $from, $databases, $terminated);
is($failed, '', 'all databases could be dropped, all sessions ended');
cmp_ok($databases, '>=', 1, 'databases came and went');
cmp_ok($terminated, '>=', 1, 'sessions were terminated');
$watcher->quit;

ok(settle($node), 'all jobs end');
ok(until_slot_free($node), 'no slot is taken');
my ($counted, $refused, $sessions) = split /\|/, $node->safe_psql('postgres', 'SELECT sum(launched), sum(refused), count(*) FROM counted');
is($sessions, $clients, 'all sessions have counted');
is($node->safe_psql('postgres', q{SELECT string_agg(DISTINCT warnings, '') FROM counted}), '', 'no job had an error that it should not have had');
for my $role ('crowd', 'doomed')
{
	my $totals = totals($node, 'postgres', $role);
	note("$role: " . join ', ', map { "$_ $totals->{$_}" } sort keys %$totals);
	is($totals->{completed} + $totals->{failed} + $totals->{canceled} + $totals->{timed_out}, $totals->{launched}, "$role: every job has one end");
	is($totals->{warm_starts} + $totals->{cold_starts}, $totals->{launched}, "$role: and began warm or cold");
	is($totals->{completed}, $node->safe_psql('postgres', "SELECT count(*) FROM done WHERE note = '$role'"), "$role: those that ended well have committed, the others have not");
}
my $crowd = totals($node, 'postgres', 'crowd');
is($crowd->{launched}, $counted, 'as many were launched as the clients have counted');
is($crowd->{rejected}, $refused, 'as many were refused');
cmp_ok($crowd->{queue_waits}, '>=', $refused, 'after they had waited');
cmp_ok($crowd->{warm_starts}, '>', 0, 'some were warm');
is(Jobs::look($node, 'SELECT count(*) FROM pg_locks WHERE locktype = $$advisory$$'), 0, 'no advisory lock is left');
is(Jobs::look($node, 'SELECT count(*) FROM pg_prepared_statements'), 0, 'nor a prepared statement');
nothing_left($node, 'after the stress');
ok(!$node->log_contains(qr/PANIC: |TRAP: |panicked at|terminated by signal|could not (?!serialize)|still referenced|leak/), 'the log is quiet');
healthy($node);
done_testing();
