# The server's hooks, shared with other libraries that were loaded before and after: each of them sees each statement of a job once,
# at its level, also after errors and cancels in every hook.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::RealBin;
use Jobs;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = server('hook_chain', preload => 1, conf => <<'END');
pg_background.idle_timeout = '10min'
pg_background.max_idle_workers = 1
auto_explain.log_min_duration = 0
auto_explain.log_nested_statements = on
pg_stat_statements.track = all
pg_stat_statements.track_planning = on
compute_query_id = on
pg_background.stateless_libraries = 'plpgsql_check, pg_hint_plan'
END
my $libraries = $node->config_data('--pkglibdir');
for my $library (qw(auto_explain pg_stat_statements))
{
	plan skip_all => "no $library here" unless -e "$libraries/$library.so" || -e "$libraries/$library.dylib";
}
# not in contrib: scripts/deps clients has it for 15
my @others = grep { -e "$libraries/$_.so" } qw(plpgsql_check pg_hint_plan);
note @others ? "with @others" : 'without plpgsql_check and pg_hint_plan, which are not here';

my $session;

# What a job returns, or its error.
sub outcome { my ($out, $err) = ask($session, "SELECT pg_background_exec(\$job\$$_[0]\$job\$)"); return $out . $err }

# What a query says of this node, in a session whose statements are not counted.
sub look { return $node->safe_psql('postgres', "SET pg_stat_statements.track = none; SET auto_explain.log_min_duration = -1; $_[0]") }

# calls(NAME): "calls plans toplevel" of the statements that select a number under that name
sub calls
{
	return look("SELECT string_agg(format('%s %s %s', calls, plans, toplevel), ', ' ORDER BY toplevel DESC, calls) FROM pg_stat_statements WHERE query ~ '^SELECT \\S+ AS $_[0]\\M'");
}

# How often auto_explain has logged a plan of such a statement.
sub explained { my @found = slurp_file($node->logfile, $_[1]) =~ /Query Text: SELECT \d AS $_[0]\b/g; return scalar @found }

my $mark = 0;

# Runs a probe in a job: the worker that ran the last one, and what the libraries have seen of the probe.
sub probe
{
	my ($after) = @_;
	my $name = 'probe_' . ++$mark;
	my $from = -s $node->logfile;
	# which takes statements that differ in their names alone for one
	look('SELECT pg_stat_statements_reset()');
	is(outcome("SELECT 1 AS $name FROM nested('${name}_in')"), 'SELECT 1', "$after: a job runs");
	is(calls($name), '1 1 t', "$after: pg_stat_statements has planned and counted its statement once, at top level");
	is(calls("${name}_in"), '1 1 f', "$after: and the nested one, as nested");
	is(explained($name, $from), 1, "$after: auto_explain has explained its statement once");
	is(explained("${name}_in", $from), 1, "$after: and the nested one");
	return;
}

# A job that sleeps where that statement takes it, and is canceled there.
sub canceled
{
	my ($where, $sql) = @_;
	my ($pid, $cookie) = launch($session, $sql);
	ok(until_waits_for($node, $pid, 'PgSleep'), "a job sleeps in $where");
	# what runs in the planner is not the job's statement
	ok($node->poll_query_until('postgres', "SELECT progress_phase = 'planning' AND progress_pct IS NULL FROM pg_stat_background WHERE pid = $pid"),
		'and its phase is shown')
	  if $where eq 'the planner';
	value($session, "SELECT pg_background_cancel_v2($pid, $cookie)");
	my (undef, $err) = ask($session, "SELECT * FROM pg_background_result_v2($pid, $cookie) AS (t text)");
	like($err, qr/canceling statement due to user request/, "a job is canceled in $where");
	return;
}

sub failed
{
	my ($where, $sql, $error) = @_;
	like(outcome($sql), $error, "a job fails in $where");
	return;
}

sub worker { return look(q{SELECT string_agg(pid::text, ',') FROM pg_stat_background_workers}) }

sub one_order
{
	my ($order, $each_session) = @_;
	my $name = $each_session ? "$order; $each_session in each session" : $order;

	$node->append_conf('postgresql.conf', "shared_preload_libraries = '$order'\nsession_preload_libraries = '" . ($each_session || '') . "'\n");
	$node->restart;
	$session = session($node);
	note $name;
	probe($name);
	my $worker = worker();
	like($worker, qr/^\d+$/, "$name: a worker stays");

	# --- errors ---
	failed('the planner', 'SELECT 1 / 0', qr/division by zero/);
	failed('ExecutorStart', 'SET transaction_read_only = on; INSERT INTO done VALUES (1)', qr/cannot execute INSERT in a read-only transaction/);
	failed('ExecutorRun', 'SELECT 1 / (id - id) FROM done', qr/division by zero/);
	failed('ExecutorFinish', q{INSERT INTO finished VALUES ('fail')}, qr/after trigger/);
	failed('ProcessUtility', 'SELECT 1; DROP TABLE missing', qr/table "missing" does not exist/);
	failed('a nested statement', q{SELECT failing(3)}, qr/division by zero/);
	failed('a nested command', q{DO $$ BEGIN EXECUTE 'DROP TABLE missing'; END $$}, qr/table "missing" does not exist/);
	failed('a limit', q{SET seq_page_cost = 10000; SET pg_background.max_plan_cost = 5000; SELECT count(*) FROM done}, qr/is expected to cost more/);
	failed('a limit, nested', q{SET seq_page_cost = 10000; SET pg_background.max_plan_cost = 5000; DO $$ BEGIN PERFORM count(*) FROM done; END $$},
		qr/is expected to cost more/);
	probe("$name: after errors");
	# errors that are caught: later statements of the same job are at their levels
	look('SELECT pg_stat_statements_reset()');
	is(outcome(q{SELECT caught(200) AS outer_1; SELECT 1 AS outer_2}), 'SELECT 1', "$name: errors are caught");
	is(calls('outer_2'), '1 1 t', "$name: after errors that were caught, a statement is at top level");

	# --- cancels ---
	canceled('the planner', 'SELECT asleep(600)');
	# which evaluates what chooses the partitions; a plan that is kept is not planned again
	canceled('ExecutorStart', q{SET plan_cache_mode = force_generic_plan; PREPARE p AS SELECT * FROM parted WHERE n = chosen();
		EXECUTE p; SET enable_material = off; EXPLAIN EXECUTE p});
	canceled('ExecutorRun', 'SELECT pg_sleep(600)');
	canceled('ExecutorFinish', q{INSERT INTO finished VALUES ('sleep')});
	canceled('ProcessUtility', 'DO $$ BEGIN PERFORM pg_sleep(600); END $$');
	canceled('a nested statement', 'SELECT nested_sleep()');
	probe("$name: after cancels");
	is(worker(), $worker, "$name: all of that was in one worker");

	# --- parallel workers ---
	my $parallel = q{SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0; SET max_parallel_workers_per_gather = 2;};
	look('SELECT pg_stat_statements_reset()');
	is(outcome("$parallel SET pg_background.max_plan_cost = 1000000; SELECT 1 AS parallel_1 FROM many WHERE i < 3"), 'SELECT 2', "$name: a parallel plan runs");
	is(calls('parallel_1'), '1 1 t', "$name: and is counted once");
	$session->quit;
	return;
}

$node->safe_psql('postgres', q{
	INSERT INTO done VALUES (1, 'x');
	CREATE FUNCTION nested(name text) RETURNS int LANGUAGE plpgsql AS $$
		DECLARE n int; BEGIN EXECUTE 'SELECT 2 AS ' || name INTO n; RETURN n; END $$;
	CREATE FUNCTION nested_sleep() RETURNS void LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(600) FROM done; END';
	CREATE FUNCTION asleep(n int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS 'BEGIN PERFORM pg_sleep(n); RETURN n; END';
	CREATE TABLE parted (n int) PARTITION BY LIST (n);
	CREATE TABLE part_1 PARTITION OF parted FOR VALUES IN (1);
	CREATE TABLE part_2 PARTITION OF parted FOR VALUES IN (2);
	CREATE FUNCTION chosen() RETURNS int STABLE LANGUAGE plpgsql AS $$
		BEGIN IF current_setting('enable_material') = 'off' THEN PERFORM pg_sleep(600); END IF; RETURN 1; END $$;
	CREATE FUNCTION failing(depth int) RETURNS int LANGUAGE plpgsql AS
		'DECLARE n int; BEGIN IF depth = 0 THEN SELECT 1 / (id - id) INTO n FROM done; ELSE SELECT failing(depth - 1) INTO n; END IF; RETURN n; END';
	CREATE FUNCTION caught(times int) RETURNS int LANGUAGE plpgsql AS $$
		BEGIN
			FOR i IN 1 .. times LOOP
				BEGIN PERFORM failing(i % 4); EXCEPTION WHEN division_by_zero THEN PERFORM 1 FROM done; END;
				BEGIN DROP TABLE missing; EXCEPTION WHEN undefined_table THEN NULL; END;
			END LOOP;
			RETURN times;
		END $$;
	CREATE TABLE finished (what text);
	CREATE FUNCTION finishes() RETURNS trigger LANGUAGE plpgsql AS $$
		BEGIN
			IF NEW.what = 'fail' THEN RAISE 'after trigger'; END IF;
			PERFORM pg_sleep(600); RETURN NULL;
		END $$;
	CREATE TRIGGER finishes AFTER INSERT ON finished FOR EACH ROW EXECUTE FUNCTION finishes();
	CREATE TABLE many AS SELECT i FROM generate_series(1, 20000) i;
	ANALYZE many, done;});
$node->append_conf('postgresql.conf', "shared_preload_libraries = 'pg_stat_statements, pg_background'\n");
$node->restart;
$node->safe_psql('postgres', 'CREATE EXTENSION pg_stat_statements');

my $others = join '', map { ", $_" } @others;
one_order("pg_background, auto_explain, pg_stat_statements$others");
one_order(join(', ', reverse @others) . (@others ? ', ' : '') . 'pg_stat_statements, auto_explain, pg_background');
one_order("auto_explain, pg_background, pg_stat_statements$others");
one_order("pg_stat_statements, pg_background$others", 'auto_explain');

# A library whose hooks a job brings is not for the next one, though ours are in the same chain.
$node->append_conf('postgresql.conf', "session_preload_libraries = ''\n");
$node->restart;
$session = session($node);
is(outcome('SELECT 1'), 'SELECT 1', 'a job runs');
my $worker = worker();
is(outcome("LOAD 'auto_explain'"), 'LOAD', 'a job loads a library with hooks');
is(outcome('SELECT 1'), 'SELECT 1', 'the next job runs');
isnt(worker(), $worker, 'in another worker');

healthy($node);
$node->stop;
done_testing();
