# Everything at once, for a while.  Sessions do whatever can be done with jobs, in any order, while workers and sessions are canceled,
# terminated, stopped for a moment and kept from getting memory, and while roles, databases, quotas and settings change.
# Afterwards every job is accounted for, nothing is left over, and nobody was told an untruth.
#
#   STRESS_SECONDS=60   how long
#   PGBG_SEED           the same choices again (a run notes it at its beginning); what meets what is the scheduler's choice

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::RealBin;
use Jobs;
use IPC::Run;
use POSIX qw(:sys_wait_h);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time usleep);

my $seconds = $ENV{STRESS_SECONDS} || 60;
my $seed = $ENV{PGBG_SEED} // int(rand(1_000_000));
# What the next check for interrupts serves comes within this, on a machine that is busy with other things, too.
my $prompt = 8;
# What would go on for ever ends by itself after this, so that one defect does not hide all others.
my $endless = 3 * $prompt;

# Each role stands for what its sessions and workers have to bear, and so for what must hold.
#
#   crowd   jobs are canceled by handle from both sides, workers are signaled by pid; nobody signals the sessions, so they know how
#           many jobs they have launched
#   doomed  sessions are canceled and terminated at any moment, in the middle of launches too; nobody signals the workers, so that
#           the bystander, whose sessions belong to the same role and share its workers, sees no trace of it
#   poor    sessions and workers get no more memory for a while
#   steady  nobody does anything to its sessions and workers
#   late    as steady; its jobs start at commits
my @roles = qw(crowd doomed poor steady late);

# What a job may be: rows that it returns, or the error that it ends with if nobody stops it before.
my %jobs = (
	one => [ q{SELECT 'x'}, 1 ],
	sleep => [ q{SELECT 'x' FROM pg_sleep(random() * 0.02)}, 1 ],
	many_rows => [ q{SELECT repeat('x', 1000) FROM generate_series(1, 300)}, 300 ],
	wide_rows => [ q{SELECT repeat('x', 600000) FROM generate_series(1, 2)}, 2 ],
	tags => [ q{DO $x$ BEGIN RAISE NOTICE 'x'; END $x$}, 2 ],
	setting => [ q{SET work_mem = '1MB'; SELECT 'x'}, 1 ],
	# no worker stays after this
	temp_table => [ q{CREATE TEMP TABLE t (id int); SELECT 'x'}, 1 ],
	advisory_lock => [ q{SELECT 'x' FROM pg_advisory_lock(100 + (random() * 1000000)::int)}, 1 ],
	prepared => [ q{PREPARE p AS SELECT 1; SELECT 'x'}, 1 ],
	long_notices => [ q{DO $x$ BEGIN FOR i IN 1..5 LOOP RAISE NOTICE '%', repeat('n', 20000); END LOOP; END $x$; SELECT 'x'}, 1 ],
	notices_and_rows => [ q{SELECT noisy(i) FROM generate_series(1, 3000) AS i}, 3000 ],
	# more than a sender keeps for a reader who is not there
	piled_notices => [ q{SELECT count(noisy(i)) FROM generate_series(1, 4000) AS i; SELECT 'x'}, 1 ],
	trap => [ q{DO $x$ BEGIN PERFORM pg_sleep(0.01); EXCEPTION WHEN query_canceled THEN NULL; END $x$; SELECT 'x'}, 1 ],
	noisy_trap => [ q{DO $x$ BEGIN FOR i IN 1..1000 LOOP PERFORM noisy(i); END LOOP; EXCEPTION WHEN query_canceled THEN RAISE NOTICE 'trapped';
  FOR i IN 1..100 LOOP PERFORM noisy(i); END LOOP; END $x$; SELECT 'x'}, 1 ],
	trapped_error => [ q{DO $x$ BEGIN PERFORM 1 / 0; EXCEPTION WHEN OTHERS THEN NULL; END $x$; SELECT 'x'}, 1 ],
	error => [ q{SELECT 1 / 0}, undef, '22012' ],
	late_error => [ q{SELECT (1 / (200 - i))::text FROM generate_series(1, 300) AS i}, undef, '22012' ],
	long_error => [ q{DO $x$ BEGIN RAISE NOTICE 'x'; RAISE '%', repeat('e', 20000); END $x$}, undef, 'P0001' ],
	no_table => [ q{SELECT * FROM no_such_table}, undef, '42P01' ],
	listen => [ q{LISTEN news}, undef, '0A000' ]);

# What a session of crowd or poor does next: weight, name, statements.  `mine` are the jobs that it has: handle and kind, in one array,
# so that a session that has no memory for an assignment does not take one job for another; mine[i] is one of them, NULL when there is
# none.
my @operations = (
	[ 30, 'launch', q{
      IF cardinality(mine) < 6 THEN
        kind := random_kind();
        h := pg_background_launch_v2(text_of(kind, client), random_queue());
        CALL launched();
      END IF} ],
	[ 6, 'launch with a statement timeout', q{
      IF cardinality(mine) < 6 THEN
        kind := random_kind();
        PERFORM set_config('statement_timeout', (1 + random() ^ 3 * 1000)::int::text, true);
        h := pg_background_launch_v2(text_of(kind, client), random_queue());
        PERFORM set_config('statement_timeout', '0', true);
        CALL launched();
      END IF} ],
	[ 3, 'launch with a timeout for the whole job', q{
      IF cardinality(mine) < 6 THEN
        kind := random_kind();
        PERFORM set_config('pg_background.worker_timeout', (1 + random() ^ 3 * 1000)::int::text, true);
        h := pg_background_launch_v2(text_of(kind, client), random_queue());
        PERFORM set_config('pg_background.worker_timeout', '0', true);
        CALL launched();
      END IF} ],
	[ 9, 'submit', q{
      IF cardinality(mine) < 6 THEN
        kind := 'submitted';
        h := pg_background_submit_v2(text_of(random_kind(), client));
        CALL launched();
      END IF} ],
	[ 4, 'launch and read by pid', q{
      IF cardinality(mine) < 6 THEN
        kind := random_kind();
        n := pg_background_launch(text_of(kind, client), random_queue());
        launched := launched + 1;
        BEGIN
          SELECT count(*) INTO n FROM pg_background_result(n) AS (x text);
          CALL judge();
      END IF} ],
	[ 18, 'read', q{
      IF i > 0 THEN
        CALL read();
      END IF} ],
	[ 6, 'detach', q{
      IF i > 0 THEN
        CALL release();
      END IF} ],
	[ 5, 'wait', q{
      PERFORM pg_background_wait_v2(mine[i].pid, mine[i].cookie)} ],
	[ 7, 'wait for a moment', q{
      PERFORM pg_background_wait_v2_timeout(mine[i].pid, mine[i].cookie, (random() * 20)::int)} ],
	[ 5, 'cancel', q{
      PERFORM pg_background_cancel_v2(mine[i].pid, mine[i].cookie)} ],
	[ 3, 'cancel with grace', q{
      PERFORM pg_background_cancel_v2_grace(mine[i].pid, mine[i].cookie, (random() * 10)::int)} ],
	[ 2, 'cancel a job of another session', q{
      SELECT b.pid, b.cookie INTO h FROM pg_stat_background AS b
        WHERE b.usename = current_user AND b.launcher_pid <> pg_backend_pid() ORDER BY random() LIMIT 1;
      BEGIN
        PERFORM pg_background_cancel_v2(h.pid, h.cookie);
      -- that long ago; or its pid is also that of a job of this session, which has ended and was not read
      EXCEPTION WHEN undefined_object OR object_not_in_prerequisite_state THEN NULL;
      END} ],
	[ 2, 'wait for a job of another session', q{
      SELECT b.pid, b.cookie INTO h FROM pg_stat_background AS b
        WHERE b.usename = current_user AND b.launcher_pid <> pg_backend_pid() ORDER BY random() LIMIT 1;
      BEGIN
        PERFORM pg_background_wait_v2_timeout(h.pid, h.cookie, (random() * 10)::int);
      EXCEPTION WHEN undefined_object OR object_not_in_prerequisite_state THEN NULL;
      END} ],
	# a job that has ended has an outcome
	[ 5, 'wait for any or all of this session and of others', q{
      several := ARRAY(SELECT (m.pid, m.cookie)::pg_background_handle FROM unnest(mine) AS m);
      several := several || ARRAY(SELECT (b.pid, b.cookie)::pg_background_handle FROM pg_stat_background AS b
        WHERE b.usename = current_user AND b.launcher_pid <> pg_backend_pid() AND b.pid > 0 ORDER BY random() LIMIT 4);
      BEGIN
        IF random() < 0.7 THEN
          h := pg_background_await_any(several, random() * interval '20 ms');
        ELSE
          h := CASE WHEN pg_background_await_all(several, random() * interval '20 ms') THEN several[1] END;
        END IF;
        word := (pg_background_outcome(h)).state;
        IF word IN ('starting', 'running') THEN
          strange := strange || format(E'a job has ended, and is %s\n', word);
        END IF;
      EXCEPTION WHEN undefined_object OR object_not_in_prerequisite_state THEN NULL; -- that long ago, or its launch has failed
      END} ],
	# the jobs of a map are launched but where there was no worker: that row says so, and those that are not started then do; with
	# several at a time a launch is refused and tried again, which the session cannot count
	[ 2, 'map', q{
      IF cardinality(mine) < 6 THEN
        FOR word, kind, n IN SELECT m.sqlstate, m.message, m.ordinal
          FROM pg_background_map(ARRAY(SELECT text_of(random_kind(), client) FROM generate_series(1, 5)), CASE mode WHEN 'crowd' THEN 1 ELSE 3 END,
            stop_on_error => random() < 0.3) AS m LOOP
          IF word IN ('53400', '53000') THEN
            refused := refused + 1;
          ELSIF kind IS NULL OR kind NOT LIKE 'not started because %' THEN
            launched := launched + 1;
          END IF;
        END LOOP;
      END IF} ],
	[ 3, 'stop', q{
      IF i > 0 THEN
        PERFORM pg_background_stop((mine[i].pid, mine[i].cookie)::pg_background_handle,
          CASE WHEN random() < 0.5 THEN interval '0' ELSE random() * interval '10 ms' END);
      END IF} ],
	# not 0, which is the pid of a job that has none yet
	[ 2, 'cancel with a wrong pid', q{
      SELECT -1, b.cookie INTO h FROM pg_stat_background AS b WHERE b.usename = 'steady' ORDER BY random() LIMIT 1;
      IF FOUND THEN
        BEGIN
          PERFORM pg_background_cancel_v2(h.pid, h.cookie);
          strange := strange || E'a handle with a wrong pid was accepted\n';
        EXCEPTION WHEN undefined_object OR object_not_in_prerequisite_state THEN NULL;
        END;
      END IF} ],
	[ 2, 'look at the views', q{
      SELECT b.pid INTO n FROM pg_stat_background AS b WHERE b.cookie = mine[i].cookie;
      IF FOUND AND n IS DISTINCT FROM mine[i].pid THEN
        strange := strange || format(E'a job of pid %s has pid %s in the view\n', mine[i].pid, coalesce(n::text, 'NULL'));
      END IF;
      PERFORM count(*) FROM pg_background_history;
      PERFORM count(*) FROM pg_stat_background_workers;
      PERFORM count(*) FROM jobs;
      PERFORM pg_background_stats_v2()} ],
	# whatever the process runs by now
	[ 2, 'terminate a worker', q{
      BEGIN
        PERFORM pg_terminate_backend(a.pid) FROM pg_stat_activity AS a WHERE a.pid = mine[i].pid AND a.usename = current_user;
      EXCEPTION WHEN insufficient_privilege THEN NULL; -- another role's a moment later
      END} ],
	[ 2, 'interrupt a worker', q{
      BEGIN
        PERFORM pg_cancel_backend(a.pid) FROM pg_stat_activity AS a WHERE a.pid = mine[i].pid AND a.usename = current_user;
      EXCEPTION WHEN insufficient_privilege THEN NULL; -- another role's a moment later
      END} ],
	# A job of three seconds that was signaled within two cannot have ended before.
	[ 3, 'stop a job by its pid at once', q{
      IF cardinality(mine) < 6 AND mode = 'crowd' THEN
        since := clock_timestamp();
        kind := 'three_seconds';
        h := pg_background_launch_v2(text_of(kind, client));
        CALL launched();
        i := cardinality(mine);
        BEGIN
          IF random() < 0.5 THEN
            word := 'terminated';
            must_fail := pg_terminate_backend(h.pid);
          ELSE
            word := 'canceled';
            must_fail := pg_cancel_backend(h.pid);
          END IF;
          must_fail := must_fail AND clock_timestamp() < since + interval '2 s';
        EXCEPTION WHEN insufficient_privilege THEN NULL; -- a new process is nobody's until it has connected
        END;
        CALL read();
      END IF} ]);

# Statements that several operations have, which say CALL.
my %parts = (
	launched => q{launched := launched + 1;
        mine := mine || (h.pid, h.cookie, kind)::job_of_mine},
	release => q{own := mine[i];
        mine := mine[:i - 1] || mine[i + 1:];
        PERFORM pg_background_detach_v2(own.pid, own.cookie)},
	read => q{kind := mine[i].kind;
        BEGIN
          SELECT count(*) INTO n FROM pg_background_result_v2(mine[i].pid, mine[i].cookie) AS (x text);
          CALL judge();
        CALL release()},
	# The rows are all there, or the error is one that the job may have.
	judge => q{IF must_fail THEN
            strange := strange || format(E'a job was %s: t, and went on to its commit\n', word);
          ELSIF n IS DISTINCT FROM rows_of(kind) THEN
            strange := strange || format(E'%s: %s rows\n', kind, n);
          END IF;
        EXCEPTION WHEN query_canceled OR OTHERS THEN
          -- rows that a wait had no memory to keep are lost
          IF mode = 'poor' AND (SQLSTATE LIKE '53%' OR SQLSTATE = '58P01' OR SQLERRM LIKE '%have already been consumed') THEN
            short := short + 1;
          ELSIF SQLSTATE NOT IN ('57014', '57P01') AND SQLSTATE IS DISTINCT FROM error_of(kind) THEN
            strange := strange || format(E'%s: %s %s\n', kind, SQLSTATE, left(SQLERRM, 200));
          END IF;
        END;
        must_fail := false});

# The procedure of a session that goes on with random operations until it is time.
sub crowd_procedure
{
	my ($cases, $total) = ('', 0);
	for my $operation (@operations)
	{
		my ($weight, $name, $statements) = @$operation;
		1 while $statements =~ s/CALL (\w+)\(\)/$parts{$1}/;
		$total += $weight;
		$cases .= ($cases ? '      ELSIF' : '      IF') . " r < $total THEN operation := '$name';$statements;\n";
	}
	return <<"END";
CREATE PROCEDURE crowd(mode text, client int, seconds float8, seed float8) LANGUAGE plpgsql AS \$crowd\$
DECLARE
  until timestamptz := clock_timestamp() + seconds * interval '1 s';
  half timestamptz := clock_timestamp() + seconds * interval '0.5 s';
  memory int;
  mine job_of_mine[] := '{}';
  own job_of_mine;
  several pg_background_handle[];
  kind text;
  h pg_background_handle;
  i int;
  n int;
  r float8;
  operation text;
  since timestamptz;
  word text;
  must_fail bool := false;
  launched int := 0;
  refused int := 0;
  short int := 0;
  strange text := '';
BEGIN
  PERFORM setseed(seed);
  SET client_min_messages = warning;
  WHILE clock_timestamp() < until LOOP
    IF memory IS NULL AND clock_timestamp() > half THEN memory := memory(); END IF;
    r := random() * $total;
    i := ceil(random() * cardinality(mine));
    BEGIN
$cases      END IF;
    EXCEPTION WHEN query_canceled OR OTHERS THEN
      IF SQLERRM IN ('too many background jobs', 'could not register background process') THEN
        refused := refused + 1;
      ELSIF mode = 'poor' AND (SQLSTATE LIKE '53%' OR SQLSTATE = '58P01') THEN
        short := short + 1;
      ELSE
        strange := strange || format(E'%s: %s %s\\n', operation, SQLSTATE, SQLERRM);
      END IF;
    END;
    COMMIT;
    -- commits itself, so not in a block with EXCEPTION: where nothing else but the job's end ends the wait
    IF mode = 'crowd' AND random() < 0.03 AND cardinality(mine) > 0 THEN
      own := mine[1];
      CALL pg_background_join((own.pid, own.cookie)::pg_background_handle);
    END IF;
  END LOOP;
  FOREACH own IN ARRAY mine LOOP
    PERFORM pg_background_detach_v2(own.pid, own.cookie);
  END LOOP;
  INSERT INTO counted VALUES (mode, client, launched, refused, short, strange, memory() - memory);
END \$crowd\$;
END
}

# --- the server ---

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
note("PGBG_SEED=$seed STRESS_SECONDS=$seconds");
srand($seed);

# A job inserts a row: it is there when, and only when, the job has ended well.
$node->safe_psql('postgres',
	join "\n", map { "CREATE ROLE $_ LOGIN; SELECT grant_pg_background_privileges('$_'); GRANT ALL ON done TO $_;" } @roles);
$node->safe_psql('postgres', <<'END');
GRANT pg_signal_backend, pg_read_all_stats TO crowd, poor;
-- some launches wait and some are refused; those of the others just wait: longer than a minute where many are before them, and
-- their session began its statement when the limit was lower than it is for the others
ALTER ROLE crowd SET pg_background.launch_timeout = '20ms';
ALTER ROLE poor SET pg_background.launch_timeout = '20ms';
ALTER ROLE doomed SET pg_background.launch_timeout = '2min';
ALTER ROLE steady SET pg_background.launch_timeout = '2min';
GRANT SELECT ON jobs TO PUBLIC;
-- a row for each job that is to start at the commit
CREATE TABLE asked ();
GRANT ALL ON asked TO late;
CREATE TYPE job_of_mine AS (pid int, cookie bigint, kind text);
CREATE TABLE counted (mode text, client int, launched int, refused int, short int, strange text, grown int);
GRANT ALL ON counted TO crowd, poor;
CREATE TABLE kinds_of_job (kind text, sql text, number int, error text);
GRANT SELECT ON kinds_of_job TO PUBLIC;

CREATE FUNCTION noisy(i int) RETURNS text LANGUAGE plpgsql AS $$ BEGIN RAISE NOTICE '% %', i, repeat('n', 300); RETURN 'row ' || i; END $$;
CREATE FUNCTION random_kind() RETURNS text LANGUAGE sql VOLATILE AS
  $$ SELECT kind FROM kinds_of_job WHERE kind NOT IN ('three_seconds', 'submitted') ORDER BY random() LIMIT 1 $$;
-- the smallest, which is taken as 1 kB, small ones, the default, and some that are hard to get when memory is short
CREATE FUNCTION random_queue() RETURNS int LANGUAGE sql VOLATILE AS
  $$ SELECT CASE WHEN current_user = 'poor' AND random() < 0.4 THEN 8000000
                 ELSE (ARRAY[64, 1000, 1000, 8000, 0, 0, 0, 0, 0, 500000])[1 + floor(random() * 10)] END $$;
CREATE FUNCTION text_of(kind text, client int) RETURNS text LANGUAGE sql STABLE AS
  $$ SELECT format('INSERT INTO done VALUES (%s, %L); %s', client, current_user, k.sql) FROM kinds_of_job AS k WHERE k.kind = text_of.kind $$;
CREATE FUNCTION rows_of(kind text) RETURNS int LANGUAGE sql STABLE AS $$ SELECT k.number FROM kinds_of_job AS k WHERE k.kind = rows_of.kind $$;
CREATE FUNCTION error_of(kind text) RETURNS text LANGUAGE sql STABLE AS $$ SELECT k.error FROM kinds_of_job AS k WHERE k.kind = error_of.kind $$;
-- kB that this process has for itself
CREATE FUNCTION memory() RETURNS int LANGUAGE sql SECURITY DEFINER AS
  $$ SELECT (regexp_match(pg_read_file('/proc/self/status'), 'VmData:\s+(\d+)'))[1]::int $$;
INSERT INTO kinds_of_job VALUES ('three_seconds', $$SELECT 'x' FROM pg_sleep(3)$$, 1, NULL), ('submitted', NULL, NULL, '0A000');
END
for my $kind (sort keys %jobs)
{
	my ($sql, $rows, $error) = @{ $jobs{$kind} };
	$node->safe_psql('postgres', sprintf q{INSERT INTO kinds_of_job VALUES ('%s', $k$%s$k$, %s, %s)},
		$kind, $sql, $rows // 'NULL', $error ? "'$error'" : 'NULL');
}
$node->safe_psql('postgres', crowd_procedure());

# --- actors: processes that repeat what they do until it is time, and tell what was wrong ---

my $until = time + $seconds;
my $told = PostgreSQL::Test::Utils::tempdir();
my %actors;
my @names;

# actor(NAME, CODE): CODE is called until it is time, and at the end once more, with 'end'; it returns what was wrong.
sub actor
{
	my ($name, $step) = @_;
	my $random = int(rand(1_000_000));
	my $pid = fork // die "fork: $!";

	push @names, $name;
	if ($pid)
	{
		$actors{$pid} = $name;
		return;
	}
	srand($random);
	# it speaks by what it returns
	Test::More->builder->$_('/dev/null') for qw(output failure_output);
	my ($times, $wrong) = (0, '');
	while (time < $until)
	{
		$times++;
		my $said = eval { $step->('') // '' };
		if (!defined $said)
		{
			$said = "it died: $@";
			usleep(100_000);
		}
		$wrong .= $said;
	}
	$wrong .= eval { $step->('end') // '' } // "it died at the end: $@";
	append_to_file("$told/$name", $wrong);
	append_to_file("$told/times", "$name $times\n");
	# not exit: what the parent has is the parent's to clean up
	POSIX::_exit(0);
}

# Runs a statement in a session of its own; what was said on standard error, apart from warnings.
sub run_as
{
	my ($role, $sql) = @_;
	my ($out, $err) = ('', '');

	IPC::Run::run([ 'psql', '-XAtq', '-U', $role, '-d', $node->connstr('postgres'), '-c', $sql ],
		'<', \undef, '>', \$out, '2>', \$err, IPC::Run::timeout($seconds + $Jobs::patience + $endless));
	return $err =~ s/^(WARNING|NOTICE):.*\n(DETAIL:.*\n|HINT:.*\n|CONTEXT:.*\n)*//mgr;
}

# The server's processes, but for the postmaster.
my ($postmaster) = slurp_file($node->data_dir . '/postmaster.pid') =~ /^(\d+)/;

sub is_of_server
{
	my ($pid) = @_;
	return (process_field($pid, 'PPid') // 0) == $postmaster;
}

sub random_process
{
	my @pids = split ' ', eval { slurp_file("/proc/$postmaster/task/$postmaster/children") } // '';
	return $pids[ rand @pids ];
}

# A session of crowd or poor, for some seconds or what is left of the time.
sub in_crowd
{
	my ($mode, $client, $for) = @_;
	my $left = $until - time;

	return run_as($mode, sprintf q{CALL crowd('%s', %d, %f, %f)}, $mode, $client, $for < $left - 1 ? $for : $left, rand);
}

# The first is there all the time, the others come and go.
for my $client (1 .. 5)
{
	actor("crowd $client", sub {
		my ($end) = @_;
		return $end ? '' : in_crowd('crowd', $client, $client == 1 ? $seconds : 2 + rand(3));
	});
}

# Jobs that nobody has a reason to stop.
for my $one ([ steady => 'steady' ], [ bystander => 'doomed' ])
{
	my ($name, $role) = @$one;
	actor($name, sub {
		my ($end) = @_;
		return if $end;
		return run_as($role, <<'END');
DO $$
DECLARE n int;
BEGIN
  SET client_min_messages = warning;
  FOR i IN 1..20 LOOP
    SELECT count(*) INTO n FROM pg_background_result(pg_background_launch(text_of('many_rows', 0), 1000 * i)) AS (x text);
    IF n <> 300 THEN RAISE '% rows', n; END IF;
    COMMIT;
  END LOOP;
END $$
END
	});
}

# Jobs that start at a commit, of which as many run as were committed.
actor('late', sub {
	my ($end) = @_;
	return if $end;
	return run_as('late', <<'END');
DO $$
BEGIN
  SET client_min_messages = warning;
  FOR i IN 1..20 LOOP
    PERFORM pg_background_start(text_of('one', 0), at_commit => true, results => false) FROM generate_series(1, 1 + i % 3);
    INSERT INTO asked SELECT FROM generate_series(1, 1 + i % 3);
    BEGIN
      PERFORM pg_background_start(text_of('one', 0), at_commit => true, results => false), 1 / 0;
    EXCEPTION WHEN division_by_zero THEN NULL;
    END;
    IF random() < 0.3 THEN ROLLBACK; ELSE COMMIT; END IF;
    PERFORM pg_sleep(0.1 * random());
  END LOOP;
END $$
END
});

# Sessions that are canceled and terminated at any moment.
my $launching = <<'END';
DO $$
DECLARE h pg_background_handle;
BEGIN
  LOOP
    BEGIN
      h := pg_background_launch_v2(text_of(random_kind(), 0), random_queue());
      PERFORM pg_background_wait_v2(h.pid, h.cookie);
      PERFORM pg_background_detach_v2(h.pid, h.cookie);
    EXCEPTION WHEN query_canceled THEN
      PERFORM pg_background_detach_v2(pid, cookie) FROM jobs;
    END;
  END LOOP;
END $$;
END
# A worker makes these faster than a session that converts them takes them.
my $rows = 'SELECT generate_series(1, 1000000000)::numeric, generate_series(1, 1000000000)::numeric';
my $as = 'AS (a numeric(20,2), b numeric(20,3))';
my $reading = "SET pg_background.worker_timeout = '${endless}s';"
  . " SELECT count(*) FROM pg_background_result(pg_background_launch('$rows', 1000000)) $as;\n";
my $killer;
for my $n (1 .. 2)
{
	actor("killer $n", sub {
		my ($end) = @_;
		return if $end;
		$killer //= session($node);
		my $victim = session($node, extra => [ '-U', 'doomed' ]);
		my $pid = value($victim, 'SELECT pg_backend_pid()');
		my ($what, $sql) = rand() < 0.8 ? (launches => $launching) : (reads => $reading);
		$victim->query_until(qr/begun/, "\\echo begun\n$sql");
		value($killer, "SELECT pg_sleep(random() * 0.02), pg_cancel_backend($pid)") for 1 .. 1 + rand(6);
		value($killer, 'SELECT pg_sleep(random() * 0.02)');
		value($killer, "SELECT pg_terminate_backend($pid)");
		my $since = time;
		until_true(sub { is_gone($pid) }, $endless + $Jobs::patience) or return "session $pid, which $what, does not end\n";
		my $took = time - $since;
		# Not quit, which writes to psql: where that has ended with its session, the write fails, and the pipes stay open.
		eval { $victim->{run}->finish };
		return $took > $prompt ? sprintf("a session that $what ended %d s after it was terminated\n", $took) : '';
	});
}

# Timeouts come while rows do.
my $impatient;
actor('impatient', sub {
	my ($end) = @_;
	return if $end;
	$impatient //= session($node, extra => [ '-U', 'steady' ]);
	value($impatient, "SET pg_background.worker_timeout = '${endless}s'");
	my ($pid, $cookie) = split /\|/, value($impatient, "SELECT pid, cookie FROM pg_background_launch_v2('$rows', 1000000)");
	my ($what, $statement) = @{ (
		[ statement_timeout => "SELECT count(*) FROM pg_background_result_v2($pid, $cookie) $as" ],
		[ statement_timeout => "SELECT pg_background_wait_v2($pid, $cookie)" ],
		[ 'its own timeout' => "SELECT pg_background_wait_v2_timeout($pid, $cookie, 100)" ],
		[ 'its grace' => "SELECT pg_background_cancel_v2_grace($pid, $cookie, 100)" ],
	)[ rand 4 ] };
	value($impatient, q{SET statement_timeout = '100ms'}) if $what eq 'statement_timeout';
	my $since = time;
	my (undef, $err) = ask($impatient, $statement);
	my $took = time - $since;
	value($impatient, 'RESET statement_timeout');
	# A statement timeout hides a barrier that comes with it: the server throws the one before it looks at the other, and looks again
	# when an interrupt comes that cancels nothing. This session gets no such, so DROP DATABASE would wait for it for ever; as it would
	# for any session, with or without this library. A check of the connection is one.
	value($impatient, q{SET client_connection_check_interval = '10ms'; SELECT pg_sleep(0.05); RESET client_connection_check_interval})
	  if $what eq 'statement_timeout';
	value($impatient, "SELECT pg_background_cancel_v2($pid, $cookie)");
	value($impatient, "SELECT pg_background_detach_v2($pid, $cookie)");
	my $wrong = '';
	$wrong .= sprintf "%s after %d s: %s\n", $what, $took, $statement if $took > $prompt;
	$wrong .= "$statement: $err\n" if $what eq 'statement_timeout' ? $err !~ /57014: canceling statement due to statement timeout/ : $err;
	return $wrong;
});

# Databases come and go with jobs in them.
my $owner;
actor('databases', sub {
	my ($end) = @_;
	return if $end;
	$owner //= session($node);
	value($owner, 'CREATE DATABASE brief');
	$node->safe_psql('brief', 'CREATE EXTENSION pg_background');
	$node->safe_psql('brief', <<'END');
SET pg_background.launch_timeout = '1min';
SELECT pid, cookie FROM pg_background_submit_v2('SELECT pg_sleep(600)') \gset
SELECT * FROM pg_background_result(pg_background_launch('SELECT 1')) AS (n int);
SELECT pg_background_cancel_v2(:pid, :cookie), pg_background_wait_v2(:pid, :cookie);
SELECT * FROM pg_background_result(pg_background_launch('SELECT 1')) AS (n int);
END
	my (undef, $err) = ask($owner, 'DROP DATABASE brief' . (rand() < 0.5 ? ' WITH (FORCE)' : ''));
	value($owner, 'DROP DATABASE IF EXISTS brief WITH (FORCE)');
	return $err =~ s/^.*NOTICE: .*\n(LOCATION: .*\n)?//mgr;
});

# What sessions, launches and workers are told changes all the time.
my @changes = (
	sub { 'ALTER ROLE crowd SET work_mem = ' . int(1000 + rand(5000)) },
	sub { 'ALTER ROLE crowd RESET work_mem' },
	sub { 'ALTER ROLE crowd SET pg_background.max_workers_per_role = ' . int(4 + rand(10)) },
	sub { 'ALTER DATABASE postgres SET lock_timeout = ' . int(60000 + rand(1000)) },
	sub { 'ALTER DATABASE postgres RESET lock_timeout' },
	sub { 'ALTER SYSTEM SET pg_background.max_workers_total = ' . int(8 + rand(20)) },
	sub { 'ALTER SYSTEM SET pg_background.max_workers_per_database = ' . int(8 + rand(20)) },
	sub { 'ALTER SYSTEM SET pg_background.max_idle_workers = ' . int(rand(8)) },
	sub { 'ALTER SYSTEM SET pg_background.worker_max_jobs = ' . int(1 + rand(100)) },
	sub { 'ALTER SYSTEM SET pg_background.spin_us = ' . int(rand(300)) },
	sub { 'ALTER SYSTEM RESET ALL' },
	sub { 'DO $$ BEGIN DROP ROLE postgres; EXCEPTION WHEN OTHERS THEN NULL; END $$' });
my $superuser;
actor('changes', sub {
	my ($end) = @_;
	$superuser //= session($node);
	value($superuser, q{LOAD 'pg_background'});
	if ($end)
	{
		value($superuser, $_) for 'ALTER SYSTEM RESET ALL', 'ALTER DATABASE postgres RESET ALL',
		  'ALTER ROLE crowd RESET pg_background.max_workers_per_role', 'SELECT pg_reload_conf()';
		return;
	}
	value($superuser, $changes[ rand @changes ]->());
	value($superuser, 'SELECT pg_reload_conf()') if rand() < 0.5;
	usleep(rand(100_000));
	return;
});

# Any process may be held up at any place, for some milliseconds.
my $stopped;
actor('hiccups', sub {
	my ($end) = @_;
	return if $end;
	$SIG{TERM} = sub { kill 'CONT', $stopped if $stopped; POSIX::_exit(1) };
	$stopped = random_process();
	if ($stopped && is_of_server($stopped))
	{
		kill 'STOP', $stopped;
		usleep(rand(30_000));
		kill 'CONT', $stopped;
	}
	undef $stopped;
	usleep(rand(5_000));
	return;
});

# Processes that get no more memory for a while.  Private memory cannot use up the room that is there for the stack.
if (system('prlimit --version >/dev/null 2>&1') == 0)
{
	my $looker;
	# A server with assertions does not outlive many shortages: see the end.
	my $frail = $seconds >= 300 && $node->safe_psql('postgres', 'SHOW debug_assertions') eq 'on';
	note('nobody goes short of memory: a server with assertions would not outlive it') if $frail;
	actor('shortage', sub {
		my ($end) = @_;
		return if $end;
		$looker //= session($node);
		my @pids = grep { is_of_server($_) } split /\n/, value($looker, q{SELECT pid FROM pg_stat_activity
		  WHERE usename = 'poor' AND random() < CASE backend_type WHEN 'client backend' THEN 0.3 ELSE 0.8 END});
		for my $pid (@pids)
		{
			my ($data, $all) = map { process_field($pid, $_) // 0 } qw(VmData VmSize);
			system(sprintf 'prlimit --pid=%d --data=%d: --as=%d: 2>/dev/null', $pid, 1024 * ($data + rand(200)), 1024 * ($all + 1024)) if $data;
		}
		usleep(rand(600_000));
		system("prlimit --pid=$_ --data=unlimited: --as=unlimited: 2>/dev/null") for @pids;
		usleep(rand(20_000));
		return;
	}) unless $frail;
	for my $client (1 .. 2)
	{
		actor("poor $client", sub {
			my ($end) = @_;
			my $err = $end ? '' : in_crowd('poor', $client, 1 + rand(2));
			# where no exception block was around, or not even the error found room
			return $err =~ /out of memory|Cannot allocate memory|could not load library/ ? '' : $err;
		});
	}
}

# New processes get the pids of jobs that have ended and wait to be read: quickly where one may choose, else when they come round.
my $last_pid = '/proc/sys/kernel/ns_last_pid';
my $pid_max = slurp_file('/proc/sys/kernel/pid_max') + 0;
my $may_choose = choose_pid(slurp_file($last_pid) + 0);
my ($heir, $inherited, $tried) = (undef, 0, 0);
if ($may_choose || $seconds >= 300 && $pid_max <= 65536)
{
	actor('heir', sub {
		my ($end) = @_;
		if ($end)
		{
			append_to_file("$told/times", "pids came back: $inherited of $tried\n");
			return;
		}
		$heir //= session($node, extra => [ '-U', 'steady' ]);
		my $launch = q{SELECT pid, cookie FROM pg_background_launch_v2(text_of('temp_table', 0))};
		my ($pid, $cookie) = split /\|/, value($heir, $launch);
		value($heir, "SELECT pg_background_wait_v2($pid, $cookie)");
		until_true(sub { is_gone($pid) });
		$tried++;
		approach($pid);
		for (1 .. 20)
		{
			my ($other, $secret) = split /\|/, value($heir, $launch);
			my $row = value($heir, "SELECT * FROM pg_background_result_v2($other, $secret) AS (x text)");
			return "a job returned $row\n" if $row ne 'x';
			$inherited++ if $other == $pid;
			last if $other >= $pid;
		}
		my ($row, $err) = ask($heir, "SELECT * FROM pg_background_result_v2($pid, $cookie) AS (x text)");
		value($heir, 'SELECT pg_background_detach_v2(pid, cookie) FROM jobs');
		return $row eq 'x' ? '' : "a job cannot be read when a new process has its pid: $err";
	});
}

# The next process gets the pid after that one.
sub choose_pid
{
	my ($last) = @_;
	open(my $file, '>', $last_pid) or return 0;
	return syswrite $file, $last;
}

# Sees to it that the next process has a pid that is a little lower.
sub approach
{
	my ($pid) = @_;
	my $before = $pid > 400 ? $pid - 4 : $pid_max - 4;

	return if $may_choose && choose_pid($before);
	# a small program, which forks fast
	system($^X, '-e', 'my ($before, $until) = @ARGV; while (time < $until) { my $pid = fork // exit; exit if !$pid; waitpid $pid, 0;'
		  . ' exit if $pid <= $before && $pid > $before - 40 }', $before, $until);
	return;
}

# --- the end: everybody comes to it ---

my $patience = $until + $Jobs::patience + $endless;
while (%actors && time < $patience)
{
	my $pid = waitpid -1, WNOHANG;
	if ($pid > 0) { delete $actors{$pid} }
	else { usleep(20_000) }
}
# A server with assertions ends when memory runs out at one place of its own statistics (pgstat_get_entry_ref_cached), in whatever
# process: an entry stays there without what it refers to, which the end of the process finds. Nothing more can be tested then.
if (slurp_file($node->logfile) =~ /TRAP: .*ent->entry_ref != NULL.*pgstat_shmem\.c/)
{
	kill 'TERM', keys %actors;
	$node->{_pid} = undef;
	SKIP: { skip 'the server has ended by a defect of its own, for want of memory', 1 }
	done_testing();
	exit;
}
is(join(', ', sort values %actors), '', 'all actors have come to an end')
  or diag(Jobs::look($node, 'SELECT pid, usename, backend_type, state, wait_event, left(query, 200) FROM pg_stat_activity'), "\n",
	Jobs::look($node, 'SELECT * FROM pg_stat_background'));
kill 'TERM', keys %actors;
note(join ', ', split /\n/, slurp_file("$told/times"));
for my $name (@names)
{
	is(-e "$told/$name" ? summary(slurp_file("$told/$name")) : 'nothing told', '', "$name: nothing was wrong");
}

# Lines that differ in numbers only, once.
sub summary
{
	my ($text) = @_;
	my %lines;
	$lines{$_}++ for split /\n/, $text =~ s/\d{3,}/N/gr;
	return join "\n", map { "$lines{$_} times: $_" } sort keys %lines;
}

# --- what holds afterwards ---

ok(settle($node), 'all jobs of the stress end');
ok(until_slot_free($node), 'no slot is taken after the stress');
for my $mode (qw(crowd poor))
{
	is(summary($node->safe_psql('postgres', "SELECT string_agg(strange, '') FROM counted WHERE mode = '$mode'")),
		'', "$mode: all rows and errors were as they should be");
}
for my $role (@roles)
{
	my $totals = totals($node, 'postgres', $role);
	note("$role: " . join ', ', map { "$_ $totals->{$_}" } sort keys %$totals);
	is($totals->{completed} + $totals->{failed} + $totals->{canceled} + $totals->{timed_out}, $totals->{launched}, "$role: every job has one end");
	is($totals->{warm_starts} + $totals->{cold_starts}, $totals->{launched}, "$role: every job began warm or cold");
	is($totals->{completed}, $node->safe_psql('postgres', "SELECT count(*) FROM done WHERE note = '$role'"),
		"$role: those that ended well have committed, the others have not");
}
my $asked = $node->safe_psql('postgres', 'SELECT count(*) FROM asked');
is(totals($node, 'postgres', 'late')->{launched}, $asked, "each of $asked jobs that were to start at a commit has started once");
note($node->safe_psql('postgres', q{SELECT sum(short) || ' times the poor got no memory' FROM counted}));
my ($launched, $refused) = split /\|/, $node->safe_psql('postgres', q{SELECT sum(launched), sum(refused) FROM counted WHERE mode = 'crowd'});
my $crowd = totals($node, 'postgres', 'crowd');
is($crowd->{launched}, $launched, 'the registry has counted as many launches as the clients');
is($crowd->{rejected}, $refused, 'the registry has counted as many refused launches as the clients');
# A launch that had no turn of the processor for its 20 ms is refused without a wait: in a short time on a busy machine that may be all.
cmp_ok(2 * $crowd->{queue_waits} + 10, '>=', $refused, 'refused launches had waited before, most of them');
cmp_ok($crowd->{warm_starts}, '>', 0, 'some jobs of the crowd were warm');
my $grown = $node->safe_psql('postgres', q{SELECT grown FROM counted WHERE mode = 'crowd' AND client = 1 ORDER BY launched DESC LIMIT 1});
SKIP:
{
	# one operation can last that long where the time is short and the machine busy
	skip 'the session had no turn in the second half of its life', 1 if $grown eq '';
	cmp_ok($grown, '<', 8192, 'a session has not grown in the second half of its life');
}
is(Jobs::look($node, 'SELECT count(*) FROM pg_locks WHERE locktype = $$advisory$$'), 0, 'no advisory lock is left');
is(Jobs::look($node, 'SELECT count(*) FROM pg_prepared_xacts'), 0, 'no prepared transaction is left');
nothing_left($node, 'after the stress');
# Why the poor got nothing may be said: memory, or room to map a library.  (Anybody else would have told of it as an error.)
my $log = slurp_file($node->logfile) =~ s/^.*(?:(?:shared memory.*Cannot|could not) allocate memory\b|could not load library ).*\n//mgr;
# It has also said where the memory went, with the texts of cached plans.
$log =~ s/^ *\w.*: \d+ total in \d+ blocks;.*\n//mg;
# What was being run is no news of the server's.
$log =~ s/^.* (?:STATEMENT|CONTEXT|QUERY):  .*\n//mg;
is(join("\n", grep { /PANIC: |TRAP: |panicked at|terminated by signal|could not (?!serialize|register|send data to client)|still referenced|leak/ } split /\n/, $log),
	'', "the server's log is quiet");
healthy($node);
done_testing();
